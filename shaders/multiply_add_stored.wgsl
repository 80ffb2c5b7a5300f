// Multiply-adds in f32 of operands that are stored as f16 and converted where they are used, with
// nothing to load: the peak that a matmul over f16 weights is held against.

const WORKGROUP_SIZE: u32 = 64u;
// Sets of operands; neighbouring invocations have different ones.
const SETS: u32 = 4u;
// Groups of four in a set: 8 rows, 4 times 8 columns, and zeros.
const SET: u32 = 17u;

struct Params {
    rounds: u32,  // each is the product of 8 x 4 and 4 x 8 numbers, or of 4 x 4 and 4 x 4
    wide: u32,    // 1 for the first: more sums for each conversion, if there are registers for them
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> operands: array<elem4>;  // [SETS, SET]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

// Four products of the row x with the rows of w, added to the sum.
fn product(x: vec4<f32>, w: array<vec4<f32>, 4>, sum: vec4<f32>) -> vec4<f32> {
    return fma(vec4(x.w), w[3], fma(vec4(x.z), w[2], fma(vec4(x.y), w[1], fma(vec4(x.x), w[0], sum))));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let first = (id.x % SETS) * SET;
    var a0 = operands[first + 0u];
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
    var b4 = operands[first + 12u];
    var b5 = operands[first + 13u];
    var b6 = operands[first + 14u];
    var b7 = operands[first + 15u];
    // Only the host knows that these are zeros: so no compiler converts once for all rounds.
    let zero = operands[first + 16u];
    var s0 = vec4(0.0);
    var s1 = vec4(0.0);
    var s2 = vec4(0.0);
    var s3 = vec4(0.0);
    var s4 = vec4(0.0);
    var s5 = vec4(0.0);
    var s6 = vec4(0.0);
    var s7 = vec4(0.0);
    var t0 = vec4(0.0);
    var t1 = vec4(0.0);
    var t2 = vec4(0.0);
    var t3 = vec4(0.0);
    var t4 = vec4(0.0);
    var t5 = vec4(0.0);
    var t6 = vec4(0.0);
    var t7 = vec4(0.0);
    if params.wide == 1u {
        for (var i = 0u; i < params.rounds; i++) {
            let u = array(load4(b0), load4(b1), load4(b2), load4(b3));
            let v = array(load4(b4), load4(b5), load4(b6), load4(b7));
            let x0 = load4(a0);
            s0 = product(x0, u, s0);
            t0 = product(x0, v, t0);
            let x1 = load4(a1);
            s1 = product(x1, u, s1);
            t1 = product(x1, v, t1);
            let x2 = load4(a2);
            s2 = product(x2, u, s2);
            t2 = product(x2, v, t2);
            let x3 = load4(a3);
            s3 = product(x3, u, s3);
            t3 = product(x3, v, t3);
            let x4 = load4(a4);
            s4 = product(x4, u, s4);
            t4 = product(x4, v, t4);
            let x5 = load4(a5);
            s5 = product(x5, u, s5);
            t5 = product(x5, v, t5);
            let x6 = load4(a6);
            s6 = product(x6, u, s6);
            t6 = product(x6, v, t6);
            let x7 = load4(a7);
            s7 = product(x7, u, s7);
            t7 = product(x7, v, t7);
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
            b4 += zero;
            b5 += zero;
            b6 += zero;
            b7 += zero;
        }
    } else {
        for (var i = 0u; i < params.rounds; i++) {
            let u = array(load4(b0), load4(b1), load4(b2), load4(b3));
            s0 = product(load4(a0), u, s0);
            s1 = product(load4(a1), u, s1);
            s2 = product(load4(a2), u, s2);
            s3 = product(load4(a3), u, s3);
            a0 += zero;
            a1 += zero;
            a2 += zero;
            a3 += zero;
            b0 += zero;
            b1 += zero;
            b2 += zero;
            b3 += zero;
        }
    }
    let s = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
    let t = ((t0 + t1) + (t2 + t3)) + ((t4 + t5) + (t6 + t7));
    out[id.x] = s + t;
}
