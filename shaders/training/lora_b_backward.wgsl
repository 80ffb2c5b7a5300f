// gradient[output, i] += scale * scales[output] * sum over inputs of d_w[output] * a[i].

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,   // groups of four between rows of d_w and a
    b_stride: u32,  // numbers between rows of gradient
    first: u32,     // the first output that has this adapter
    outputs: u32,   // that have it
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_w: array<vec4<f32>>;       // [first + outputs, stride]
@group(0) @binding(2) var<storage, read> scales: array<f32>;          // [first + outputs]
@group(0) @binding(3) var<storage, read> a: array<vec4<f32>>;         // [rank, stride]
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;  // [outputs, b_stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let output = group.x * WORKGROUP_SIZE + id.x;
    if output >= params.outputs {
        return;
    }
    let row = params.first + output;
    var sum = vec4(0.0);
    for (var i = 0u; i < params.stride4; i++) {
        sum = fma(d_w[row * params.stride4 + i], a[group.y * params.stride4 + i], sum);
    }
    let at = output * params.b_stride + group.y;
    let total = (sum.x + sum.y) + (sum.z + sum.w);
    gradient[at] = fma(params.scale * scales[row], total, gradient[at]);
}
