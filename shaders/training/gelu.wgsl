// out = gelu(x), both f16: the forward pass keeps x for the backward pass.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<elem4>;          // [rows, stride]
@group(0) @binding(2) var<storage, read_write> out: array<elem4>;  // [rows, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.stride4 {
        return;
    }
    let at = group.y * params.stride4 + column4;
    let value = load4(x[at]);
    out[at] = store4(0.5 * value * (1.0 + erf(value * 0.70710678118654752)));
}
