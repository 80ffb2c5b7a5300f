// out = activation(x) * gate of rows that are x and then gate, each padded to groups of four

const WORKGROUP_SIZE: u32 = 64u;

const GELU: u32 = 0u;
const GELU_TANH: u32 = 1u;
const RELU: u32 = 2u;

struct Params {
    stride4: u32,      // groups of four between rows of x
    gate4: u32,        // groups of four of x, after which its gate begins
    out_stride4: u32,  // groups of four between rows of out
    activation: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<elem4>;          // [rows, x | gate]
@group(0) @binding(2) var<storage, read_write> out: array<elem4>;  // [rows, out_stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let column = group.x * WORKGROUP_SIZE + lane.x;
    if column >= params.gate4 {
        return;
    }
    let at = group.y * params.stride4 + column;
    let input = load4(x[at]);
    var y = input;
    switch params.activation {
        case GELU: { y = gelu(y); }
        case GELU_TANH: { y = gelu_tanh(y); }
        default: { y = select(y, vec4(0.0), y < vec4(0.0)); }
    }
    // As in matmul: an input that is not finite stays so, whatever the activation makes of it.
    let lost = (bitcast<vec4<u32>>(input) & vec4(0x7f800000u)) == vec4(0x7f800000u);
    y = bitcast<vec4<f32>>(select(bitcast<vec4<u32>>(y), vec4(0x7fc00000u), lost));
    out[group.y * params.out_stride4 + column] = store4(y * load4(x[at + params.gate4]));
}
