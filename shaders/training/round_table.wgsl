// out[first_row + row] = w[row] in f16: a table's share of the master weights.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows
    first_row: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;      // [rows, stride]
@group(0) @binding(2) var<storage, read_write> out: array<elem4>;  // [first_row + rows, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.stride4 {
        return;
    }
    let at = group.y * params.stride4 + column4;
    let to = params.first_row * params.stride4 + at;
    let x = w[at];
    out[to] = store4(vec4(dithered2(x.xy, 2u * to), dithered2(x.zw, 2u * to + 1u)));
}
