// out[i] = x[rows[i]]

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride2: u32,  // pairs of words between rows, whatever numbers they hold
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;             // [rows of out]
@group(0) @binding(2) var<storage, read> x: array<vec2<u32>>;          // [rows of x, stride2]
@group(0) @binding(3) var<storage, read_write> out: array<vec2<u32>>;  // [rows of out, stride2]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let column = group.x * WORKGROUP_SIZE + lane.x;
    if column < params.stride2 {
        out[group.y * params.stride2 + column] = x[rows[group.y] * params.stride2 + column];
    }
}
