// This is put before every kernel where the adapter has shader-f16. The same names are declared in
// prelude_f32.wgsl.
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
