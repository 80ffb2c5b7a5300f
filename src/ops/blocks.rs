//! Lays rows side by side in blocks of sixteen, for matmuls that load several rows at once.

use bytemuck::{Pod, Zeroable};

use super::{Matrix, Storage, check, stride4};
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::blocks::{KERNEL, ROWS, WORKGROUP_SIZE};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    k2: u32,
    x_stride2: u32,
}

/// Bytes of `rows` rows of `width` f16 numbers in blocks.
pub fn bytes(rows: usize, width: usize) -> u64 {
    (rows.next_multiple_of(ROWS as usize) * super::stride(width) * 2) as u64
}

/// `out[row / 16, pair, row % 16] = x[row, pair]` for the first `rows` rows of `x`, which is f16, and
/// the first `k2` pairs of each. The last row is repeated until its block is full.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn blocks(label: &'static str, rows: usize, k2: u32, x: &Matrix, out: &Buffer) -> Result<Step> {
    let x_stride2 = stride4(x.width) * 2;
    let fits = rows <= x.rows && k2 <= x_stride2 && out.size() >= bytes(rows, k2 as usize * 2);
    check(KERNEL.name, label, fits && x.storage == Storage::F16)?;
    let params = Params { rows: rows as u32, k2, x_stride2 };
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![x.buffer.clone(), out.clone()],
        workgroups: [k2.div_ceil(WORKGROUP_SIZE), (rows as u32).next_multiple_of(ROWS) / 4, 1],
        work: Work { flops: 0, bytes: (2 * 4 * rows) as u64 * u64::from(k2) },
    })
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn equals_the_reference_at_awkward_sizes() {
        for gpu in testing::gpus() {
            for (rows, width) in [(1, 2), (9, 100), (30, 334)] {
                let mut case = Case::new(width);
                let x = case.f16_values(rows * width, 1.0);
                let expected = reference::blocks(&x, width);
                let words = testing::block_on(async {
                    let x = testing::matrix(&gpu, &x, width, Storage::F16).await?;
                    let out = gpu.buffer("out", bytes(rows, width))?;
                    let step = blocks("test", rows, (width / 2) as u32, &x, &out)?;
                    gpu.run(&crate::gpu::Plan { steps: vec![step] }, &|| false).await?;
                    gpu.read_f32(&out, expected.len() / 2).await
                });
                let pairs = words.iter().flat_map(|word| {
                    let bits = word.to_bits();
                    [bits as u16, (bits >> 16) as u16].map(|half| f16::from_bits(half).to_f32())
                });
                testing::assert_close(&pairs.collect::<Vec<_>>(), &expected, 0.0);
            }
        }
    }

    #[test]
    fn too_little_room_is_refused() {
        let gpu = &testing::gpus()[0];
        let x = Matrix::zeros(gpu, "x", 17, 8, Storage::F16).unwrap();
        let out = gpu.buffer("out", bytes(16, 8)).unwrap();
        assert!(blocks("test", 17, 4, &x, &out).is_err());
        assert!(blocks("test", 16, 4, &x, &out).is_ok());
    }
}
