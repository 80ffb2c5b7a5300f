// For few rows, such as one pair: tiles of 32 rows x 32 columns, as in medium.wgsl. Each invocation sums 4 x 4. 8 KiB.

const WORKGROUP_SIZE: u32 = 64u;  // invocations of a workgroup
const SIZE_X: u32 = 8u;           // of them side by side, four columns each
const SIZE_Y: u32 = 8u;
const ROWS: u32 = 32u;            // rows of a workgroup's tile
const COLUMNS: u32 = 32u;         // columns of a workgroup's tile
const COLUMNS4: u32 = COLUMNS / 4u;
const STEP: u32 = 16u;            // of k, in workgroup memory at a time
const STEP4: u32 = STEP / 4u;     // groups of four in it

var<workgroup> a_tile: array<vec4<f16>, 2u * STEP4 * ROWS>;     // [buffer, group of k, row]
var<workgroup> w_tile: array<vec4<f16>, 2u * STEP * COLUMNS4>;    // [buffer, k, group of columns]
var<workgroup> side_by_side: array<vec4<f32>, 4u * WORKGROUP_SIZE>;  // [row of an invocation, invocation]

// Puts half a step of one row of a, and four columns of a pair, into a buffer.
fn fill(buffer: u32, lane: u32, first: vec4<f16>, second: vec4<f16>, fresh: Columns) {
    let to_a = (buffer * STEP4 + lane % 2u * 2u) * ROWS + lane / 2u;
    a_tile[to_a] = first;
    a_tile[to_a + ROWS] = second;
    let to_w = (buffer * STEP + lane / COLUMNS4 * 2u) * COLUMNS4 + lane % COLUMNS4;
    w_tile[to_w] = vec4<f16>(fresh.even);
    w_tile[to_w + COLUMNS4] = vec4<f16>(fresh.odd);
}

fn add(sum: vec4<f32>, at_a: u32, w: Block) -> vec4<f32> {
    return add_block(sum, a_tile[at_a], a_tile[at_a + ROWS], w);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let x = lane % SIZE_X;
    let y = lane / SIZE_X;
    let first_row = params.first_row + group.y * ROWS;
    // Rows past the end read the last one and are not stored.
    let from_a = min(first_row + lane / 2u, params.rows - 1u) * (params.a_stride2 / 2u) + lane % 2u * 2u;
    // Tiles are half a panel wide.
    let panel = group.x / 2u;
    let within = group.x % 2u * SIZE_X + lane % SIZE_X;
    let from_w = panel * (params.k2 / WORD) * PANEL4 + within;
    let from_k = lane / SIZE_X;
    let steps = params.k2 / (STEP / 2u);

    var sum0 = vec4(0.0);
    var sum1 = vec4(0.0);
    var sum2 = vec4(0.0);
    var sum3 = vec4(0.0);
    let first_w = w[from_w + from_k / WORD * PANEL4];
    fill(0u, lane, a[from_a], a[from_a + 1u], columns(first_w, from_k % WORD, scale(panel, from_k, within)));
    workgroupBarrier();
    for (var step = 0u; step < steps; step++) {
        let buffer = step % 2u;
        // The last step reads itself again, which nobody uses.
        let next = min(step + 1u, steps - 1u);
        let next_first = a[from_a + next * STEP4];
        let next_second = a[from_a + next * STEP4 + 1u];
        let k = next * (STEP / 2u) + from_k;
        let next_w = w[from_w + k / WORD * PANEL4];
        let next_scale = scale(panel, k, within);
        for (var block = 0u; block < STEP / BLOCK; block++) {
            let weights = block_at((buffer * STEP + block * BLOCK) * COLUMNS4 + x);
            let at_a = (buffer * STEP4 + block * (BLOCK / 4u)) * ROWS + y;
            sum0 = add(sum0, at_a, weights);
            sum1 = add(sum1, at_a + SIZE_Y, weights);
            sum2 = add(sum2, at_a + 2u * SIZE_Y, weights);
            sum3 = add(sum3, at_a + 3u * SIZE_Y, weights);
        }
        fill(1u - buffer, lane, next_first, next_second, columns(next_w, k % WORD, next_scale));
        workgroupBarrier();
    }
    // The neighbour's sums, which gate these if columns are gated.
    var next0 = vec4(0.0);
    var next1 = vec4(0.0);
    var next2 = vec4(0.0);
    var next3 = vec4(0.0);
    if params.gated == 1u {
        side_by_side[lane] = sum0;
        side_by_side[WORKGROUP_SIZE + lane] = sum1;
        side_by_side[2u * WORKGROUP_SIZE + lane] = sum2;
        side_by_side[3u * WORKGROUP_SIZE + lane] = sum3;
        workgroupBarrier();
        let next = lane | 1u;
        next0 = side_by_side[next];
        next1 = side_by_side[WORKGROUP_SIZE + next];
        next2 = side_by_side[2u * WORKGROUP_SIZE + next];
        next3 = side_by_side[3u * WORKGROUP_SIZE + next];
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
