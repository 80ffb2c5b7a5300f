// As lanes.wgsl, where the adapter has subgroups of at least eight invocations: each loads one row's
// pair and hands it to the others, one load instead of eight.

// = src/ops/matmul/subgroup.rs
const LANES: u32 = 8u;    // invocations of a workgroup, four neighbouring columns each, twice
const ROWS: u32 = 8u;     // rows of a workgroup's tile
const COLUMNS: u32 = 64u; // columns of a workgroup's tile

@group(0) @binding(1) var<storage, read> a: array<u32>;

// One row's pair times four columns, added to sum.
fn step(sum: vec4<f32>, a: vec2<f32>, w: Columns) -> vec4<f32> {
    return fma(vec4(a.y), w.odd, fma(vec4(a.x), w.even, sum));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let row = params.first_row + group.y * ROWS;
    let column4 = group.x * (COLUMNS / 4u) + id.x;
    // Rows past the end read the last one and are not stored.
    let last = params.rows - 1u;
    let my_a = min(row + id.x, last) * params.a_stride2;

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
    var at = group.x * (params.k2 / WORD) * (PANEL / 4u) + id.x;
    for (var block = 0u; block < params.k2; block += BLOCK2) {
        let near_scale = scale(group.x, block, id.x);
        let far_scale = scale(group.x, block, id.x + LANES);
        for (var i = 0u; i < BLOCK2; i++) {
            let within = i % WORD;
            let near = columns(w[at + i / WORD * (PANEL / 4u)], within, near_scale);
            let far = columns(w[at + i / WORD * (PANEL / 4u) + LANES], within, far_scale);
            let mine = a[my_a + block + i];
            let p0 = unpack2x16float(subgroupBroadcast(mine, 0u));
            let p1 = unpack2x16float(subgroupBroadcast(mine, 1u));
            let p2 = unpack2x16float(subgroupBroadcast(mine, 2u));
            let p3 = unpack2x16float(subgroupBroadcast(mine, 3u));
            let p4 = unpack2x16float(subgroupBroadcast(mine, 4u));
            let p5 = unpack2x16float(subgroupBroadcast(mine, 5u));
            let p6 = unpack2x16float(subgroupBroadcast(mine, 6u));
            let p7 = unpack2x16float(subgroupBroadcast(mine, 7u));
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
