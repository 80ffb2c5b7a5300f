// (x, y), a pair of neighbouring numbers in q or k, becomes (x cos - y sin, y cos + x sin) at the angle of
// its token's position. The weights of q and k were reordered while they loaded, so that the two halves of a
// head, which make pairs, lie side by side: products of q and k do not depend on the order.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows of qkv and of out
    turned4: u32,  // groups of q and k together in a row; those of v after them are copied
    head4: u32,    // groups of a head
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;          // [tokens, 3]: word, position, type
@group(0) @binding(2) var<storage, read> turns: array<vec4<f32>>;  // [positions, head4]: cosine and sine of two pairs
@group(0) @binding(3) var<storage, read> qkv: array<elem4>;        // [tokens, q heads | k heads | v heads]
@group(0) @binding(4) var<storage, read_write> out: array<elem4>;  // the same

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let column = group.x * WORKGROUP_SIZE + lane.x;
    let token = group.y;
    if column >= params.stride4 {
        return;
    }
    let at = token * params.stride4 + column;
    if column >= params.turned4 {
        out[at] = qkv[at];
        return;
    }
    let x = load4(qkv[at]);
    let turn = turns[ids[3u * token + 1u] * params.head4 + column % params.head4];
    out[at] = store4(x * turn.xxzz + x.yxwz * turn.yyww * vec4(-1.0, 1.0, -1.0, 1.0));
}
