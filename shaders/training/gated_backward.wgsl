// The gradients of activation(x) * gate by x and by gate, in rows that are x and then gate, each padded to
// groups of four.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,    // groups of four between rows of x and d_x
    gate4: u32,      // groups of four of x, after which its gate begins
    d_stride4: u32,  // groups of four between rows of d_y
    activation: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<elem4>;              // [rows, x | gate]
@group(0) @binding(2) var<storage, read> d_y: array<vec4<f32>>;        // [rows, d_stride]
@group(0) @binding(3) var<storage, read_write> d_x: array<vec4<f32>>;  // [rows, x | gate]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.gate4 {
        return;
    }
    let at = group.y * params.stride4 + column4;
    let input = load4(x[at]);
    let d = d_y[group.y * params.d_stride4 + column4];
    var activated = input;
    switch params.activation {
        case GELU: { activated = gelu(input); }
        case GELU_TANH: { activated = gelu_tanh(input); }
        default: { activated = select(input, vec4(0.0), input < vec4(0.0)); }
    }
    d_x[at] = d * load4(x[at + params.gate4]) * lost_where(input, slope(params.activation, input));
    d_x[at + params.gate4] = d * lost_where(input, activated);
}
