// This is put before every kernel where the adapter has no shader-f16.
// The same names are declared in prelude_f16.wgsl.

// Four neighbouring numbers as they lie in memory: 8 bytes of f16.
alias elem4 = vec2<u32>;

fn load4(stored: elem4) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn store4(value: vec4<f32>) -> elem4 {
    return vec2<u32>(pack2(value.xy), pack2(value.zw));
}
