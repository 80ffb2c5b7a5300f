// The gradient of the mean of each pair's rows: every row of the pair gets d_y[pair] / its number of rows.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ends: array<u32>;             // [pairs + 1]: where each pair begins, and the last one ends
@group(0) @binding(2) var<storage, read> d_y: array<vec4<f32>>;        // [pairs, stride]
@group(0) @binding(3) var<storage, read_write> d_x: array<vec4<f32>>;  // [tokens, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.stride4 {
        return;
    }
    let first = ends[group.y];
    let end = ends[group.y + 1u];
    let share = d_y[group.y * params.stride4 + column4] / f32(end - first);
    for (var row = first; row < end; row++) {
        d_x[row * params.stride4 + column4] = share;
    }
}
