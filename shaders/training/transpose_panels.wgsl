// The transpose of a weight matrix, from panels to panels: what carries gradients back through it.

struct Params {
    k2: u32,        // pairs of inputs in w
    w_panels: u32,  // panels of w
    out_k2: u32,    // pairs of inputs in out, which are w's outputs
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<u32>;          // [outputs / PANEL, k2, PANEL]
@group(0) @binding(2) var<storage, read_write> out: array<u32>;  // [inputs / PANEL, out_k2, PANEL]

// Number `input` of output `output`.
fn number(output: u32, input: u32) -> u32 {
    let panel = output / PANEL;
    let there = panel < params.w_panels && input / 2u < params.k2;
    let at = (panel * params.k2 + input / 2u) * PANEL + output % PANEL;
    let pair = select(0u, w[select(0u, at, there)], there);
    return select(pair >> 16u, pair & 0xffffu, input % 2u == 0u);
}

@compute @workgroup_size(PANEL)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let input = group.y * PANEL + id.x;
    let even = number(2u * group.x, input);
    let odd = number(2u * group.x + 1u, input);
    out[(group.y * params.out_k2 + group.x) * PANEL + id.x] = even | (odd << 16u);
}
