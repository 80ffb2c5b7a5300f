//! The sum of each column of a matrix: the gradient of a bias, and of a row that is added to all.

use bytemuck::{Pod, Zeroable};

use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::training::column_sums::{COLUMNS, KERNEL};
use crate::ops::{Matrix, Storage, check, stride, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    stride4: u32,
}

/// `sums[c] += sum of x[r, c]` over the first `rows` rows. `x` is f32, `sums` too, padded with zeros
/// to the stride.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn column_sums(label: &'static str, rows: usize, x: &Matrix, sums: &Buffer) -> Result<Step> {
    check(
        KERNEL.name,
        label,
        rows <= x.rows && x.storage == Storage::F32 && sums.size() >= 4 * stride(x.width) as u64,
    )?;
    let params = Params { rows: rows as u32, stride4: stride4(x.width) };
    let numbers = (rows * x.width) as u64;
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![x.buffer.clone(), sums.clone()],
        workgroups: [stride4(x.width).div_ceil(COLUMNS), 1, 1],
        work: Work { flops: numbers, bytes: 4 * numbers },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Gpu, Plan};
    use crate::ops::padded_vector;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    fn results(gpu: &Gpu, x: &[f32], before: &[f32]) -> Vec<f32> {
        let (width, rows) = (before.len(), x.len() / before.len());
        testing::block_on(async {
            // One more row, which must be left out.
            let x = testing::matrix(gpu, &[x, before].concat(), width, Storage::F32).await?;
            let sums = padded_vector(gpu, "sums", before).await?;
            let steps = vec![column_sums("test", rows, &x, &sums)?];
            gpu.run(&Plan { steps }, &|| false).await?;
            gpu.read_f32(&sums, stride(width)).await
        })
    }

    #[test]
    fn equals_the_reference_at_awkward_sizes_and_adds_to_what_was_there() {
        for (width, rows) in [(1, 1), (5, 31), (63, 33), (100, 70), (257, 5), (1030, 200)] {
            let mut case = Case::new(width + rows);
            let x = case.values(rows * width, 1.0);
            let before = case.values(width, 1.0);
            let sums = reference::backward::column_sums(&x, width);
            let mut expected: Vec<f32> =
                sums.iter().zip(&before).map(|(sum, old)| sum + old).collect();
            expected.resize(stride(width), 0.0);
            for gpu in testing::gpus() {
                let got = results(&gpu, &x, &before);
                testing::assert_close(&got, &expected, 1e-5);
                assert_eq!(got, results(&gpu, &x, &before), "does not repeat");
            }
        }
    }
}
