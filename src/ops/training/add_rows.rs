//! Adds rows to chosen rows, for gradients that arrive along two paths.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::training::add_rows::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    chosen: u32,
}

/// `out[rows[i]] += x[i]` for the first `count` rows of `x`, or `out[i] += x[i]` without `rows` (u32
/// each, inside `out`, none twice). Both are f32 of one width.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn add_rows(
    label: &'static str,
    count: usize,
    rows: Option<&Buffer>,
    x: &Matrix,
    out: &Matrix,
) -> Result<Step> {
    let fits = count <= x.rows
        && rows.map_or(count <= out.rows, |rows| rows.size() >= 4 * count as u64)
        && x.width == out.width
        && x.storage == Storage::F32
        && out.storage == Storage::F32;
    check(KERNEL.name, label, fits)?;
    let params = Params { stride4: stride4(x.width), chosen: u32::from(rows.is_some()) };
    let numbers = (count * x.width) as u64;
    let work = Work { flops: numbers, bytes: 12 * numbers };
    let workgroups = [params.stride4.div_ceil(WORKGROUP_SIZE), count as u32, 1];
    // A kernel that reads no rows must still bind a buffer.
    let buffers = [rows.unwrap_or(&x.buffer), &x.buffer, &out.buffer];
    Ok(step(&KERNEL, label, &params, &buffers, workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};

    #[test]
    fn rows_are_added_where_they_belong() {
        let (count, width) = (3, 70);
        let chosen = [4u32, 0, 2];
        for gpu in testing::gpus() {
            for rows in [Some(&chosen[..]), None] {
                let mut case = Case::new(width);
                let (x, before) = (case.values(count * width, 1.0), case.values(5 * width, 1.0));
                let mut expected = before.clone();
                for i in 0..count {
                    let to = rows.map_or(i, |rows| rows[i] as usize);
                    for column in 0..width {
                        expected[to * width + column] += x[i * width + column];
                    }
                }
                let got = testing::block_on(async {
                    let x = testing::matrix(&gpu, &x, width, Storage::F32).await?;
                    let buffer = gpu.buffer_of("rows", &chosen).await?;
                    let out = Matrix::zeros(&gpu, "out", 6, width, Storage::F32)?;
                    testing::poison(&gpu, &out).await?;
                    out.write_rows(&gpu, "out", 0, &before).await?;
                    let steps = vec![add_rows("test", count, rows.map(|_| &buffer), &x, &out)?];
                    testing::run(&gpu, steps, &out, 5).await
                });
                testing::assert_close(&got, &expected, 0.0);
            }
        }
    }
}
