// out[row / ROWS, k, row % ROWS] = x[row, k], in pairs of f16: what matmul/software/lanes.wgsl reads.
// Rows that fill up the last block are the last row once more.

const WORKGROUP_SIZE: u32 = 64u;  // pairs of each of the four rows that a workgroup takes
const ROWS: u32 = 16u;            // rows of a block

struct Params {
    rows: u32,      // rows of x
    k2: u32,        // pairs of a row that count
    x_stride2: u32, // pairs between rows of x
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;                // [rows, x_stride2]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>;  // [rows / ROWS, k2, ROWS]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let k = group.x * WORKGROUP_SIZE + lane.x;
    if k >= params.k2 {
        return;
    }
    let last = params.rows - 1u;
    let row = group.y * 4u;
    out[(row / ROWS * params.k2 + k) * (ROWS / 4u) + row % ROWS / 4u] = vec4(
        x[min(row, last) * params.x_stride2 + k],
        x[min(row + 1u, last) * params.x_stride2 + k],
        x[min(row + 2u, last) * params.x_stride2 + k],
        x[min(row + 3u, last) * params.x_stride2 + k],
    );
}
