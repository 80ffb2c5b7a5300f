//! The backward pass of the mean of each pair's rows.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::training::mean_rows_backward::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
}

/// The gradient of [`crate::ops::mean_rows::mean_rows`] by the rows that it reads: each of the rows `ends[i]..ends[i + 1]`
/// of `d_x` becomes `d_y[i]` divided by their number. Both are f32.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn mean_rows_backward(
    label: &'static str,
    pairs: usize,
    ends: &Buffer,
    d_y: &Matrix,
    d_x: &Matrix,
) -> Result<Step> {
    let fits = pairs <= d_y.rows
        && ends.size() >= 4 * (pairs + 1) as u64
        && d_y.width == d_x.width
        && d_y.storage == Storage::F32
        && d_x.storage == Storage::F32;
    check(KERNEL.name, label, fits)?;
    let params = Params { stride4: stride4(d_x.width) };
    let numbers = (d_x.rows * d_x.width) as u64;
    let work = Work { flops: numbers, bytes: 4 * numbers };
    let workgroups = [params.stride4.div_ceil(WORKGROUP_SIZE), pairs as u32, 1];
    Ok(step(&KERNEL, label, &params, &[ends, &d_y.buffer, &d_x.buffer], workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn equals_the_reference_at_awkward_sizes() {
        for gpu in testing::gpus() {
            for (lengths, width) in [(&[1][..], 1), (&[3, 1, 17], 100), (&[600, 2], 333)] {
                let rows: usize = lengths.iter().sum();
                let d_y = Case::new(width).values(lengths.len() * width, 1.0);
                let mut ends = vec![0];
                for length in lengths {
                    ends.push(ends[ends.len() - 1] + *length as u32);
                }
                let expected = reference::backward::mean_rows_backward(&d_y, lengths, width);
                let got = testing::block_on(async {
                    let d_y = testing::matrix(&gpu, &d_y, width, Storage::F32).await?;
                    let ends = gpu.buffer_of("ends", &ends).await?;
                    let d_x = Matrix::zeros(&gpu, "d_x", rows + 1, width, Storage::F32)?;
                    testing::poison(&gpu, &d_x).await?;
                    let step = mean_rows_backward("test", lengths.len(), &ends, &d_y, &d_x)?;
                    testing::run(&gpu, vec![step], &d_x, rows).await
                });
                testing::assert_close(&got, &expected, 1e-6);
            }
        }
    }
}
