// As lanes.wgsl, where the adapter has subgroups of at least eight invocations: each loads the pairs of
// two rows and hands them to the others, two loads instead of sixteen.
enable subgroups;

const SMALLEST_SUBGROUP: u32 = WORKGROUP_SIZE;  // invocations

@group(0) @binding(1) var<storage, read> a: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let first_row = params.first_row + group.y * ROWS;
    let column4 = group.x * (COLUMNS / 4u) + 2u * id.x;
    // Rows past the end read the last one and are not stored.
    let last = params.rows - 1u;
    let upper_a = min(first_row + id.x, last) * params.a_stride2;
    let lower_a = min(first_row + WORKGROUP_SIZE + id.x, last) * params.a_stride2;
    var row0 = Row();
    var row1 = Row();
    var row2 = Row();
    var row3 = Row();
    var row4 = Row();
    var row5 = Row();
    var row6 = Row();
    var row7 = Row();
    var row8 = Row();
    var row9 = Row();
    var row10 = Row();
    var row11 = Row();
    var row12 = Row();
    var row13 = Row();
    var row14 = Row();
    var row15 = Row();
    var at = group.x * (params.k2 / WORD) * PANEL4 + 2u * id.x;
    for (var block = 0u; block < params.k2; block += BLOCK2) {
        let near_scale = scale(group.x, block, 2u * id.x);
        let far_scale = scale(group.x, block, 2u * id.x + 1u);
        for (var i = 0u; i < BLOCK2; i++) {
            let w_at = at + i / WORD * PANEL4;
            let weights = Weights(
                columns(w[w_at], i % WORD, near_scale),
                columns(w[w_at + 1u], i % WORD, far_scale),
            );
            let upper = a[upper_a + block + i];
            let lower = a[lower_a + block + i];
            row0 = step(row0, subgroupBroadcast(upper, 0u), weights);
            row1 = step(row1, subgroupBroadcast(upper, 1u), weights);
            row2 = step(row2, subgroupBroadcast(upper, 2u), weights);
            row3 = step(row3, subgroupBroadcast(upper, 3u), weights);
            row4 = step(row4, subgroupBroadcast(upper, 4u), weights);
            row5 = step(row5, subgroupBroadcast(upper, 5u), weights);
            row6 = step(row6, subgroupBroadcast(upper, 6u), weights);
            row7 = step(row7, subgroupBroadcast(upper, 7u), weights);
            row8 = step(row8, subgroupBroadcast(lower, 0u), weights);
            row9 = step(row9, subgroupBroadcast(lower, 1u), weights);
            row10 = step(row10, subgroupBroadcast(lower, 2u), weights);
            row11 = step(row11, subgroupBroadcast(lower, 3u), weights);
            row12 = step(row12, subgroupBroadcast(lower, 4u), weights);
            row13 = step(row13, subgroupBroadcast(lower, 5u), weights);
            row14 = step(row14, subgroupBroadcast(lower, 6u), weights);
            row15 = step(row15, subgroupBroadcast(lower, 7u), weights);
        }
        at += BLOCK2 / WORD * PANEL4;
    }
    finish_tile(
        first_row, column4,
        row0, row1, row2, row3, row4, row5, row6, row7,
        row8, row9, row10, row11, row12, row13, row14, row15,
    );
}
