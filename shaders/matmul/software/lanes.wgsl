// For software adapters, see common.wgsl. As they load invocation by invocation, a comes in
// blocks of 16 rows (blocks.wgsl): four loads bring the pairs of all rows. The loads of a step come
// before its arithmetic, which compiles to less shuffling.

@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>; // [rows / ROWS, k2, ROWS] pairs

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let first_row = params.first_row + group.y * ROWS;
    let column4 = group.x * (COLUMNS / 4u) + 2u * id.x;
    // Rows past the end of a are the last one once more, and not stored.
    var a_at = first_row / ROWS * params.k2 * (ROWS / 4u);
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
            let a0 = a[a_at];
            let a1 = a[a_at + 1u];
            let a2 = a[a_at + 2u];
            let a3 = a[a_at + 3u];
            a_at += ROWS / 4u;
            row0 = step(row0, a0.x, weights);
            row1 = step(row1, a0.y, weights);
            row2 = step(row2, a0.z, weights);
            row3 = step(row3, a0.w, weights);
            row4 = step(row4, a1.x, weights);
            row5 = step(row5, a1.y, weights);
            row6 = step(row6, a1.z, weights);
            row7 = step(row7, a1.w, weights);
            row8 = step(row8, a2.x, weights);
            row9 = step(row9, a2.y, weights);
            row10 = step(row10, a2.z, weights);
            row11 = step(row11, a2.w, weights);
            row12 = step(row12, a3.x, weights);
            row13 = step(row13, a3.y, weights);
            row14 = step(row14, a3.z, weights);
            row15 = step(row15, a3.w, weights);
        }
        at += BLOCK2 / WORD * PANEL4;
    }
    finish_tile(
        first_row, column4,
        row0, row1, row2, row3, row4, row5, row6, row7,
        row8, row9, row10, row11, row12, row13, row14, row15,
    );
}
