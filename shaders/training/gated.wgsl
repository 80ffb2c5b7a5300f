// out = activation(x) * gate, for rows that are x and then gate, each padded to groups of four. Both are also saved for
// the backward pass, in f16. out is computed before that rounding, as in scoring.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,      // groups of four between rows of x and saved
    gate4: u32,        // groups of four of x, after which its gate begins
    out_stride4: u32,  // groups of four between rows of out
    activation: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [rows, x | gate]
@group(0) @binding(2) var<storage, read_write> saved: array<elem4>;  // the same
@group(0) @binding(3) var<storage, read_write> out: array<elem4>;    // [rows, out_stride]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.gate4 {
        return;
    }
    let at = group.y * params.stride4 + column4;
    let input = x[at];
    let gate = x[at + params.gate4];
    saved[at] = store4(input);
    saved[at + params.gate4] = store4(gate);
    var y = input;
    switch params.activation {
        case GELU: { y = gelu(y); }
        case GELU_TANH: { y = gelu_tanh(y); }
        default: { y = select(y, vec4(0.0), y < vec4(0.0)); }
    }
    out[group.y * params.out_stride4 + column4] = store4(lost_where(input, y) * gate);
}
