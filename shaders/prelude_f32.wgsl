// Put before every kernel where the adapter has no shader-f16.
// The same names with the same meaning stand in prelude_f16.wgsl.

// Four neighbouring numbers as they lie in memory: 8 bytes of f16.
alias elem4 = vec2<u32>;

fn load4(stored: elem4) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn store4(value: vec4<f32>) -> elem4 {
    return vec2<u32>(pack2(value.xy), pack2(value.zw));
}

// Two numbers as f16 in a word. What f16 cannot hold, and what is no number, is NaN: drivers may make
// the largest number of it, and a wrong score of that. By its bits, since compilers may assume that
// comparisons never meet NaN.
fn pack2(value: vec2<f32>) -> u32 {
    let beyond = (bitcast<vec2<u32>>(value) & vec2(0x7fffffffu)) >= vec2(0x477ff000u);
    return select(pack2x16float(value), 0x7e007e00u, any(beyond));
}

