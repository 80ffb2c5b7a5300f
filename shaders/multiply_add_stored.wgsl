// Multiply-adds in f32 of operands that are stored as f16 and converted where they are used, with
// nothing to load: the peak that a matmul over f16 weights is held against.

// = src/ops/multiply_add_stored.rs
const LANES: u32 = 64u;
// Sets of operands; neighbouring invocations have different ones. = src/ops/multiply_add_stored.rs
const SETS: u32 = 4u;
// Groups of four in a set: 8 rows, 4 columns, and the zeros. = src/ops/multiply_add_stored.rs
const SET: u32 = 13u;

struct Params {
    rounds: u32,  // each is the product of 8 x 4 and 4 x 4 numbers
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> operands: array<elem4>;        // [SETS, SET]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

fn row(a: elem4, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>, sum: vec4<f32>) -> vec4<f32> {
    let x = load4(a);
    return fma(vec4(x.w), w3, fma(vec4(x.z), w2, fma(vec4(x.y), w1, fma(vec4(x.x), w0, sum))));
}

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let first = (id.x % SETS) * SET;
    var a0 = operands[first];
    var a1 = operands[first + 1u];
    var a2 = operands[first + 2u];
    var a3 = operands[first + 3u];
    var a4 = operands[first + 4u];
    var a5 = operands[first + 5u];
    var a6 = operands[first + 6u];
    var a7 = operands[first + 7u];
    var b0 = operands[first + 8u];
    var b1 = operands[first + 9u];
    var b2 = operands[first + 10u];
    var b3 = operands[first + 11u];
    // Nobody but the host knows that these are zeros: so no compiler converts once for all rounds.
    let zero = operands[first + 12u];
    var s0 = vec4(0.0);
    var s1 = vec4(0.0);
    var s2 = vec4(0.0);
    var s3 = vec4(0.0);
    var s4 = vec4(0.0);
    var s5 = vec4(0.0);
    var s6 = vec4(0.0);
    var s7 = vec4(0.0);
    for (var i = 0u; i < params.rounds; i++) {
        let w0 = load4(b0);
        let w1 = load4(b1);
        let w2 = load4(b2);
        let w3 = load4(b3);
        s0 = row(a0, w0, w1, w2, w3, s0);
        s1 = row(a1, w0, w1, w2, w3, s1);
        s2 = row(a2, w0, w1, w2, w3, s2);
        s3 = row(a3, w0, w1, w2, w3, s3);
        s4 = row(a4, w0, w1, w2, w3, s4);
        s5 = row(a5, w0, w1, w2, w3, s5);
        s6 = row(a6, w0, w1, w2, w3, s6);
        s7 = row(a7, w0, w1, w2, w3, s7);
        a0 += zero;
        a1 += zero;
        a2 += zero;
        a3 += zero;
        a4 += zero;
        a5 += zero;
        a6 += zero;
        a7 += zero;
        b0 += zero;
        b1 += zero;
        b2 += zero;
        b3 += zero;
    }
    out[id.x] = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
}
