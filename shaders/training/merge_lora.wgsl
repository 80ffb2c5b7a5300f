// Weights with their low-rank adapter: out = w + scale * b a, in panels of f16 pairs, for a run of
// outputs. (Hu et al., arXiv 2106.09685.)

struct Params {
    k2: u32,         // pairs of inputs in w and out
    a_stride2: u32,  // pairs between rows of a
    b_stride: u32,   // numbers between rows of b
    rank: u32,
    first: u32,      // the first output that has this adapter
    end: u32,        // one after the last
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<u32>;          // [panels, k2, PANEL]
@group(0) @binding(2) var<storage, read> a: array<vec2<f32>>;    // [rank, a_stride]
@group(0) @binding(3) var<storage, read> b: array<f32>;          // [end - first, b_stride]
@group(0) @binding(4) var<storage, read_write> out: array<u32>;  // [panels, k2, PANEL]

@compute @workgroup_size(PANEL)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let k = group.x;
    let output = group.y * PANEL + id.x;
    if output < params.first || output >= params.end || k >= params.a_stride2 {
        return;
    }
    let b_row = (output - params.first) * params.b_stride;
    var sum = vec2(0.0);
    for (var i = 0u; i < params.rank; i++) {
        sum = fma(vec2(b[b_row + i]), a[i * params.a_stride2 + k], sum);
    }
    let at = (group.y * params.k2 + k) * PANEL + id.x;
    out[at] = pack2(dithered2(fma(vec2(params.scale), sum, unpack2x16float(w[at])), at));
}
