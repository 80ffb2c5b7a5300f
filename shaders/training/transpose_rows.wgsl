// out[column] = x[.., column] / scales[column] in f16, with a power of two for each column of x as
// round_rows.wgsl has one for each row. Rows of out beyond the columns of x are zero.

const WORKGROUP_SIZE: u32 = 32u;  // groups of four columns of a workgroup

struct Params {
    rows: u32,         // of x
    stride4: u32,      // groups of four between rows of x
    out_stride4: u32,  // groups of four between rows of out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [rows, stride]
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;  // [stride]
@group(0) @binding(3) var<storage, read_write> out: array<elem4>;   // [stride, out_stride]

fn row_or_zero(row: u32, column4: u32) -> vec4<f32> {
    let there = row < params.rows;
    return select(vec4(0.0), x[select(0u, row, there) * params.stride4 + column4], there);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column4 = id.x;
    if column4 >= params.stride4 {
        return;
    }
    var largest = vec4(0.0);
    for (var row = 0u; row < params.rows; row++) {
        largest = max(largest, abs(x[row * params.stride4 + column4]));
    }
    let e = vec4<i32>(exponent_for(largest.x), exponent_for(largest.y), exponent_for(largest.z), exponent_for(largest.w));
    let factors = vec4(power_of_two(e.x), power_of_two(e.y), power_of_two(e.z), power_of_two(e.w));
    let first = 4u * column4;
    scales[first] = power_of_two(-e.x);
    scales[first + 1u] = power_of_two(-e.y);
    scales[first + 2u] = power_of_two(-e.z);
    scales[first + 3u] = power_of_two(-e.w);
    let out_row = first * params.out_stride4;
    for (var row4 = 0u; row4 < params.out_stride4; row4++) {
        let a = row_or_zero(4u * row4, column4) * factors;
        let b = row_or_zero(4u * row4 + 1u, column4) * factors;
        let c = row_or_zero(4u * row4 + 2u, column4) * factors;
        let d = row_or_zero(4u * row4 + 3u, column4) * factors;
        out[out_row + row4] = store4(vec4(a.x, b.x, c.x, d.x));
        out[out_row + params.out_stride4 + row4] = store4(vec4(a.y, b.y, c.y, d.y));
        out[out_row + 2u * params.out_stride4 + row4] = store4(vec4(a.z, b.z, c.z, d.z));
        out[out_row + 3u * params.out_stride4 + row4] = store4(vec4(a.w, b.w, c.w, d.w));
    }
}
