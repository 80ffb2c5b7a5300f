// (x, y), a pair of neighbouring numbers in q or k, becomes (x cos - y sin, y cos + x sin) at the angle of
// its token's position. The weights of q and k were reordered while they loaded, so that the two halves of a
// head, which make pairs, lie side by side: products of q and k do not depend on the order.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride2: u32,  // pairs between rows of qkv and of out
    pairs2: u32,   // pairs of q and k together in a row; those of v after them are copied
    head2: u32,    // pairs between heads
    turned2: u32,  // pairs of a head; after them there may be one of zeros
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;          // [tokens, 3]: word, position, type
@group(0) @binding(2) var<storage, read> turns: array<vec2<f32>>;  // [positions, turned2]: cosine and sine
@group(0) @binding(3) var<storage, read> qkv: array<u32>;          // [tokens, q heads | k heads | v heads]
@group(0) @binding(4) var<storage, read_write> out: array<u32>;    // the same

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let pair = group.x * WORKGROUP_SIZE + lane.x;
    let token = group.y;
    let number = pair % params.head2;
    if pair >= params.stride2 {
        return;
    }
    let at = token * params.stride2 + pair;
    if pair >= params.pairs2 || number >= params.turned2 {
        out[at] = qkv[at];
        return;
    }
    let x = unpack2x16float(qkv[at]);
    let turn = turns[ids[3u * token + 1u] * params.turned2 + number];
    out[at] = pack2(vec2(x.x * turn.x - x.y * turn.y, x.y * turn.x + x.x * turn.y));
}
