// For software adapters. This is put before lanes.wgsl and subgroup.wgsl: eight invocations are one
// vector of the processor. Such an adapter loads invocation by invocation, some eight instructions a
// word, and waits long at barriers. So there is no workgroup memory, and many multiply-adds follow each
// load: a tile of 16 rows x 8 columns an invocation. Its sums do not fit into registers; to write them
// to the cache and back costs less than more loads would.

const WORKGROUP_SIZE: u32 = 8u;  // invocations, of eight neighbouring columns each
const ROWS: u32 = 16u;           // rows of a workgroup's tile
const COLUMNS: u32 = 64u;        // columns of a workgroup's tile

// A pair of k in an invocation's columns.
struct Weights {
    near: Columns,
    far: Columns,
}

// A row's sums in these columns.
struct Row {
    near: vec4<f32>,
    far: vec4<f32>,
}

fn add(sum: vec4<f32>, a: vec2<f32>, w: Columns) -> vec4<f32> {
    return fma(vec4(a.y), w.odd, fma(vec4(a.x), w.even, sum));
}

// A row's pair times the weights, added to its sums.
fn step(row: Row, pair: u32, weights: Weights) -> Row {
    let a = unpack2x16float(pair);
    return Row(add(row.near, a, weights.near), add(row.far, a, weights.far));
}

// Stores an invocation's sums of the rows of a tile, as far as there are rows. By a loop, so that the
// epilogue is compiled once, and one whose end is not known, so that it stays a loop; by a switch,
// because an array that is indexed takes compilers of software adapters ten times as long.
fn finish_tile(
    first_row: u32,
    column4: u32,
    row0: Row, row1: Row, row2: Row, row3: Row,
    row4: Row, row5: Row, row6: Row, row7: Row,
    row8: Row, row9: Row, row10: Row, row11: Row,
    row12: Row, row13: Row, row14: Row, row15: Row,
) {
    let rows = min(ROWS, params.rows - first_row);
    // Where columns are gated, the near ones alone are stored.
    for (var i = 0u; i < 2u * rows; i += 1u + params.gated) {
        var row = row0;
        switch i / 2u {
            case 1u: { row = row1; }
            case 2u: { row = row2; }
            case 3u: { row = row3; }
            case 4u: { row = row4; }
            case 5u: { row = row5; }
            case 6u: { row = row6; }
            case 7u: { row = row7; }
            case 8u: { row = row8; }
            case 9u: { row = row9; }
            case 10u: { row = row10; }
            case 11u: { row = row11; }
            case 12u: { row = row12; }
            case 13u: { row = row13; }
            case 14u: { row = row14; }
            case 15u: { row = row15; }
            default: {}
        }
        finish(first_row + i / 2u, column4 + i % 2u, select(row.near, row.far, i % 2u == 1u), row.far);
    }
}
