// Multiply-adds in registers and nothing else: the peak that the other kernels are held against.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    rounds: u32,  // each is 12 fma of four numbers
    by: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    // Twelve numbers that do not wait for each other, and few enough for any machine's registers.
    let by = vec4(params.by);
    var a = vec4(f32(id.x));
    var b = a + 1.0;
    var c = a + 2.0;
    for (var i = 0u; i < params.rounds; i++) {
        a = fma(a, by, by);
        b = fma(b, by, by);
        c = fma(c, by, by);
        a = fma(a, by, by);
        b = fma(b, by, by);
        c = fma(c, by, by);
        a = fma(a, by, by);
        b = fma(b, by, by);
        c = fma(c, by, by);
        a = fma(a, by, by);
        b = fma(b, by, by);
        c = fma(c, by, by);
    }
    out[id.x] = (a + b) + c;
}
