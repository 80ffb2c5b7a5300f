// out[row] = (x[row] - mean) / sqrt(variance + eps) * gamma + beta
//
// This is put before both variants. They differ in which invocations add up a row.

struct Params {
    rows: u32,
    width: u32,    // numbers that count; columns from here to the stride are zero in and out
    stride4: u32,  // groups of four between rows
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;      // [rows, stride]
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;  // [stride], zero beyond width
@group(0) @binding(3) var<storage, read> beta: array<vec4<f32>>;   // [stride], zero beyond width
@group(0) @binding(4) var<storage, read_write> out: array<elem4>;  // [rows, stride]

fn sum4(x: vec4<f32>) -> f32 {
    return (x.x + x.y) + (x.z + x.w);
}

// Group i of the row that begins at `row`, less the mean, and zero beyond the width.
fn centred(row: u32, i: u32, mean: f32) -> vec4<f32> {
    let column = vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4(0.0), x[row + i] - mean, column < vec4(params.width));
}

// 1 / sqrt(variance + eps), or NaN where the variance is not finite: infinity would make zeros of a
// row.
fn scale_for(variance: f32) -> f32 {
    let scale = bitcast<u32>(1.0 / sqrt(variance + params.eps));
    let lost = (bitcast<u32>(variance) & 0x7f800000u) == 0x7f800000u;
    return bitcast<f32>(select(scale, 0x7fc00000u, lost));
}

fn finish(row: u32, i: u32, mean: f32, scale: f32) {
    out[row + i] = store4(fma((x[row + i] - mean) * scale, gamma[i], beta[i]));
}
