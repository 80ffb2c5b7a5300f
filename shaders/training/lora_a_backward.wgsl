// gradient[i] += scale * sum over outputs of b[output, i] * scales[output] * d_w[output].

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,   // groups of four between rows of d_w and gradient
    b_stride: u32,  // numbers between rows of b
    first: u32,     // the first output that has this adapter
    outputs: u32,   // that have it
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_w: array<vec4<f32>>;             // [first + outputs, stride]
@group(0) @binding(2) var<storage, read> scales: array<f32>;                // [first + outputs]
@group(0) @binding(3) var<storage, read> b: array<f32>;                     // [outputs, b_stride]
@group(0) @binding(4) var<storage, read_write> gradient: array<vec4<f32>>;  // [rank, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.stride4 {
        return;
    }
    var sum = vec4(0.0);
    for (var output = 0u; output < params.outputs; output++) {
        let row = params.first + output;
        let factor = b[output * params.b_stride + group.y] * scales[row];
        sum = fma(vec4(factor), d_w[row * params.stride4 + column4], sum);
    }
    let at = group.y * params.stride4 + column4;
    gradient[at] = fma(vec4(params.scale), sum, gradient[at]);
}
