// A step of AdamW (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2) as PyTorch computes it.
// The gradient is used up: it is zero afterwards.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    count4: u32,
    across: u32,         // invocations in x
    rate: f32,           // learning rate of this step
    decay: f32,          // what weights are multiplied by: 1 - learning rate * weight decay
    beta1: f32,
    beta2: f32,
    correction1: f32,    // 1 / (1 - beta1^step)
    correction2: f32,    // 1 / sqrt(1 - beta2^step)
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> clip: array<f32>;                  // its first is a factor
@group(0) @binding(2) var<storage, read_write> gradient: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> mean: array<vec4<f32>>;      // of gradients
@group(0) @binding(4) var<storage, read_write> square: array<vec4<f32>>;    // mean of their squares
@group(0) @binding(5) var<storage, read_write> weight: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.y * params.across + id.x;
    if i >= params.count4 {
        return;
    }
    let g = gradient[i] * clip[0];
    let m = fma(vec4(params.beta1), mean[i], (1.0 - params.beta1) * g);
    let v = fma(vec4(params.beta2), square[i], (1.0 - params.beta2) * g * g);
    mean[i] = m;
    square[i] = v;
    let step = m * params.correction1 / (sqrt(v) * params.correction2 + params.eps);
    weight[i] = fma(vec4(-params.rate), step, weight[i] * params.decay);
    gradient[i] = vec4(0.0);
}
