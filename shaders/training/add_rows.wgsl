// out[rows[i]] += x[i]: what went one way is added to what went the other. No row comes twice.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows
    chosen: u32,   // 0: rows[i] = i
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;             // [count]
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;          // [count, stride]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;  // [any, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.stride4 {
        return;
    }
    let row = select(group.y, rows[group.y], params.chosen == 1u);
    let at = row * params.stride4 + column4;
    out[at] += x[group.y * params.stride4 + column4];
}
