// out[token] = word[ids[token]] + position[position_ids[token]] + token_type

// = src/ops/embed.rs
const LANES: u32 = 64u;

struct Params {
    stride4: u32,  // groups of four between rows of every table and of out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<vec2<u32>>;         // [tokens] of (word, position)
@group(0) @binding(2) var<storage, read> word: array<elem4>;            // [vocab, stride]
@group(0) @binding(3) var<storage, read> position: array<elem4>;        // [positions, stride]
@group(0) @binding(4) var<storage, read> token_type: array<vec4<f32>>;  // [stride]
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;   // [tokens, stride]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let column = group.x * LANES + lane.x;
    let token = group.y;
    if column >= params.stride4 {
        return;
    }
    let id = ids[token];
    out[token * params.stride4 + column] = load4(word[id.x * params.stride4 + column])
        + load4(position[id.y * params.stride4 + column])
        + token_type[column];
}
