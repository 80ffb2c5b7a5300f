// Put before every kernel where the adapter has shader-f16.
// The same names with the same meaning stand in prelude_f32.wgsl.
enable f16;

// Four neighbouring numbers as they lie in memory: 8 bytes of f16.
alias elem4 = vec4<f16>;

fn load4(stored: elem4) -> vec4<f32> {
    return vec4<f32>(stored);
}

fn store4(value: vec4<f32>) -> elem4 {
    // As in pack2.
    let bits = bitcast<vec4<u32>>(value);
    let beyond = (bits & vec4(0x7fffffffu)) >= vec4(0x477ff000u);
    return vec4<f16>(bitcast<vec4<f32>>(select(bits, vec4(0x7fc00000u), beyond)));
}

// Two numbers as f16 in a word. What f16 cannot hold, and what is no number, is NaN: drivers may make
// the largest number of it, and a wrong score of that. By its bits, since compilers may assume that
// comparisons never meet NaN.
fn pack2(value: vec2<f32>) -> u32 {
    let beyond = (bitcast<vec2<u32>>(value) & vec2(0x7fffffffu)) >= vec2(0x477ff000u);
    return select(pack2x16float(value), 0x7e007e00u, any(beyond));
}

