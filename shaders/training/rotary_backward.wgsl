// The gradient of pairs of q and k, which were rotated by the positions of their tokens, is rotated back: (x, y)
// becomes (x cos + y sin, y cos - x sin). What lies beside q and k stays.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,   // groups of four between rows
    rotated4: u32,  // groups of q and k together in a row
    head4: u32,     // groups of a head
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;                // [tokens, 3]: word, position, type
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;        // [positions, head4]: cosine and sine of two pairs
@group(0) @binding(3) var<storage, read_write> d_qkv: array<vec4<f32>>;  // [tokens, q heads | k heads | v heads]

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) id: vec3<u32>) {
    let column = group.x * WORKGROUP_SIZE + id.x;
    if column >= params.rotated4 {
        return;
    }
    let at = group.y * params.stride4 + column;
    let d = d_qkv[at];
    let cos_sin = table[ids[3u * group.y + 1u] * params.head4 + column % params.head4];
    d_qkv[at] = d * cos_sin.xxzz + d.yxwz * cos_sin.yyww * vec4(1.0, -1.0, 1.0, -1.0);
}
