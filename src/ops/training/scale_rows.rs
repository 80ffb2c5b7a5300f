//! Undoes the scaling of rows, and sums gradients up.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::training::scale_rows::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    add: u32,
}

/// `out[row] = scales[row] * x[row]` for the first `rows` rows, or that added to what is in `out`.
/// All are f32; x and out have one width.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn scale_rows(
    label: &'static str,
    rows: usize,
    x: &Matrix,
    scales: &Buffer,
    out: &Matrix,
    add: bool,
) -> Result<Step> {
    let fits = rows <= x.rows
        && rows <= out.rows
        && x.width == out.width
        && scales.size() >= 4 * rows as u64
        && x.storage == Storage::F32
        && out.storage == Storage::F32;
    check(KERNEL.name, label, fits)?;
    let params = Params { stride4: stride4(x.width), add: u32::from(add) };
    let numbers = (rows * x.width) as u64;
    let work = Work { flops: 2 * numbers, bytes: 12 * numbers };
    let workgroups = [params.stride4.div_ceil(WORKGROUP_SIZE), rows as u32, 1];
    Ok(step(&KERNEL, label, &params, &[&x.buffer, scales, &out.buffer], workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};

    #[test]
    fn rows_are_scaled_and_added() {
        for gpu in testing::gpus() {
            for (rows, width) in [(1, 1), (5, 70), (9, 257)] {
                let mut case = Case::new(width);
                let (x, before) = (case.values(rows * width, 1.0), case.values(rows * width, 1.0));
                let factors = case.values(rows, 2.0);
                for add in [false, true] {
                    let expected: Vec<f32> = (0..rows * width)
                        .map(|i| x[i] * factors[i / width] + if add { before[i] } else { 0.0 })
                        .collect();
                    let got = testing::block_on(async {
                        let x = testing::matrix(&gpu, &x, width, Storage::F32).await?;
                        let scales = gpu.buffer_of("scales", &factors).await?;
                        let out = Matrix::zeros(&gpu, "out", rows + 1, width, Storage::F32)?;
                        testing::poison(&gpu, &out).await?;
                        out.write_rows(&gpu, "out", 0, &before).await?;
                        let steps = vec![scale_rows("test", rows, &x, &scales, &out, add)?];
                        testing::run(&gpu, steps, &out, rows).await
                    });
                    testing::assert_close(&got, &expected, 1e-6);
                }
            }
        }
    }
}
