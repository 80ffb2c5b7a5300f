// The gradient of turning pairs of q and k by the positions of their tokens is turned back by them: (x, y)
// becomes (x cos + y sin, y cos - x sin). What lies beside q and k stays.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride2: u32,  // pairs between rows
    pairs2: u32,   // pairs of q and k together in a row
    head2: u32,    // pairs between heads
    turned2: u32,  // pairs of a head; after them there may be one of zeros
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;                // [tokens, 3]: word, position, type
@group(0) @binding(2) var<storage, read> turns: array<vec2<f32>>;        // [positions, turned2]: cosine and sine
@group(0) @binding(3) var<storage, read_write> d_qkv: array<vec2<f32>>;  // [tokens, q heads | k heads | v heads]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let pair = group.x * WORKGROUP_SIZE + id.x;
    let number = pair % params.head2;
    if pair >= params.pairs2 || number >= params.turned2 {
        return;
    }
    let at = group.y * params.stride2 + pair;
    let d = d_qkv[at];
    let turn = turns[ids[3u * group.y + 1u] * params.turned2 + number];
    d_qkv[at] = vec2(d.x * turn.x + d.y * turn.y, d.y * turn.x - d.x * turn.y);
}
