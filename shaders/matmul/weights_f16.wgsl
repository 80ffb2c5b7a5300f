// Weights in f16. This is put before a variant.

const WORD: u32 = 1u;     // pairs of an output in a word
const BLOCK2: u32 = 16u;  // pairs of an output that share a scale

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;  // [panels, k2 / WORD, PANEL], a pair each

// What the numbers of four columns, at pair k, are multiplied by: nothing.
fn scale(panel: u32, k: u32, column4: u32) -> vec4<f32> {
    return vec4(1.0);
}

// The pair of four columns that stands at `pair` in their words.
fn columns(words: vec4<u32>, pair: u32, scale: vec4<f32>) -> Columns {
    let x = unpack2x16float(words.x);
    let y = unpack2x16float(words.y);
    let z = unpack2x16float(words.z);
    let w = unpack2x16float(words.w);
    return Columns(vec4(x.x, y.x, z.x, w.x), vec4(x.y, y.y, z.y, w.y));
}
