//! Tiles of 8-bit weights by the vectors of x86, chosen at run time: a native build may only count
//! on SSE2, and crates that choose have no product of 16-bit integers.
//!
//! A block's sum is exact in any order, and what follows is rounded as in the portable tile, by the
//! same operations in the same order. So the results are the same to the bit.

use bytemuck::cast;

pub mod amx;

use super::integer::{ROWS, TileRows, WIDE, WidePanel, WideSums};

/// What multiplies rows and panels; there is one only for what this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile(Instructions);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Avx512Vnni,
    Avx512,
    AvxVnni,
    Avx2,
}

impl Tile {
    /// The most tiles of rows at once.
    pub const MOST: usize = 3;

    /// All that this machine has, the fastest first.
    pub fn all() -> impl Iterator<Item = Tile> {
        let avx2 = is_x86_feature_detected!("avx2");
        let avx512 = is_x86_feature_detected!("avx512bw");
        [
            (Instructions::Avx512Vnni, avx512 && is_x86_feature_detected!("avx512vnni")),
            (Instructions::Avx512, avx512),
            (Instructions::AvxVnni, avx2 && is_x86_feature_detected!("avxvnni")),
            (Instructions::Avx2, avx2),
        ]
        .into_iter()
        .filter_map(|(instructions, there)| there.then_some(Tile(instructions)))
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self.0 {
            Instructions::Avx512Vnni => "avx512vnni",
            Instructions::Avx512 => "avx512",
            Instructions::AvxVnni => "avxvnni",
            Instructions::Avx2 => "avx2",
        }
    }

    /// Of `left` tiles of rows, how many to multiply at once: as many as the sums of integers and of
    /// f32 leave registers for, or somewhat fewer so that no single one is left over.
    pub fn at_once(self, left: usize) -> usize {
        let most = match self.0 {
            Instructions::Avx512Vnni | Instructions::Avx512 => Tile::MOST,
            Instructions::AvxVnni | Instructions::Avx2 => 1,
        };
        left.div_ceil(left.div_ceil(most))
    }

    /// Adds the products of as many tiles of rows as [`Tile::at_once`] says, one behind the other,
    /// and of a panel to the tiles' sums.
    #[expect(unsafe_code, reason = "functions for instructions that not every machine has")]
    pub fn multiply(self, rows: TileRows, panel: WidePanel, sums: &mut [WideSums]) {
        match self.0 {
            // SAFETY: `all` makes this only where the machine has AVX-512's BW and VNNI.
            Instructions::Avx512Vnni => unsafe { avx512_vnni::multiply(rows, panel, sums) },
            // SAFETY: `all` makes this only where the machine has AVX-512's BW.
            Instructions::Avx512 => unsafe { avx512::multiply(rows, panel, sums) },
            // SAFETY: `all` makes this only where the machine has AVX2 and AVX-VNNI.
            Instructions::AvxVnni => unsafe { avx_vnni::multiply(rows, panel, sums) },
            // SAFETY: `all` makes this only where the machine has AVX2.
            Instructions::Avx2 => unsafe { avx2::multiply(rows, panel, sums) },
        }
    }
}

/// The intrinsics of 512 bits, under the names that [`tile!`] uses.
mod v512 {
    pub use std::arch::x86_64::{
        __m512 as Floats, __m512i as Integers, _mm512_add_ps as add,
        _mm512_cvtepi32_ps as to_floats, _mm512_mul_ps as multiply_floats,
        _mm512_set1_epi32 as splat, _mm512_set1_ps as splat_float, _mm512_setzero_si512 as zero,
    };
    use std::arch::x86_64::{_mm512_add_epi32, _mm512_cvtepi8_epi16, _mm512_madd_epi16};

    use bytemuck::cast;

    #[inline]
    #[target_feature(enable = "avx512bw")]
    pub fn extend(weights: &[i8; 32]) -> [Integers; 1] {
        [_mm512_cvtepi8_epi16(cast(*weights))]
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    pub fn add_products(sum: Integers, a: Integers, b: Integers) -> Integers {
        _mm512_add_epi32(sum, _mm512_madd_epi16(a, b))
    }
}

/// The same of 256 bits.
mod v256 {
    use std::arch::x86_64::{__m128i, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_madd_epi16};
    pub use std::arch::x86_64::{
        __m256 as Floats, __m256i as Integers, _mm256_add_ps as add,
        _mm256_cvtepi32_ps as to_floats, _mm256_mul_ps as multiply_floats,
        _mm256_set1_epi32 as splat, _mm256_set1_ps as splat_float, _mm256_setzero_si256 as zero,
    };

    use bytemuck::cast;

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn extend(weights: &[i8; 32]) -> [Integers; 2] {
        let [left, right]: [__m128i; 2] = cast(*weights);
        [_mm256_cvtepi8_epi16(left), _mm256_cvtepi8_epi16(right)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn add_products(sum: Integers, a: Integers, b: Integers) -> Integers {
        _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
    }
}

/// A module whose `multiply` adds the products of tiles of rows and a panel to the tiles' sums. It
/// is a macro, because a trait's function could not say which instructions it takes.
macro_rules! tile {
    ($name:ident, $features:tt, $vectors:ident, $add_products:path, $($at_once:literal)*) => {
        mod $name {
            use super::$vectors::{
                Floats, add, extend, multiply_floats, splat, splat_float, to_floats, zero,
            };
            use super::*;

            const VECTORS: usize = size_of::<[f32; WIDE]>() / size_of::<Floats>();

            #[target_feature(enable = $features)]
            pub fn multiply(rows: TileRows, panel: WidePanel, sums: &mut [WideSums]) {
                match sums.len() {
                    $($at_once => run::<$at_once>(rows, panel, sums),)*
                    count => unreachable!("{count} tiles at once"),
                }
            }

            #[target_feature(enable = $features)]
            fn run<const AT_ONCE: usize>(rows: TileRows, panel: WidePanel, sums: &mut [WideSums]) {
                let blocks = panel.0.len();
                let mut tiles: [TileRows; AT_ONCE] = [(&[], &[]); AT_ONCE];
                let mut totals = [[[splat_float(0.0); VECTORS]; ROWS]; AT_ONCE];
                for tile in 0..AT_ONCE {
                    let first = tile * blocks;
                    tiles[tile] = (&rows.0[first..][..blocks], &rows.1[first..][..blocks]);
                    totals[tile] = sums[tile].map(cast);
                }
                for (block, (weights, scales)) in panel.0.iter().zip(panel.1).enumerate() {
                    let mut whole = [[[zero(); VECTORS]; ROWS]; AT_ONCE];
                    for (pair, weights) in weights.iter().enumerate() {
                        let weights = extend(weights);
                        for (tile, whole) in tiles.iter().zip(&mut whole) {
                            for (x, whole) in tile.0[block][pair].iter().zip(whole) {
                                let x = splat(*x);
                                for (whole, weights) in whole.iter_mut().zip(weights) {
                                    *whole = $add_products(*whole, x, weights);
                                }
                            }
                        }
                    }
                    let scales: [Floats; VECTORS] = cast(*scales);
                    for ((tile, totals), whole) in tiles.iter().zip(&mut totals).zip(whole) {
                        let rows = tile.1[block].iter().zip(totals).zip(whole);
                        for ((scale, totals), whole) in rows {
                            let scale = splat_float(*scale);
                            for ((total, whole), scales) in totals.iter_mut().zip(whole).zip(scales) {
                                let scale = multiply_floats(scales, scale);
                                *total = add(*total, multiply_floats(to_floats(whole), scale));
                            }
                        }
                    }
                }
                for (sums, totals) in sums.iter_mut().zip(totals) {
                    *sums = totals.map(cast);
                }
            }
        }
    };
}

tile!(avx512_vnni, "avx512bw,avx512vnni", v512, std::arch::x86_64::_mm512_dpwssd_epi32, 1 2 3);
tile!(avx512, "avx512bw", v512, v512::add_products, 1 2 3);
tile!(avx_vnni, "avx2,avxvnni", v256, std::arch::x86_64::_mm256_dpwssd_avx_epi32, 1);
tile!(avx2, "avx2", v256, v256::add_products, 1);
