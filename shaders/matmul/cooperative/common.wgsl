// For GPUs with matrix units (tensor cores), natively. Both operands go through workgroup memory as
// f16, STEP of k at a time; four subgroups, two by two, keep 4 x 2 tiles of f32 sums each in their
// matrix registers. 16 KiB with tiles of 16 x 16, 8 KiB with 8 x 8.
//
// SIDE, Left, Right and Sums are declared in cooperative_16.wgsl and cooperative_8.wgsl, the kernels of this folder.
enable wgpu_cooperative_matrix;

override WORKGROUP_SIZE: u32 = 128u; // the executor sets it to SUBGROUPS subgroups of the adapter
const SUBGROUPS: u32 = 4u;
const ROWS: u32 = 8u * SIDE;       // rows of a workgroup's tile
const COLUMNS: u32 = 4u * SIDE;    // columns of a workgroup's tile
const STEP: u32 = 32u;             // of k, in workgroup memory at a time
const STEP4: u32 = STEP / 4u;
const COLUMNS4: u32 = COLUMNS / 4u;
const TILE: u32 = SIDE * SIDE;

@group(0) @binding(1) var<storage, read> a: array<vec4<f16>>;

var<workgroup> a_tile: array<vec4<f16>, ROWS * STEP4>;     // [row, group of k]
var<workgroup> w_tile: array<vec4<f16>, STEP * COLUMNS4>;  // [k, group of columns]
var<workgroup> sums: array<f32, SUBGROUPS * TILE>;         // [subgroup, row, column]

fn four_sums(i: u32) -> vec4<f32> {
    return vec4(sums[4u * i], sums[4u * i + 1u], sums[4u * i + 2u], sums[4u * i + 3u]);
}

// Hands one tile of each subgroup's sums to the epilogue, four numbers at a time.
fn finish_tiles(lane: u32, first_row: u32, first_column4: u32, down: u32, right: u32) {
    workgroupBarrier();
    for (var i = lane; i < SUBGROUPS * TILE / 4u; i += WORKGROUP_SIZE) {
        let subgroup = i / (TILE / 4u);
        let within = i % (TILE / 4u);
        let row = (subgroup / 2u * 4u + down) * SIDE + within / (SIDE / 4u);
        let column4 = (subgroup % 2u * 2u + right) * (SIDE / 4u) + within % (SIDE / 4u);
        finish(first_row + row, first_column4 + column4, four_sums(i), four_sums(i | 1u));
    }
    workgroupBarrier();
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let first_row = params.first_row + group.y * ROWS;
    let first_column4 = group.x * COLUMNS4;
    let panel = first_column4 / (PANEL / 4u);
    let from_w = panel * (params.k2 / WORD) * (PANEL / 4u) + first_column4 % (PANEL / 4u);
    let a_stride4 = params.a_stride2 / 2u;
    let my_a = subgroup / 2u * 4u * SIDE * STEP4;
    let my_w = subgroup % 2u * 2u * (SIDE / 4u);

    var sums00: Sums;
    var sums01: Sums;
    var sums10: Sums;
    var sums11: Sums;
    var sums20: Sums;
    var sums21: Sums;
    var sums30: Sums;
    var sums31: Sums;
    for (var k = 0u; k < params.k2; k += STEP / 2u) {
        for (var i = lane; i < ROWS * STEP4; i += WORKGROUP_SIZE) {
            // Rows past the end read the last one and are not stored.
            let row = min(first_row + i / STEP4, params.rows - 1u);
            a_tile[i] = a[row * a_stride4 + k / 2u + i % STEP4];
        }
        for (var i = lane; i < STEP / 2u * COLUMNS4; i += WORKGROUP_SIZE) {
            let pair = i / COLUMNS4;
            let column4 = i % COLUMNS4;
            let words = w[from_w + (k + pair) / WORD * (PANEL / 4u) + column4];
            let within = (first_column4 + column4) % (PANEL / 4u);
            let fresh = columns(words, (k + pair) % WORD, scale(panel, k + pair, within));
            w_tile[2u * pair * COLUMNS4 + column4] = vec4<f16>(fresh.even);
            w_tile[(2u * pair + 1u) * COLUMNS4 + column4] = vec4<f16>(fresh.odd);
        }
        workgroupBarrier();
        for (var s = 0u; s < STEP / SIDE; s++) {
            let at_a = my_a + s * (SIDE / 4u);
            let at_w = my_w + s * SIDE * COLUMNS4;
            let right0 = coopLoadT<Right>(&w_tile[at_w], COLUMNS4);
            let right1 = coopLoadT<Right>(&w_tile[at_w + SIDE / 4u], COLUMNS4);
            let left0 = coopLoadT<Left>(&a_tile[at_a], STEP4);
            sums00 = coopMultiplyAdd(left0, right0, sums00);
            sums01 = coopMultiplyAdd(left0, right1, sums01);
            let left1 = coopLoadT<Left>(&a_tile[at_a + SIDE * STEP4], STEP4);
            sums10 = coopMultiplyAdd(left1, right0, sums10);
            sums11 = coopMultiplyAdd(left1, right1, sums11);
            let left2 = coopLoadT<Left>(&a_tile[at_a + 2u * SIDE * STEP4], STEP4);
            sums20 = coopMultiplyAdd(left2, right0, sums20);
            sums21 = coopMultiplyAdd(left2, right1, sums21);
            let left3 = coopLoadT<Left>(&a_tile[at_a + 3u * SIDE * STEP4], STEP4);
            sums30 = coopMultiplyAdd(left3, right0, sums30);
            sums31 = coopMultiplyAdd(left3, right1, sums31);
        }
        workgroupBarrier();
    }
    let mine = subgroup * TILE;
    coopStoreT(sums00, &sums[mine], SIDE);
    finish_tiles(lane, first_row, first_column4, 0u, 0u);
    coopStoreT(sums01, &sums[mine], SIDE);
    finish_tiles(lane, first_row, first_column4, 0u, 1u);
    coopStoreT(sums10, &sums[mine], SIDE);
    finish_tiles(lane, first_row, first_column4, 1u, 0u);
    coopStoreT(sums11, &sums[mine], SIDE);
    finish_tiles(lane, first_row, first_column4, 1u, 1u);
    coopStoreT(sums20, &sums[mine], SIDE);
    finish_tiles(lane, first_row, first_column4, 2u, 0u);
    coopStoreT(sums21, &sums[mine], SIDE);
    finish_tiles(lane, first_row, first_column4, 2u, 1u);
    coopStoreT(sums30, &sums[mine], SIDE);
    finish_tiles(lane, first_row, first_column4, 3u, 0u);
    coopStoreT(sums31, &sums[mine], SIDE);
    finish_tiles(lane, first_row, first_column4, 3u, 1u);
}
