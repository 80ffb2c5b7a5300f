// out[token] = word[ids.word] + position[ids.position] + token_type[ids.type], where this part of the
// table has the word

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    stride4: u32,        // groups of four between rows of every table and of out
    first_word: u32,     // the word in the first row of word
    words: u32,          // rows of word
    quantised: u32,      // 1 where word holds bytes, 0 where it holds f16
    last_position: u32,  // later positions have the same row: a table of one row of zeros is none
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;               // [tokens, 3]: word, position, type
// Pairs of f16, [words, stride / 2], or four bytes each and the f32 that a row's bytes are multiplied
// by, [words, stride / 4 + 1].
@group(0) @binding(2) var<storage, read> word: array<u32>;
@group(0) @binding(3) var<storage, read> position: array<elem4>;        // [positions, stride]
@group(0) @binding(4) var<storage, read> token_type: array<vec4<f32>>;  // [types, stride]
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;   // [tokens, stride]

// Four numbers of a word.
fn word4(row: u32, column: u32) -> vec4<f32> {
    if params.quantised == 0u {
        let at = 2u * (row * params.stride4 + column);
        return vec4(unpack2x16float(word[at]), unpack2x16float(word[at + 1u]));
    }
    let at = row * (params.stride4 + 1u);
    // Each byte up to the sign bit, and down again with the sign.
    let bytes = vec4<i32>(vec4(word[at + column]) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u);
    return vec4<f32>(bytes) * bitcast<f32>(word[at + params.stride4]);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let column = group.x * WORKGROUP_SIZE + lane.x;
    let token = group.y;
    // Wraps around for words before the first.
    let row = ids[3u * token] - params.first_word;
    if column >= params.stride4 || row >= params.words {
        return;
    }
    out[token * params.stride4 + column] = word4(row, column)
        + load4(position[min(ids[3u * token + 1u], params.last_position) * params.stride4 + column])
        + token_type[ids[3u * token + 2u] * params.stride4 + column];
}
