// The squared error of each pair's logit, and the gradient of their mean.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    pairs: u32,
    stride4: u32,      // groups of four between rows of logits and gradient
    first_error: u32,  // where errors go
    weight: f32,       // of each pair: 1 / pairs of the whole step
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;          // [pairs, stride], one column
@group(0) @binding(2) var<storage, read> labels: array<f32>;                // [pairs]
@group(0) @binding(3) var<storage, read_write> errors: array<f32>;          // [first_error + pairs]
@group(0) @binding(4) var<storage, read_write> gradient: array<vec4<f32>>;  // [pairs, stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let pair = id.x;
    if pair >= params.pairs {
        return;
    }
    let difference = logits[pair * params.stride4].x - labels[pair];
    errors[params.first_error + pair] = difference * difference;
    gradient[pair * params.stride4] = vec4(2.0 * difference * params.weight, 0.0, 0.0, 0.0);
}
