// f32 master weights as panels: out[row / PANEL, k / 2, row % PANEL] is the pair (w[row, k],
// w[row, k + 1]) in f16. Rows and inputs beyond those of w are zero.

struct Params {
    rows: u32,     // of w
    stride2: u32,  // pairs between rows of w
    k2: u32,       // pairs of inputs in out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<vec2<f32>>;    // [rows, stride]
@group(0) @binding(2) var<storage, read_write> out: array<u32>;  // [panels, k2, PANEL]

@compute @workgroup_size(PANEL)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let row = group.y * PANEL + id.x;
    let k = group.x;
    let there = row < params.rows && k < params.stride2;
    let pair = select(vec2(0.0), w[select(0u, row * params.stride2 + k, there)], there);
    let at = (group.y * params.k2 + k) * PANEL + id.x;
    out[at] = pack2(dithered2(pair, at));
}
