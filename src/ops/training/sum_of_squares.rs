//! Sums up the squares of a gradient, for its norm.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::check;
use crate::ops::shaders::training::sum_of_squares::{KERNEL, WORKGROUP_SIZE};

/// The most sums that one call writes.
pub const SUMS: usize = 64;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count4: u32,
    groups: u32,
    first: u32,
}

/// Sums of the squares of all of `x` (f32, in groups of four) go to `sums` from `first` on: so many
/// as the second value says, at most [`SUMS`].
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where a buffer is too small.
pub fn sum_of_squares(
    label: &'static str,
    x: &Buffer,
    sums: &Buffer,
    first: usize,
) -> Result<(Step, usize)> {
    let count4 = (x.size() / 16) as u32;
    // About 32 numbers an invocation at the least.
    let groups = count4.div_ceil(8 * WORKGROUP_SIZE).clamp(1, SUMS as u32);
    check(KERNEL.name, label, sums.size() >= 4 * (first as u64 + u64::from(groups)))?;
    let params = Params { count4, groups, first: first as u32 };
    let work = Work { flops: x.size() / 2, bytes: x.size() };
    Ok((step(&KERNEL, label, &params, &[x, sums], [groups, 1, 1], work), groups as usize))
}

#[cfg(test)]
mod tests {
    use super::super::clip::clip;
    use super::*;
    use crate::gpu::Plan;
    use crate::ops::testing::{self, Case};

    #[test]
    fn norm_and_factor_are_those_of_all_gradients_together() {
        for gpu in testing::gpus() {
            let (a, b) = (Case::new(1).values(64, 1.0), Case::new(2).values(100_000, 1.0));
            let squares = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
            let norm = (squares(&a) + squares(&b)).sqrt() as f32;
            for most in [0.0, 1.0, 1e6] {
                let got = testing::block_on(async {
                    let sums = gpu.buffer("sums", 4 * 2 * SUMS as u64)?;
                    let out = gpu.buffer("clip", 16)?;
                    let (a, b) = (gpu.buffer_of("a", &a).await?, gpu.buffer_of("b", &b).await?);
                    let (first, count) = sum_of_squares("a", &a, &sums, 0)?;
                    let (second, more) = sum_of_squares("b", &b, &sums, count)?;
                    let steps = vec![first, second, clip("clip", count + more, most, &sums, &out)?];
                    gpu.run(&Plan { steps }, &|| false).await?;
                    gpu.read_f32(&out, 2).await
                });
                let factor = if most > 0.0 { (most / norm).min(1.0) } else { 1.0 };
                testing::assert_close(&got, &[factor, norm], 1e-5);
            }
        }
    }
}
