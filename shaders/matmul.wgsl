// out[m, n] = epilogue(sum over k of a[m, k] * w[n, k], plus bias[n])
//
// Every sum runs over k = 0, 1, 2, … with one fma a step, wherever the row stands: a score does
// not depend on its company.

// = src/ops/matmul.rs
const PANEL: u32 = 64u;        // columns of a weight panel, and of a workgroup's tile
const ROWS: u32 = 32u;         // rows of a workgroup's tile
const LANE_ROWS: u32 = 8u;     // rows of an invocation's tile
const LANES_X: u32 = 16u;      // invocations side by side, four columns each
const LANES_Y: u32 = 4u;
const STORE: u32 = 0u;
const GELU: u32 = 1u;
const TANH: u32 = 2u;
const RESIDUAL: u32 = 3u;
const STORE_F32: u32 = 4u;

struct Params {
    rows: u32,         // rows of a and out
    k4: u32,           // groups of four that are summed over
    a_stride4: u32,    // groups of four between rows of a
    out_stride4: u32,  // groups of four between rows of out and residual
    epilogue: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<elem4>;         // [rows, a_stride]
@group(0) @binding(2) var<storage, read> w: array<elem4>;         // [panels, 4 * k4, PANEL]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;  // [out_stride]
@group(0) @binding(4) var<storage, read> residual: array<elem4>;  // [rows, out_stride], if RESIDUAL
// f16 for STORE, GELU and TANH: one vec2 is four numbers. f32 for the others: two vec2 are four.
@group(0) @binding(5) var<storage, read_write> out: array<vec2<u32>>;

// One row of a times four rows of the panel, added to sum.
fn step(sum: vec4<f32>, a: vec4<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
    return fma(vec4(a.w), w3, fma(vec4(a.z), w2, fma(vec4(a.y), w1, fma(vec4(a.x), w0, sum))));
}

// erf by Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
fn erf(x: vec4<f32>) -> vec4<f32> {
    let t = 1.0 / fma(vec4(0.3275911), abs(x), vec4(1.0));
    let p = fma(fma(fma(fma(vec4(1.061405429), t, vec4(-1.453152027)), t, vec4(1.421413741)), t, vec4(-0.284496736)), t, vec4(0.254829592));
    return sign(x) * (1.0 - p * t * exp(-x * x));
}

fn gelu(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x * (1.0 + erf(x * 0.70710678118654752));
}

fn pack(x: vec4<f32>) -> vec2<u32> {
    return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw));
}

fn finish(row: u32, column4: u32, sum: vec4<f32>) {
    if row >= params.rows || column4 >= params.out_stride4 {
        return;
    }
    let at = row * params.out_stride4 + column4;
    let x = sum + bias[column4];
    switch params.epilogue {
        case STORE: { out[at] = pack(x); }
        case GELU: { out[at] = pack(gelu(x)); }
        // tanh of a large argument overflows in some drivers; it is 1 to f32 beyond 10.
        case TANH: { out[at] = pack(tanh(clamp(x, vec4(-10.0), vec4(10.0)))); }
        default: {
            var y = x;
            if params.epilogue == RESIDUAL {
                y += load4(residual[at]);
            }
            let bits = bitcast<vec4<u32>>(y);
            out[2u * at] = bits.xy;
            out[2u * at + 1u] = bits.zw;
        }
    }
}

@compute @workgroup_size(LANES_X, LANES_Y)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let row = group.y * ROWS + lane.y * LANE_ROWS;
    let column4 = group.x * (PANEL / 4u) + lane.x;
    // Rows past the end read the last one and are not stored.
    let last = params.rows - 1u;
    let a0 = min(row, last) * params.a_stride4;
    let a1 = min(row + 1u, last) * params.a_stride4;
    let a2 = min(row + 2u, last) * params.a_stride4;
    let a3 = min(row + 3u, last) * params.a_stride4;
    let a4 = min(row + 4u, last) * params.a_stride4;
    let a5 = min(row + 5u, last) * params.a_stride4;
    let a6 = min(row + 6u, last) * params.a_stride4;
    let a7 = min(row + 7u, last) * params.a_stride4;

    var sum0 = vec4(0.0);
    var sum1 = vec4(0.0);
    var sum2 = vec4(0.0);
    var sum3 = vec4(0.0);
    var sum4 = vec4(0.0);
    var sum5 = vec4(0.0);
    var sum6 = vec4(0.0);
    var sum7 = vec4(0.0);
    var panel = group.x * params.k4 * PANEL + lane.x;
    for (var k = 0u; k < params.k4; k++) {
        let w0 = load4(w[panel]);
        let w1 = load4(w[panel + PANEL / 4u]);
        let w2 = load4(w[panel + PANEL / 2u]);
        let w3 = load4(w[panel + PANEL * 3u / 4u]);
        panel += PANEL;
        sum0 = step(sum0, load4(a[a0 + k]), w0, w1, w2, w3);
        sum1 = step(sum1, load4(a[a1 + k]), w0, w1, w2, w3);
        sum2 = step(sum2, load4(a[a2 + k]), w0, w1, w2, w3);
        sum3 = step(sum3, load4(a[a3 + k]), w0, w1, w2, w3);
        sum4 = step(sum4, load4(a[a4 + k]), w0, w1, w2, w3);
        sum5 = step(sum5, load4(a[a5 + k]), w0, w1, w2, w3);
        sum6 = step(sum6, load4(a[a6 + k]), w0, w1, w2, w3);
        sum7 = step(sum7, load4(a[a7 + k]), w0, w1, w2, w3);
    }
    finish(row, column4, sum0);
    finish(row + 1u, column4, sum1);
    finish(row + 2u, column4, sum2);
    finish(row + 3u, column4, sum3);
    finish(row + 4u, column4, sum4);
    finish(row + 5u, column4, sum5);
    finish(row + 6u, column4, sum6);
    finish(row + 7u, column4, sum7);
}
