// out[m, n] = epilogue(sum over k of a[m, k] * w[n, k], plus bias[n])
//
// This is put before all variants. They differ in how invocations share a tile of sums. Numbers
// come in pairs of f16, one u32, whatever the prelude: half as many loads, and no need of
// shader-f16.

const STORE: u32 = 0u;
const GELU: u32 = 1u;
const TANH: u32 = 2u;
const RESIDUAL: u32 = 3u;
const ADD: u32 = 4u;
const RELU: u32 = 5u;
const GELU_TANH: u32 = 6u;
const ROTATE: u32 = 7u;

struct Params {
    rows: u32,         // rows of a and out, counted from the first of the buffers
    first_row: u32,    // of them, where this dispatch begins
    k2: u32,           // pairs that are summed over
    a_stride2: u32,    // pairs between rows of a
    out_stride4: u32,  // groups of four between rows of out and residual
    rotated4: u32,     // of them, those that ROTATE rotates: q and k of all heads
    head4: u32,        // groups of four of a head
    gated: u32,        // 1 where groups of four inputs and of their gates alternate
    epilogue: u32,
    wide: u32,         // 1 where out is f32, 0 where it is f16
}

@group(0) @binding(0) var<uniform> params: Params;
// a, pairs [rows, a_stride2], is binding 1 of each variant, in groups of its own choice. w is binding
// 2, in weights_f16.wgsl or weights_quantised.wgsl: the same code reads either, word
// by word.
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;  // [out_stride]
// [rows, out_stride]: f16 for RESIDUAL, f32 for ADD. One vec2 is four numbers of f16, two are four of f32.
// For ROTATE [positions, head4]: the cosine and the sine of two pairs, f32.
@group(0) @binding(4) var<storage, read> residual: array<vec2<u32>>;
// [rows, out_stride], f16 or f32.
@group(0) @binding(5) var<storage, read_write> out: array<vec2<u32>>;
// For ROTATE [rows, 3]: word, position, type.
@group(0) @binding(6) var<storage, read> ids: array<u32>;

// Four columns of weights: the even and the odd number of each pair.
struct Columns {
    even: vec4<f32>,
    odd: vec4<f32>,
}

// Four numbers of f32 of `residual`.
fn wide_residual(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4(residual[2u * at], residual[2u * at + 1u]));
}

// Stores four columns of a row, from their sums. Where columns are gated, groups of four inputs and of four gates
// alternate: `next` has the sums of the gates if column4 is even, out has half as many columns, and the odd groups
// are not stored.
fn finish(row: u32, column4: u32, sum: vec4<f32>, next: vec4<f32>) {
    let gated = params.gated == 1u;
    let to = select(column4, column4 / 2u, gated);
    if row >= params.rows || to >= params.out_stride4 || (gated && column4 % 2u == 1u) {
        return;
    }
    let at = row * params.out_stride4 + to;
    let input = sum + bias[column4];
    var x = input;
    switch params.epilogue {
        case GELU: { x = gelu(x); }
        // tanh of a large argument overflows in some drivers; it is 1 to f32 beyond 10.
        case TANH: { x = tanh(clamp(x, vec4(-10.0), vec4(10.0))); }
        case GELU_TANH: { x = gelu_tanh(x); }
        case RELU: { x = select(x, vec4(0.0), x < vec4(0.0)); }
        case RESIDUAL: { x += vec4(unpack2x16float(residual[at].x), unpack2x16float(residual[at].y)); }
        case ADD: { x += wide_residual(at); }
        // (x, y), a pair of neighbours, becomes (x cos - y sin, y cos + x sin) at the angle of its row's position.
        case ROTATE: {
            if column4 < params.rotated4 {
                let cos_sin = wide_residual(ids[3u * row + 1u] * params.head4 + column4 % params.head4);
                x = x * cos_sin.xxzz + x.yxwz * cos_sin.yyww * vec4(-1.0, 1.0, -1.0, 1.0);
            }
        }
        default: {}
    }
    // Whatever an epilogue makes of an input that is not finite, it stays so. By its bits, as in pack2.
    let lost = (bitcast<vec4<u32>>(input) & vec4(0x7f800000u)) == vec4(0x7f800000u);
    x = bitcast<vec4<f32>>(select(bitcast<vec4<u32>>(x), vec4(0x7fc00000u), lost));
    if gated {
        x *= next + bias[column4 + 1u];
    }
    let bits = bitcast<vec4<u32>>(x);
    // As few places that store as can be: each takes compilers of software adapters long.
    let wide = params.wide == 1u;
    out[select(at, 2u * at, wide)] = select(vec2(pack2(x.xy), pack2(x.zw)), bits.xy, wide);
    if wide {
        out[2u * at + 1u] = bits.zw;
    }
}
