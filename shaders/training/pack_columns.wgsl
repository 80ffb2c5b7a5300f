// The transpose of x as a weight matrix in panels: out[column / PANEL, row / 2, column % PANEL] is
// the pair (x[row, column], x[row + 1, column]). Rows beyond those of x are zero.

const WORKGROUP_SIZE: u32 = 64u;  // groups of four columns of a workgroup

struct Params {
    rows: u32,     // of x
    stride4: u32,  // groups of four between rows of x
    rows2: u32,    // pairs of rows in out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec2<u32>>;          // [rows, stride], f16
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>;  // [panels, rows2, PANEL]

fn row_or_zero(row: u32, column4: u32) -> vec2<u32> {
    let there = row < params.rows;
    return select(vec2(0u), x[select(0u, row, there) * params.stride4 + column4], there);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column4 = group.x * WORKGROUP_SIZE + id.x;
    if column4 >= params.stride4 {
        return;
    }
    let even = row_or_zero(2u * group.y, column4);
    let odd = row_or_zero(2u * group.y + 1u, column4);
    let panel = column4 / PANEL4;
    out[(panel * params.rows2 + group.y) * PANEL4 + column4 % PANEL4] = vec4(
        (even.x & 0xffffu) | (odd.x << 16u),
        (even.x >> 16u) | (odd.x & 0xffff0000u),
        (even.y & 0xffffu) | (odd.y << 16u),
        (even.y >> 16u) | (odd.y & 0xffff0000u),
    );
}
