// For GPUs and many rows. A workgroup's tile of 128 rows x 64 columns goes through workgroup memory
// as f32, STEP of k at a time, so that numbers are unpacked once and not by every invocation that
// needs them. Each invocation sums 8 rows x 8 columns: 64 multiply-adds for each 16 numbers loaded.
// There are two buffers: while one is computed with, the other is filled, and one barrier a step
// is enough. 12 KiB.

const WORKGROUP_SIZE: u32 = 128u;  // invocations of a workgroup
const SIZE_X: u32 = 8u;            // of them side by side
const SIZE_Y: u32 = 16u;
const ROWS: u32 = 128u;            // rows of a workgroup's tile
const COLUMNS: u32 = 64u;          // columns of a workgroup's tile
const STEP: u32 = 8u;              // of k, in workgroup memory at a time
const STEP4: u32 = 2u;             // groups of four in it

@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>;

var<workgroup> a_tile: array<vec4<f32>, 2u * ROWS * STEP4>;        // [buffer, row, group of k]
var<workgroup> w_tile: array<vec4<f32>, 2u * STEP * COLUMNS / 4u>;  // [buffer, k, group of columns]

// Puts one row of a and, by the first half of the invocations, four columns of a pair into a buffer.
fn fill(buffer: u32, lane: u32, a_pairs: vec4<u32>, fresh: Columns) {
    let to_a = (buffer * ROWS + lane) * STEP4;
    a_tile[to_a] = vec4(unpack2x16float(a_pairs.x), unpack2x16float(a_pairs.y));
    a_tile[to_a + 1u] = vec4(unpack2x16float(a_pairs.z), unpack2x16float(a_pairs.w));
    if lane < WORKGROUP_SIZE / 2u {
        let to_w = (buffer * STEP + lane / (COLUMNS / 4u) * 2u) * (COLUMNS / 4u) + lane % (COLUMNS / 4u);
        w_tile[to_w] = fresh.even;
        w_tile[to_w + COLUMNS / 4u] = fresh.odd;
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let x = lane % SIZE_X;
    let y = lane / SIZE_X;
    let first_row = params.first_row + group.y * ROWS;
    // Rows past the end read the last one and are not stored.
    let from_a = min(first_row + lane, params.rows - 1u) * (params.a_stride2 / 4u);
    // An invocation's groups of columns are neighbours in w and out, and lie SIZE_X apart in workgroup memory.
    let within = lane % SIZE_X * 2u + lane / SIZE_X % 2u;
    let from_w = group.x * (params.k2 / WORD) * (PANEL / 4u) + within;
    let from_k = lane % (WORKGROUP_SIZE / 2u) / (PANEL / 4u);
    let steps = params.k2 / (STEP / 2u);

    var near0 = vec4(0.0);
    var near1 = vec4(0.0);
    var near2 = vec4(0.0);
    var near3 = vec4(0.0);
    var near4 = vec4(0.0);
    var near5 = vec4(0.0);
    var near6 = vec4(0.0);
    var near7 = vec4(0.0);
    var far0 = vec4(0.0);
    var far1 = vec4(0.0);
    var far2 = vec4(0.0);
    var far3 = vec4(0.0);
    var far4 = vec4(0.0);
    var far5 = vec4(0.0);
    var far6 = vec4(0.0);
    var far7 = vec4(0.0);
    let first_w = w[from_w + from_k / WORD * (PANEL / 4u)];
    fill(0u, lane, a[from_a], columns(first_w, from_k % WORD, scale(group.x, from_k, within)));
    workgroupBarrier();
    for (var step = 0u; step < steps; step++) {
        let buffer = step % 2u;
        // The last step reads itself again, which nobody uses.
        let next = min(step + 1u, steps - 1u);
        let next_a = a[from_a + next];
        let k = next * (STEP / 2u) + from_k;
        let next_w = w[from_w + k / WORD * (PANEL / 4u)];
        let next_scale = scale(group.x, k, within);
        for (var k4 = 0u; k4 < STEP4; k4++) {
            // Rows of an invocation are SIZE_Y apart: neighbours read neighbouring memory.
            let at_a = (buffer * ROWS + y) * STEP4 + k4;
            let a0 = a_tile[at_a];
            let a1 = a_tile[at_a + 1u * SIZE_Y * STEP4];
            let a2 = a_tile[at_a + 2u * SIZE_Y * STEP4];
            let a3 = a_tile[at_a + 3u * SIZE_Y * STEP4];
            let a4 = a_tile[at_a + 4u * SIZE_Y * STEP4];
            let a5 = a_tile[at_a + 5u * SIZE_Y * STEP4];
            let a6 = a_tile[at_a + 6u * SIZE_Y * STEP4];
            let a7 = a_tile[at_a + 7u * SIZE_Y * STEP4];
            let at_w = (buffer * STEP + k4 * 4u) * (COLUMNS / 4u) + x;
            let near_w0 = w_tile[at_w];
            let far_w0 = w_tile[at_w + SIZE_X];
            near0 = fma(vec4(a0.x), near_w0, near0);
            far0 = fma(vec4(a0.x), far_w0, far0);
            near1 = fma(vec4(a1.x), near_w0, near1);
            far1 = fma(vec4(a1.x), far_w0, far1);
            near2 = fma(vec4(a2.x), near_w0, near2);
            far2 = fma(vec4(a2.x), far_w0, far2);
            near3 = fma(vec4(a3.x), near_w0, near3);
            far3 = fma(vec4(a3.x), far_w0, far3);
            near4 = fma(vec4(a4.x), near_w0, near4);
            far4 = fma(vec4(a4.x), far_w0, far4);
            near5 = fma(vec4(a5.x), near_w0, near5);
            far5 = fma(vec4(a5.x), far_w0, far5);
            near6 = fma(vec4(a6.x), near_w0, near6);
            far6 = fma(vec4(a6.x), far_w0, far6);
            near7 = fma(vec4(a7.x), near_w0, near7);
            far7 = fma(vec4(a7.x), far_w0, far7);
            let near_w1 = w_tile[at_w + 1u * (COLUMNS / 4u)];
            let far_w1 = w_tile[at_w + 1u * (COLUMNS / 4u) + SIZE_X];
            near0 = fma(vec4(a0.y), near_w1, near0);
            far0 = fma(vec4(a0.y), far_w1, far0);
            near1 = fma(vec4(a1.y), near_w1, near1);
            far1 = fma(vec4(a1.y), far_w1, far1);
            near2 = fma(vec4(a2.y), near_w1, near2);
            far2 = fma(vec4(a2.y), far_w1, far2);
            near3 = fma(vec4(a3.y), near_w1, near3);
            far3 = fma(vec4(a3.y), far_w1, far3);
            near4 = fma(vec4(a4.y), near_w1, near4);
            far4 = fma(vec4(a4.y), far_w1, far4);
            near5 = fma(vec4(a5.y), near_w1, near5);
            far5 = fma(vec4(a5.y), far_w1, far5);
            near6 = fma(vec4(a6.y), near_w1, near6);
            far6 = fma(vec4(a6.y), far_w1, far6);
            near7 = fma(vec4(a7.y), near_w1, near7);
            far7 = fma(vec4(a7.y), far_w1, far7);
            let near_w2 = w_tile[at_w + 2u * (COLUMNS / 4u)];
            let far_w2 = w_tile[at_w + 2u * (COLUMNS / 4u) + SIZE_X];
            near0 = fma(vec4(a0.z), near_w2, near0);
            far0 = fma(vec4(a0.z), far_w2, far0);
            near1 = fma(vec4(a1.z), near_w2, near1);
            far1 = fma(vec4(a1.z), far_w2, far1);
            near2 = fma(vec4(a2.z), near_w2, near2);
            far2 = fma(vec4(a2.z), far_w2, far2);
            near3 = fma(vec4(a3.z), near_w2, near3);
            far3 = fma(vec4(a3.z), far_w2, far3);
            near4 = fma(vec4(a4.z), near_w2, near4);
            far4 = fma(vec4(a4.z), far_w2, far4);
            near5 = fma(vec4(a5.z), near_w2, near5);
            far5 = fma(vec4(a5.z), far_w2, far5);
            near6 = fma(vec4(a6.z), near_w2, near6);
            far6 = fma(vec4(a6.z), far_w2, far6);
            near7 = fma(vec4(a7.z), near_w2, near7);
            far7 = fma(vec4(a7.z), far_w2, far7);
            let near_w3 = w_tile[at_w + 3u * (COLUMNS / 4u)];
            let far_w3 = w_tile[at_w + 3u * (COLUMNS / 4u) + SIZE_X];
            near0 = fma(vec4(a0.w), near_w3, near0);
            far0 = fma(vec4(a0.w), far_w3, far0);
            near1 = fma(vec4(a1.w), near_w3, near1);
            far1 = fma(vec4(a1.w), far_w3, far1);
            near2 = fma(vec4(a2.w), near_w3, near2);
            far2 = fma(vec4(a2.w), far_w3, far2);
            near3 = fma(vec4(a3.w), near_w3, near3);
            far3 = fma(vec4(a3.w), far_w3, far3);
            near4 = fma(vec4(a4.w), near_w3, near4);
            far4 = fma(vec4(a4.w), far_w3, far4);
            near5 = fma(vec4(a5.w), near_w3, near5);
            far5 = fma(vec4(a5.w), far_w3, far5);
            near6 = fma(vec4(a6.w), near_w3, near6);
            far6 = fma(vec4(a6.w), far_w3, far6);
            near7 = fma(vec4(a7.w), near_w3, near7);
            far7 = fma(vec4(a7.w), far_w3, far7);
        }
        fill(1u - buffer, lane, next_a, columns(next_w, k % WORD, next_scale));
        workgroupBarrier();
    }
    let column4 = group.x * (COLUMNS / 4u) + 2u * x;
    // By a loop whose end is not known, so that the epilogue is compiled once and not sixteen times, and by a switch,
    // because an array that is indexed would leave the registers. Where columns are gated, the near ones alone are stored.
    let end = 2u * min(ROWS / SIZE_Y, params.rows);
    for (var i = 0u; i < end; i += 1u + params.gated) {
        var near = near0;
        var far = far0;
        switch i / 2u {
            case 1u: { near = near1; far = far1; }
            case 2u: { near = near2; far = far2; }
            case 3u: { near = near3; far = far3; }
            case 4u: { near = near4; far = far4; }
            case 5u: { near = near5; far = far5; }
            case 6u: { near = near6; far = far6; }
            case 7u: { near = near7; far = far7; }
            default: {}
        }
        finish(first_row + y + i / 2u * SIZE_Y, column4 + i % 2u, select(near, far, i % 2u == 1u), far);
    }
}
