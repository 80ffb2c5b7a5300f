//! Rounds the master weights of a table to the f16 that lookups read.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Step, Work};
use crate::ops::shaders::training::round_table::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    first_row: u32,
}

/// `table[first_row + row] = w[row]` for every row of `w`, which is f32; the table is f16.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn round_table(
    label: &'static str,
    w: &Matrix,
    first_row: usize,
    table: &Matrix,
) -> Result<Step> {
    let fits = first_row + w.rows <= table.rows
        && w.width == table.width
        && w.rows <= 65_535
        && w.storage == Storage::F32
        && table.storage == Storage::F16;
    check(KERNEL.name, label, fits)?;
    let params = Params { stride4: stride4(w.width), first_row: first_row as u32 };
    let work = Work { flops: 0, bytes: (6 * w.rows * w.width) as u64 };
    let workgroups = [params.stride4.div_ceil(WORKGROUP_SIZE), w.rows as u32, 1];
    Ok(step(&KERNEL, label, &params, &[&w.buffer, &table.buffer], workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};

    #[test]
    fn rows_are_rounded_into_their_place() {
        for gpu in testing::gpus() {
            let (rows, width) = (5, 70);
            let w = Case::new(width).f16_values(rows * width, 1.0);
            let got = testing::block_on(async {
                let w = testing::matrix(&gpu, &w, width, Storage::F32).await?;
                let table = Matrix::zeros(&gpu, "table", rows + 3, width, Storage::F16)?;
                testing::poison(&gpu, &table).await?;
                table.write_rows(&gpu, "table", 0, &vec![0.5; 2 * width]).await?;
                let steps = vec![round_table("test", &w, 2, &table)?];
                testing::run(&gpu, steps, &table, rows + 2).await
            });
            assert!(got[..2 * width].iter().all(|&x| x == 0.5));
            testing::assert_close(&got[2 * width..], &w, 0.0);
        }
    }
}
