// This is put before every kernel, after a prelude.

const PANEL: u32 = 64u;         // columns of a weight panel
const PANEL4: u32 = PANEL / 4u; // groups of four columns in it

// Two numbers as f16 in a word. What f16 cannot hold, and what is no number, is NaN: drivers may make
// the largest number of it, and a wrong score of that. By its bits, since compilers may assume that
// comparisons never meet NaN.
fn pack2(value: vec2<f32>) -> u32 {
    let beyond = (bitcast<vec2<u32>>(value) & vec2(0x7fffffffu)) >= vec2(0x477ff000u);
    return select(pack2x16float(value), 0x7e007e00u, any(beyond));
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

// GELU by tanh, which is 1 to f32 beyond 10.
fn gelu_tanh(x: vec4<f32>) -> vec4<f32> {
    let y = x * fma(vec4(0.035677408136), x * x, vec4(0.79788456080));
    return 0.5 * x * (1.0 + tanh(clamp(y, vec4(-10.0), vec4(10.0))));
}
