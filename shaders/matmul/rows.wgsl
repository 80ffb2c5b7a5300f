// For GPUs and a handful of rows, such as one <s> a pair: time goes by reading the weights, and
// there are too few sums to keep a GPU busy. So k is shared out too: SLICES invocations sum every
// SLICES-th pair of the same 4 columns, and their sums are added up in order. The slices do not
// depend on the batch, nor does the order; but it is another order than the other variants', so
// where this one is used it is used for every batch. 8 KiB.

const WORKGROUP_SIZE: u32 = 64u;  // invocations of a workgroup
const SIZE_X: u32 = 4u;           // of them side by side, four columns each
const SLICES: u32 = 16u;          // of k
const ROWS: u32 = 8u;             // rows of a workgroup's tile
const COLUMNS: u32 = 16u;         // columns of a workgroup's tile

@group(0) @binding(1) var<storage, read> a: array<u32>;

var<workgroup> slices: array<vec4<f32>, SLICES * ROWS * SIZE_X>;  // [slice, row, group of columns]

fn step(sum: vec4<f32>, a: u32, w: Columns) -> vec4<f32> {
    let pair = unpack2x16float(a);
    return fma(vec4(pair.y), w.odd, fma(vec4(pair.x), w.even, sum));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let x = id.x % SIZE_X;
    let slice = id.x / SIZE_X;
    let row = params.first_row + group.y * ROWS;
    // Rows past the end read the last one and are not stored.
    let last = params.rows - 1u;
    let a0 = min(row, last) * params.a_stride2;
    let a1 = min(row + 1u, last) * params.a_stride2;
    let a2 = min(row + 2u, last) * params.a_stride2;
    let a3 = min(row + 3u, last) * params.a_stride2;
    let a4 = min(row + 4u, last) * params.a_stride2;
    let a5 = min(row + 5u, last) * params.a_stride2;
    let a6 = min(row + 6u, last) * params.a_stride2;
    let a7 = min(row + 7u, last) * params.a_stride2;
    var sum0 = vec4(0.0);
    var sum1 = vec4(0.0);
    var sum2 = vec4(0.0);
    var sum3 = vec4(0.0);
    var sum4 = vec4(0.0);
    var sum5 = vec4(0.0);
    var sum6 = vec4(0.0);
    var sum7 = vec4(0.0);
    let column4 = group.x * SIZE_X + x;
    let panel = column4 / (PANEL / 4u);
    let within = column4 % (PANEL / 4u);
    let from_w = panel * (params.k2 / WORD) * (PANEL / 4u) + within;
    for (var k = slice; k < params.k2; k += SLICES) {
        let words = w[from_w + k / WORD * (PANEL / 4u)];
        let fresh = columns(words, k % WORD, scale(panel, k, within));
        sum0 = step(sum0, a[a0 + k], fresh);
        sum1 = step(sum1, a[a1 + k], fresh);
        sum2 = step(sum2, a[a2 + k], fresh);
        sum3 = step(sum3, a[a3 + k], fresh);
        sum4 = step(sum4, a[a4 + k], fresh);
        sum5 = step(sum5, a[a5 + k], fresh);
        sum6 = step(sum6, a[a6 + k], fresh);
        sum7 = step(sum7, a[a7 + k], fresh);
    }
    let to = slice * ROWS * SIZE_X + x;
    slices[to] = sum0;
    slices[to + 1u * SIZE_X] = sum1;
    slices[to + 2u * SIZE_X] = sum2;
    slices[to + 3u * SIZE_X] = sum3;
    slices[to + 4u * SIZE_X] = sum4;
    slices[to + 5u * SIZE_X] = sum5;
    slices[to + 6u * SIZE_X] = sum6;
    slices[to + 7u * SIZE_X] = sum7;
    workgroupBarrier();
    if id.x < ROWS * SIZE_X {
        let next = id.x | 1u;
        var sum = slices[id.x];
        var next_sum = slices[next];
        for (var i = 1u; i < SLICES; i++) {
            sum += slices[i * ROWS * SIZE_X + id.x];
            next_sum += slices[i * ROWS * SIZE_X + next];
        }
        finish(row + id.x / SIZE_X, group.x * SIZE_X + id.x % SIZE_X, sum, next_sum);
    }
}
