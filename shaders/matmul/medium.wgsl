// For GPUs and few rows, such as one pair: small tiles, so that there are workgroups enough for all
// of the GPU. 32 rows x 32 columns go through workgroup memory as in large.wgsl; each invocation
// sums 4 x 4, which leaves registers free on small GPUs as well. 8 KiB.

const WORKGROUP_SIZE: u32 = 64u;  // invocations of a workgroup
const SIZE_X: u32 = 8u;           // of them side by side, four columns each
const SIZE_Y: u32 = 8u;
const ROWS: u32 = 32u;            // rows of a workgroup's tile
const COLUMNS: u32 = 32u;         // columns of a workgroup's tile
const STEP: u32 = 16u;            // of k, in workgroup memory at a time
const STEP4: u32 = 4u;            // groups of four in it

@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>;

var<workgroup> a_tile: array<vec4<f32>, 2u * STEP4 * ROWS>;        // [buffer, group of k, row]
var<workgroup> w_tile: array<vec4<f32>, 2u * STEP * COLUMNS / 4u>;  // [buffer, k, group of columns]

// Puts half a row of a, and four columns of a pair, into a buffer.
fn fill(buffer: u32, lane: u32, a_pairs: vec4<u32>, fresh: Columns) {
    let to_a = (buffer * STEP4 + lane % 2u * 2u) * ROWS + lane / 2u;
    a_tile[to_a] = vec4(unpack2x16float(a_pairs.x), unpack2x16float(a_pairs.y));
    a_tile[to_a + ROWS] = vec4(unpack2x16float(a_pairs.z), unpack2x16float(a_pairs.w));
    let to_w = (buffer * STEP + lane / SIZE_X * 2u) * SIZE_X + lane % SIZE_X;
    w_tile[to_w] = fresh.even;
    w_tile[to_w + SIZE_X] = fresh.odd;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let x = lane % SIZE_X;
    let y = lane / SIZE_X;
    let first_row = params.first_row + group.y * ROWS;
    // Rows past the end read the last one and are not stored.
    let from_a = min(first_row + lane / 2u, params.rows - 1u) * (params.a_stride2 / 4u) + lane % 2u;
    // Tiles are half a panel wide.
    let panel = group.x / 2u;
    let within = group.x % 2u * SIZE_X + lane % SIZE_X;
    let from_w = panel * (params.k2 / WORD) * (PANEL / 4u) + within;
    let from_k = lane / SIZE_X;
    let steps = params.k2 / (STEP / 2u);

    var sum0 = vec4(0.0);
    var sum1 = vec4(0.0);
    var sum2 = vec4(0.0);
    var sum3 = vec4(0.0);
    let first_w = w[from_w + from_k / WORD * (PANEL / 4u)];
    fill(0u, lane, a[from_a], columns(first_w, from_k % WORD, scale(panel, from_k, within)));
    workgroupBarrier();
    for (var step = 0u; step < steps; step++) {
        let buffer = step % 2u;
        // The last step reads itself again, which nobody uses.
        let next = min(step + 1u, steps - 1u);
        let next_a = a[from_a + next * (STEP / 8u)];
        let k = next * (STEP / 2u) + from_k;
        let next_w = w[from_w + k / WORD * (PANEL / 4u)];
        let next_scale = scale(panel, k, within);
        for (var k4 = 0u; k4 < STEP4; k4++) {
            let at_a = (buffer * STEP4 + k4) * ROWS + y;
            let a0 = a_tile[at_a];
            let a1 = a_tile[at_a + SIZE_Y];
            let a2 = a_tile[at_a + 2u * SIZE_Y];
            let a3 = a_tile[at_a + 3u * SIZE_Y];
            let at_w = (buffer * STEP + k4 * 4u) * SIZE_X + x;
            let w0 = w_tile[at_w];
            let w1 = w_tile[at_w + SIZE_X];
            let w2 = w_tile[at_w + 2u * SIZE_X];
            let w3 = w_tile[at_w + 3u * SIZE_X];
            sum0 = fma(vec4(a0.w), w3, fma(vec4(a0.z), w2, fma(vec4(a0.y), w1, fma(vec4(a0.x), w0, sum0))));
            sum1 = fma(vec4(a1.w), w3, fma(vec4(a1.z), w2, fma(vec4(a1.y), w1, fma(vec4(a1.x), w0, sum1))));
            sum2 = fma(vec4(a2.w), w3, fma(vec4(a2.z), w2, fma(vec4(a2.y), w1, fma(vec4(a2.x), w0, sum2))));
            sum3 = fma(vec4(a3.w), w3, fma(vec4(a3.z), w2, fma(vec4(a3.y), w1, fma(vec4(a3.x), w0, sum3))));
        }
        fill(1u - buffer, lane, next_a, columns(next_w, k % WORD, next_scale));
        workgroupBarrier();
    }
    // The neighbour's sums, which gate these if columns are gated.
    var next0 = vec4(0.0);
    var next1 = vec4(0.0);
    var next2 = vec4(0.0);
    var next3 = vec4(0.0);
    if params.gated == 1u {
        a_tile[lane] = sum0;
        a_tile[WORKGROUP_SIZE + lane] = sum1;
        a_tile[2u * WORKGROUP_SIZE + lane] = sum2;
        a_tile[3u * WORKGROUP_SIZE + lane] = sum3;
        workgroupBarrier();
        let next = lane | 1u;
        next0 = a_tile[next];
        next1 = a_tile[WORKGROUP_SIZE + next];
        next2 = a_tile[2u * WORKGROUP_SIZE + next];
        next3 = a_tile[3u * WORKGROUP_SIZE + next];
    }
    let column4 = group.x * SIZE_X + x;
    // By a loop and a switch, as in large.wgsl.
    let end = min(ROWS / SIZE_Y, params.rows);
    for (var i = 0u; i < end; i++) {
        var sum = sum0;
        var next = next0;
        switch i {
            case 1u: { sum = sum1; next = next1; }
            case 2u: { sum = sum2; next = next2; }
            case 3u: { sum = sum3; next = next3; }
            default: {}
        }
        finish(first_row + y + i * SIZE_Y, column4, sum, next);
    }
}
