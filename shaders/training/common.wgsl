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
