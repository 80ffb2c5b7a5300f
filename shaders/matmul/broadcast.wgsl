// For GPUs with subgroups of 8, 16 or 32 invocations, and many rows. Nothing goes through workgroup
// memory and nobody waits: an invocation reads the weights of its own eight columns from storage, and
// numbers of a are handed from invocation to invocation within a subgroup. Each brings one of eight
// rows, eight numbers of it at a time, and sums these 8 rows x its 8 columns.
//
// Runs of 32 invocations take the same rows, so a subgroup never spans two of them.
enable subgroups;

const SMALLEST_SUBGROUP: u32 = 8u;  // invocations: one for each row that they hand on
const LARGEST_SUBGROUP: u32 = 32u;  // invocations that take the same rows

const WORKGROUP_SIZE: u32 = 128u;  // invocations of a workgroup
const OWN_ROWS: u32 = 8u;          // rows of an invocation
const ROWS: u32 = 32u;             // rows of a workgroup's tile
const COLUMNS: u32 = 256u;         // columns of a workgroup's tile: four panels
const LANES: u32 = 8u;             // invocations of a panel

@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>;

// A row's sums in an invocation's columns.
struct Row {
    near: vec4<f32>,
    far: vec4<f32>,
}

// A row's pair times the weights, added to its sums.
fn step(row: Row, even: f32, odd: f32, near: Columns, far: Columns) -> Row {
    return Row(
        fma(vec4(odd), near.odd, fma(vec4(even), near.even, row.near)),
        fma(vec4(odd), far.odd, fma(vec4(even), far.even, row.far)),
    );
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let x = id.x % LARGEST_SUBGROUP;
    let first_row = params.first_row + group.y * ROWS + id.x / LARGEST_SUBGROUP * OWN_ROWS;
    // Rows past the end read the last one and are not stored, as are panels.
    let from_a = min(first_row + lane % OWN_ROWS, params.rows - 1u) * (params.a_stride2 / 4u);
    let words = params.k2 / WORD * PANEL4;
    let panel = min(group.x * (COLUMNS / PANEL) + x / LANES, arrayLength(&w) / words - 1u);
    let within = 2u * (x % LANES);
    let from_w = panel * words + within;
    var row0 = Row();
    var row1 = Row();
    var row2 = Row();
    var row3 = Row();
    var row4 = Row();
    var row5 = Row();
    var row6 = Row();
    var row7 = Row();
    for (var k = 0u; k < params.k2; k += 4u) {
        let pairs = a[from_a + k / 4u];
        let near_scale = scale(panel, k, within);
        let far_scale = scale(panel, k, within + 1u);
        for (var i = 0u; i < 4u; i++) {
            let at = from_w + (k + i) / WORD * PANEL4;
            let near = columns(w[at], (k + i) % WORD, near_scale);
            let far = columns(w[at + 1u], (k + i) % WORD, far_scale);
            // Each number is unpacked once, and handed on as f32.
            let own = unpack2x16float(pairs[i]);
            row0 = step(row0, subgroupBroadcast(own.x, 0u), subgroupBroadcast(own.y, 0u), near, far);
            row1 = step(row1, subgroupBroadcast(own.x, 1u), subgroupBroadcast(own.y, 1u), near, far);
            row2 = step(row2, subgroupBroadcast(own.x, 2u), subgroupBroadcast(own.y, 2u), near, far);
            row3 = step(row3, subgroupBroadcast(own.x, 3u), subgroupBroadcast(own.y, 3u), near, far);
            row4 = step(row4, subgroupBroadcast(own.x, 4u), subgroupBroadcast(own.y, 4u), near, far);
            row5 = step(row5, subgroupBroadcast(own.x, 5u), subgroupBroadcast(own.y, 5u), near, far);
            row6 = step(row6, subgroupBroadcast(own.x, 6u), subgroupBroadcast(own.y, 6u), near, far);
            row7 = step(row7, subgroupBroadcast(own.x, 7u), subgroupBroadcast(own.y, 7u), near, far);
        }
    }
    let column4 = group.x * (COLUMNS / 4u) + 2u * x;
    // By a loop whose end is not known, so that the epilogue is compiled once and not sixteen times. Where columns
    // are gated, the near ones alone are stored.
    let end = 2u * min(OWN_ROWS, params.rows);
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
        finish(first_row + i / 2u, column4 + i % 2u, select(row.near, row.far, i % 2u == 1u), row.far);
    }
}
