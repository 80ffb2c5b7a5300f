// gradient *= derivative of GELU at x, or of tanh whose result is x.

const WORKGROUP_SIZE: u32 = 64u;
const GELU: u32 = 1u;

struct Params {
    stride4: u32,  // groups of four between rows
    kind: u32,     // GELU, else tanh
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
    var slope = 1.0 - value * value;
    if params.kind == GELU {
        // The normal distribution and its density: Phi(x) + x phi(x).
        let density = 0.39894228040143268 * exp(-0.5 * value * value);
        slope = fma(value, density, 0.5 * (1.0 + erf(value * 0.70710678118654752)));
    }
    gradient[at] *= slope;
}
