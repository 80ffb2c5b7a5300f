// For many rows: a tile of 128 rows x 64 columns goes through workgroup memory, STEP of k at a time, as in
// large.wgsl. Each invocation sums 8 rows x 8 columns: it keeps the weights of a block in registers and reads
// row after row. 12 KiB.

const WORKGROUP_SIZE: u32 = 128u;  // invocations of a workgroup
const SIZE_X: u32 = 8u;            // of them side by side
const SIZE_Y: u32 = 16u;
const ROWS: u32 = 128u;            // rows of a workgroup's tile
const COLUMNS: u32 = 64u;          // columns of a workgroup's tile
const COLUMNS4: u32 = COLUMNS / 4u;
const STEP: u32 = 16u;             // of k, in workgroup memory at a time
const STEP4: u32 = STEP / 4u;      // groups of four in it

var<workgroup> a_tile: array<vec4<f16>, 2u * STEP4 * ROWS>;    // [buffer, group of k, row]
var<workgroup> w_tile: array<vec4<f16>, 2u * STEP * COLUMNS4>;  // [buffer, k, group of columns]

// A step of one row of a.
struct Fresh {
    k0: vec4<f16>,
    k4: vec4<f16>,
    k8: vec4<f16>,
    k12: vec4<f16>,
}

fn row_at(at: u32) -> Fresh {
    return Fresh(a[at], a[at + 1u], a[at + 2u], a[at + 3u]);
}

// Puts one row of a and four columns of a pair into a buffer.
fn fill(buffer: u32, lane: u32, row: Fresh, fresh: Columns) {
    let to_a = buffer * STEP4 * ROWS + lane;
    a_tile[to_a] = row.k0;
    a_tile[to_a + ROWS] = row.k4;
    a_tile[to_a + 2u * ROWS] = row.k8;
    a_tile[to_a + 3u * ROWS] = row.k12;
    let to_w = (buffer * STEP + lane / COLUMNS4 * 2u) * COLUMNS4 + lane % COLUMNS4;
    w_tile[to_w] = vec4<f16>(fresh.even);
    w_tile[to_w + COLUMNS4] = vec4<f16>(fresh.odd);
}

// A row's sums in an invocation's columns.
struct Row {
    near: vec4<f32>,
    far: vec4<f32>,
}

fn add(row: Row, at_a: u32, near: Block, far: Block) -> Row {
    let first = a_tile[at_a];
    let second = a_tile[at_a + ROWS];
    return Row(add_block(row.near, first, second, near), add_block(row.far, first, second, far));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let x = lane % SIZE_X;
    let y = lane / SIZE_X;
    let first_row = params.first_row + group.y * ROWS;
    // Rows past the end read the last one and are not stored.
    let from_a = min(first_row + lane, params.rows - 1u) * (params.a_stride2 / 2u);
    // An invocation's groups of columns are neighbours in w and out, and lie SIZE_X apart in workgroup memory.
    let within = lane % SIZE_X * 2u + lane / SIZE_X % 2u;
    let from_w = group.x * (params.k2 / WORD) * PANEL4 + within;
    let from_k = lane / COLUMNS4;
    let steps = params.k2 / (STEP / 2u);

    var row0 = Row();
    var row1 = Row();
    var row2 = Row();
    var row3 = Row();
    var row4 = Row();
    var row5 = Row();
    var row6 = Row();
    var row7 = Row();
    let first_w = w[from_w + from_k / WORD * PANEL4];
    fill(0u, lane, row_at(from_a), columns(first_w, from_k % WORD, scale(group.x, from_k, within)));
    workgroupBarrier();
    for (var step = 0u; step < steps; step++) {
        let buffer = step % 2u;
        // The last step reads itself again, which nobody uses.
        let next = min(step + 1u, steps - 1u);
        let next_a = row_at(from_a + next * STEP4);
        let k = next * (STEP / 2u) + from_k;
        let next_w = w[from_w + k / WORD * PANEL4];
        let next_scale = scale(group.x, k, within);
        for (var block = 0u; block < STEP / BLOCK; block++) {
            let at_w = (buffer * STEP + block * BLOCK) * COLUMNS4 + x;
            let near = block_at(at_w);
            let far = block_at(at_w + SIZE_X);
            // Rows of an invocation are SIZE_Y apart: neighbours read neighbouring memory.
            let at_a = (buffer * STEP4 + block * (BLOCK / 4u)) * ROWS + y;
            row0 = add(row0, at_a, near, far);
            row1 = add(row1, at_a + SIZE_Y, near, far);
            row2 = add(row2, at_a + 2u * SIZE_Y, near, far);
            row3 = add(row3, at_a + 3u * SIZE_Y, near, far);
            row4 = add(row4, at_a + 4u * SIZE_Y, near, far);
            row5 = add(row5, at_a + 5u * SIZE_Y, near, far);
            row6 = add(row6, at_a + 6u * SIZE_Y, near, far);
            row7 = add(row7, at_a + 7u * SIZE_Y, near, far);
        }
        fill(1u - buffer, lane, next_a, columns(next_w, k % WORD, next_scale));
        workgroupBarrier();
    }
    let column4 = group.x * COLUMNS4 + 2u * x;
    // By a loop and a switch, as in large.wgsl.
    let end = 2u * min(ROWS / SIZE_Y, params.rows);
    for (var i = 0u; i < end; i += 1u + params.gated) {
        var row = row0;
        switch i / 2u {
            case 1u: { row = row1; }
            case 2u: { row = row2; }
            case 3u: { row = row3; }
            case 4u: { row = row4; }
            case 5u: { row = row5; }
            case 6u: { row = row6; }
            case 7u: { row = row7; }
            default: {}
        }
        let at = first_row + y + i / 2u * SIZE_Y;
        finish(at, column4 + i % 2u, select(row.near, row.far, i % 2u == 1u), row.far);
    }
}
