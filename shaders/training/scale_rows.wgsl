// out[row] = scales[row] * x[row], or that added to it.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows
    add: u32,      // 1: what is in out stays and is added to
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;          // [rows, stride]
@group(0) @binding(2) var<storage, read> scales: array<f32>;           // [rows]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;  // [rows, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.stride4 {
        return;
    }
    let at = group.y * params.stride4 + column4;
    let before = select(vec4(0.0), out[at], params.add == 1u);
    out[at] = fma(x[at], vec4(scales[group.y]), before);
}
