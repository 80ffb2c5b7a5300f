// For GPUs that multiply f16 faster than f32. Both operands stay f16 in workgroup memory and in registers, so half as
// many bytes move for each product. BLOCK products are added up in f16, and what they make is added to a sum of
// f32: the error of a sum does not grow with k as one of f16 alone would. A block whose sum f16 cannot hold is
// infinite, and so is what depends on it: the encoder computes such pairs again with sums of f32.
//
// This is put before both variants. They differ in the size of a tile: w_tile, [buffer, k, group of columns], and
// COLUMNS4, the groups of columns in it, are declared there.
enable f16;

const BLOCK: u32 = 8u;  // of k, whose products are added up in f16

@group(0) @binding(1) var<storage, read> a: array<vec4<f16>>;

// The weights of four columns for a block of k.
struct Block {
    k0: vec4<f16>,
    k1: vec4<f16>,
    k2: vec4<f16>,
    k3: vec4<f16>,
    k4: vec4<f16>,
    k5: vec4<f16>,
    k6: vec4<f16>,
    k7: vec4<f16>,
}

// The block of one group of columns that begins at `at` in w_tile.
fn block_at(at: u32) -> Block {
    return Block(
        w_tile[at],
        w_tile[at + COLUMNS4],
        w_tile[at + 2u * COLUMNS4],
        w_tile[at + 3u * COLUMNS4],
        w_tile[at + 4u * COLUMNS4],
        w_tile[at + 5u * COLUMNS4],
        w_tile[at + 6u * COLUMNS4],
        w_tile[at + 7u * COLUMNS4],
    );
}

// The sums of four columns, and the products of a block of one row added to them.
fn add_block(sum: vec4<f32>, first: vec4<f16>, second: vec4<f16>, w: Block) -> vec4<f32> {
    var part = vec4(first.x) * w.k0;
    part = fma(vec4(first.y), w.k1, part);
    part = fma(vec4(first.z), w.k2, part);
    part = fma(vec4(first.w), w.k3, part);
    part = fma(vec4(second.x), w.k4, part);
    part = fma(vec4(second.y), w.k5, part);
    part = fma(vec4(second.z), w.k6, part);
    part = fma(vec4(second.w), w.k7, part);
    return sum + vec4<f32>(part);
}
