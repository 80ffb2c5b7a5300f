// For adapters that are CPUs: eight invocations are one vector of the processor. Such an adapter
// loads invocation by invocation and waits long at barriers, so there is no workgroup memory, and
// as many multiply-adds follow each load as registers allow: a tile of 8 rows x 8 columns an
// invocation. For the same reason a comes in blocks of 8 rows (blocks.wgsl): two loads bring the
// pairs of all rows. The loads of a step come before its arithmetic, which compiles to less shuffling.

// = src/ops/matmul/lanes.rs
const LANES: u32 = 8u;    // invocations of a workgroup, four neighbouring columns each, twice
const ROWS: u32 = 8u;     // rows of a workgroup's tile
const COLUMNS: u32 = 64u; // columns of a workgroup's tile

@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>; // [rows / ROWS, k2, ROWS] pairs

// One row's pair times four columns, added to sum.
fn step(sum: vec4<f32>, a: vec2<f32>, w: Columns) -> vec4<f32> {
    return fma(vec4(a.y), w.odd, fma(vec4(a.x), w.even, sum));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let row = params.first_row + group.y * ROWS;
    let column4 = group.x * (COLUMNS / 4u) + id.x;
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
    // Rows past the end of a are the last one once more, and not stored.
    var a_at = row / ROWS * params.k2 * (ROWS / 4u);
    var at = group.x * (params.k2 / WORD) * (PANEL / 4u) + id.x;
    for (var block = 0u; block < params.k2; block += BLOCK2) {
        let near_scale = scale(group.x, block, id.x);
        let far_scale = scale(group.x, block, id.x + LANES);
        for (var i = 0u; i < BLOCK2; i++) {
            let within = i % WORD;
            let near = columns(w[at + i / WORD * (PANEL / 4u)], within, near_scale);
            let far = columns(w[at + i / WORD * (PANEL / 4u) + LANES], within, far_scale);
            let top = a[a_at];
            let bottom = a[a_at + 1u];
            a_at += ROWS / 4u;
            let p0 = unpack2x16float(top.x);
            let p1 = unpack2x16float(top.y);
            let p2 = unpack2x16float(top.z);
            let p3 = unpack2x16float(top.w);
            let p4 = unpack2x16float(bottom.x);
            let p5 = unpack2x16float(bottom.y);
            let p6 = unpack2x16float(bottom.z);
            let p7 = unpack2x16float(bottom.w);
            near0 = step(near0, p0, near);
            far0 = step(far0, p0, far);
            near1 = step(near1, p1, near);
            far1 = step(far1, p1, far);
            near2 = step(near2, p2, near);
            far2 = step(far2, p2, far);
            near3 = step(near3, p3, near);
            far3 = step(far3, p3, far);
            near4 = step(near4, p4, near);
            far4 = step(far4, p4, far);
            near5 = step(near5, p5, near);
            far5 = step(far5, p5, far);
            near6 = step(near6, p6, near);
            far6 = step(far6, p6, far);
            near7 = step(near7, p7, near);
            far7 = step(far7, p7, far);
        }
        at += BLOCK2 / WORD * (PANEL / 4u);
    }
    // By a loop, so that the epilogue is compiled once; by a switch, because an array that is indexed
    // takes compilers of CPUs ten times as long.
    for (var i = 0u; i < 2u * ROWS; i++) {
        var sum = near0;
        switch i {
            case 1u: { sum = far0; }
            case 2u: { sum = near1; }
            case 3u: { sum = far1; }
            case 4u: { sum = near2; }
            case 5u: { sum = far2; }
            case 6u: { sum = near3; }
            case 7u: { sum = far3; }
            case 8u: { sum = near4; }
            case 9u: { sum = far4; }
            case 10u: { sum = near5; }
            case 11u: { sum = far5; }
            case 12u: { sum = near6; }
            case 13u: { sum = far6; }
            case 14u: { sum = near7; }
            case 15u: { sum = far7; }
            default: {}
        }
        finish(row + i / 2u, column4 + i % 2u * LANES, sum);
    }
}
