//! Limits the norm of all gradients together.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::check;
use crate::ops::shaders::training::clip::KERNEL;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    sums: u32,
    most: f32,
}

/// From the first `count` of `sums` of squares: `out[0]` is what to multiply all gradients by so
/// that their norm is `most` at most (0: no limit), `out[1]` their norm before.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where a buffer is too small.
pub fn clip(
    label: &'static str,
    count: usize,
    most: f32,
    sums: &Buffer,
    out: &Buffer,
) -> Result<Step> {
    check(KERNEL.name, label, sums.size() >= 4 * count as u64 && out.size() >= 8)?;
    let params = Params { sums: count as u32, most };
    let work = Work { flops: count as u64, bytes: 4 * count as u64 };
    Ok(step(&KERNEL, label, &params, &[sums, out], [1, 1, 1], work))
}
