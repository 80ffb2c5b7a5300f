// gradient *= derivative of an activation at x, or of tanh whose result is x.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,     // groups of four between rows
    activation: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<elem4>;                   // [rows, stride]
@group(0) @binding(2) var<storage, read_write> gradient: array<vec4<f32>>;  // [rows, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.stride4 {
        return;
    }
    let at = group.y * params.stride4 + column4;
    let value = load4(x[at]);
    gradient[at] *= lost_where(value, slope(params.activation, value));
}
