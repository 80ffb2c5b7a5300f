// Weights in integers of 8 or 4 bits. This is put before a variant. A weight is its integer times
// the scale of its block. That product has no more digits than f16 holds, so it is exact, and sums
// are the same bits as with weights that were expanded to f16 before.

const WORD: u32 = 16u / BITS;    // pairs of an output in a word
const BLOCK2: u32 = 128u / BITS; // pairs of an output that share a scale

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // [panels, k2 / WORD, PANEL]
@group(0) @binding(7) var<storage, read> scales: array<vec4<u32>>;  // [panels, blocks / 2, PANEL], two blocks' f16 each

// What the integers of four columns, at pair k, are multiplied by.
fn scale(panel: u32, k: u32, column4: u32) -> vec4<f32> {
    let blocks2 = (params.k2 / BLOCK2 + 1u) / 2u;
    let block = k / BLOCK2;
    let words = scales[(panel * blocks2 + block / 2u) * (PANEL / 4u) + column4] >> vec4(block % 2u * 16u);
    return vec4(unpack2x16float(words.x).x, unpack2x16float(words.y).x, unpack2x16float(words.z).x, unpack2x16float(words.w).x);
}

// The pair of four columns that stands at `pair` in their words.
fn columns(words: vec4<u32>, pair: u32, scale: vec4<f32>) -> Columns {
    // Up to the sign bit, and down again with the sign.
    let down = 32u - BITS;
    let up = down - pair * 2u * BITS;
    let even = vec4<i32>(words << vec4(up)) >> vec4(down);
    let odd = vec4<i32>(words << vec4(up - BITS)) >> vec4(down);
    return Columns(vec4<f32>(even) * scale, vec4<f32>(odd) * scale);
}
