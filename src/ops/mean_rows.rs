//! The mean of each pair's rows, which some heads read.

use bytemuck::{Pod, Zeroable};

use super::{Matrix, Storage, check, stride4};
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::mean_rows::{KERNEL, WORKGROUP_SIZE};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
}

/// `out[i]` = the mean of the rows `ends[i]..ends[i + 1]` of `x`, for `pairs` pairs of at least one row.
/// Both are f16.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn mean_rows(
    label: &'static str,
    pairs: usize,
    ends: &Buffer,
    x: &Matrix,
    out: &Matrix,
) -> Result<Step> {
    check(
        KERNEL.name,
        label,
        pairs <= out.rows
            && ends.size() >= 4 * (pairs + 1) as u64
            && x.width == out.width
            && x.storage == Storage::F16
            && out.storage == Storage::F16,
    )?;
    let params = Params { stride4: stride4(x.width) };
    let numbers = (x.rows * x.width) as u64;
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![ends.clone(), x.buffer.clone(), out.buffer.clone()],
        workgroups: [stride4(x.width).div_ceil(WORKGROUP_SIZE), pairs as u32, 1],
        work: Work { flops: numbers, bytes: 2 * numbers },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};

    #[test]
    fn equals_means_by_hand_at_awkward_sizes() {
        for gpu in testing::gpus() {
            for (lengths, width) in [(&[1][..], 1), (&[3, 1, 17], 100), (&[600, 2], 333)] {
                let rows: usize = lengths.iter().sum();
                let x = Case::new(width).f16_values(rows * width, 1.0);
                let mut ends = vec![0];
                let mut expected = Vec::new();
                for length in lengths {
                    let first = *ends.last().unwrap() as usize;
                    ends.push((first + length) as u32);
                    let own = &x[first * width..][..length * width];
                    let mean = |i: usize| own.iter().skip(i).step_by(width).sum::<f32>();
                    expected.extend((0..width).map(|i| mean(i) / *length as f32));
                }
                let got = testing::block_on(async {
                    let x = testing::matrix(&gpu, &x, width, Storage::F16).await?;
                    let ends = gpu.buffer_of("ends", &ends).await?;
                    let out = Matrix::zeros(&gpu, "out", lengths.len() + 1, width, Storage::F16)?;
                    testing::poison(&gpu, &out).await?;
                    let step = mean_rows("test", lengths.len(), &ends, &x, &out)?;
                    testing::run(&gpu, vec![step], &out, lengths.len()).await
                });
                testing::assert_close(&got, &expected, 2e-3);
            }
        }
    }
}
