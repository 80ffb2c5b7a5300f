// For adapters that are CPUs, put before lanes.wgsl and subgroup.wgsl: eight invocations are one
// vector of the processor. Such an adapter loads invocation by invocation, some eight instructions a
// word, and waits long at barriers. So there is no workgroup memory, and many multiply-adds follow each
// load: a tile of 16 rows x 8 columns an invocation. Its sums do not fit into registers; to write them
// to the cache and back costs less than more loads would.

const PANEL4: u32 = PANEL / 4u; // groups of four columns in a panel

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
