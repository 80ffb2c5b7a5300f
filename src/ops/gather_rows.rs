//! Copies chosen rows of a matrix together: the `<s>` rows before the last layer goes on.

use bytemuck::{Pod, Zeroable};

use super::{Matrix, Storage, check};
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::gather_rows::{KERNEL, WORKGROUP_SIZE};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride2: u32,
}

/// `out[i] = x[rows[i]]` for the first `count` of `rows` (u32 each, inside `x`), bit by bit. Both are f16, or both f32.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn gather_rows(
    label: &'static str,
    count: usize,
    rows: &Buffer,
    x: &Matrix,
    out: &Matrix,
) -> Result<Step> {
    check(
        KERNEL.name,
        label,
        count <= out.rows
            && rows.size() >= 4 * count as u64
            && x.width == out.width
            && x.storage == out.storage
            && x.storage != Storage::Q8,
    )?;
    let row_bytes = x.storage.row_bytes(x.width);
    let stride2 = row_bytes as u32 / 8;
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&Params { stride2 }).to_vec(),
        buffers: vec![rows.clone(), x.buffer.clone(), out.buffer.clone()],
        workgroups: [stride2.div_ceil(WORKGROUP_SIZE), count as u32, 1],
        work: Work { flops: 0, bytes: (2 * count * row_bytes) as u64 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn equals_the_reference_at_awkward_sizes() {
        for gpu in testing::gpus() {
            for (rows, count, width) in [(1, 1, 1), (9, 4, 100), (30, 30, 333)] {
                let mut case = Case::new(width);
                let x = case.f16_values(rows * width, 1.0);
                let chosen: Vec<u32> = (0..count).map(|_| case.below(rows)).collect();
                let expected = reference::gather_rows(&chosen, &x, width);
                let got = testing::block_on(async {
                    let x = testing::matrix(&gpu, &x, width, Storage::F16).await?;
                    let chosen = gpu.buffer_of("rows", &chosen).await?;
                    let out = Matrix::zeros(&gpu, "out", count + 1, width, Storage::F16)?;
                    testing::poison(&gpu, &out).await?;
                    let step = gather_rows("test", count, &chosen, &x, &out)?;
                    testing::run(&gpu, vec![step], &out, count).await
                });
                testing::assert_close(&got, &expected, 0.0);
            }
        }
    }
}
