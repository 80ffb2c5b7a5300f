// This is put before every kernel of training.

// Gradients are scaled so that the largest number of a row lies between 2^TOP and 2^(TOP + 1) in f16.
const TOP: i32 = 13;

// The exponent e for which the largest number times 2^e has the exponent TOP. Zeros, and what is
// as good as zero to f32, stay as they are.
fn exponent_for(largest: f32) -> i32 {
    let exponent = i32(bitcast<u32>(largest) >> 23u) - 127;
    return select(TOP - exponent, 0, exponent < -110);
}

fn power_of_two(exponent: i32) -> f32 {
    return bitcast<f32>(u32(clamp(exponent, -126, 127) + 127) << 23u);
}

// x as f16 will hold it: its magnitude rounded up or down by a chance that depends on `index` alone,
// so that a share of the numbers that changed by less than f16's last digit moves, and on average none
// is moved too far or too little. What f16 holds exactly stays. Rounding to the nearest would undo the
// small steps with which training begins.
fn dithered(x: f32, index: u32) -> f32 {
    // The scramble of PCG (Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020).
    let state = index * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    // Of f32's 23 binary digits f16 has 10.
    return bitcast<f32>((bitcast<u32>(x) + ((word >> 22u) ^ word) % 8192u) & 0xffffe000u);
}

fn dithered2(x: vec2<f32>, index: u32) -> vec2<f32> {
    return vec2(dithered(x.x, 2u * index), dithered(x.y, 2u * index + 1u));
}

// The activations, as `Activation` in Rust numbers them.
const TANH: u32 = 0u;
const GELU: u32 = 1u;
const GELU_TANH: u32 = 2u;
const RELU: u32 = 3u;

// The derivative of an activation at x; that of tanh from its result, x.
fn slope(activation: u32, x: vec4<f32>) -> vec4<f32> {
    switch activation {
        case GELU: {
            // The normal distribution and its density: Phi(x) + x phi(x).
            let density = 0.39894228040143268 * exp(-0.5 * x * x);
            return fma(x, density, 0.5 * (1.0 + erf(x * 0.70710678118654752)));
        }
        case GELU_TANH: {
            // As in gelu_tanh, tanh is 1 to f32 beyond 10, where its own slope is 0.
            let square = x * x;
            let y = clamp(x * fma(vec4(0.035677408136), square, vec4(0.79788456080)), vec4(-10.0), vec4(10.0));
            let t = tanh(y);
            let along = x * fma(vec4(0.107032224408), square, vec4(0.79788456080));
            return 0.5 * fma(along * (1.0 - t), 1.0 + t, 1.0 + t);
        }
        case RELU: {
            return select(vec4(0.0), vec4(1.0), x > vec4(0.0));
        }
        default: {
            return 1.0 - x * x;
        }
    }
}

// NaN where x is not finite, whatever was computed from it.
fn lost_where(x: vec4<f32>, computed: vec4<f32>) -> vec4<f32> {
    let lost = (bitcast<vec4<u32>>(x) & vec4(0x7f800000u)) == vec4(0x7f800000u);
    return bitcast<vec4<f32>>(select(bitcast<vec4<u32>>(computed), vec4(0x7fc00000u), lost));
}
