//! The backward pass of rotary positions.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::attention::Heads;
use crate::ops::embed::ID_BYTES;
use crate::ops::rotary::RotaryTable;
use crate::ops::shaders::training::rotary_backward::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    rotated4: u32,
    head4: u32,
}

/// The backward pass of [`crate::ops::matmul::Epilogue::Rotate`], in place on the first `tokens` rows of the gradient
/// of q, k and v (f32): q and k are rotated back, because the transpose of a rotation is its inverse. v is left alone.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn rotary_backward(
    label: &'static str,
    tokens: usize,
    heads: Heads,
    ids: &Buffer,
    table: &RotaryTable,
    d_qkv: &Matrix,
) -> Result<Step> {
    let fits = tokens <= d_qkv.rows
        && ids.size() >= ID_BYTES * tokens as u64
        && d_qkv.width == 3 * heads.width()
        && d_qkv.storage == Storage::F32
        && table.fits(heads);
    check(KERNEL.name, label, fits)?;
    let params = Params {
        stride4: stride4(d_qkv.width),
        rotated4: (2 * heads.width() / 4) as u32,
        head4: (heads.padded_size() / 4) as u32,
    };
    let numbers = 2 * (tokens * heads.width()) as u64;
    let work = Work { flops: 3 * numbers, bytes: 8 * numbers };
    let workgroups = [params.rotated4.div_ceil(WORKGROUP_SIZE), tokens as u32, 1];
    let buffers = [ids, table.buffer(), &d_qkv.buffer];
    Ok(step(&KERNEL, label, &params, &buffers, workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference::backward::rotate_backward;

    #[test]
    fn equals_the_reference_at_awkward_sizes_and_far_positions() {
        for gpu in testing::gpus() {
            for (count, size, tokens) in [(1, 2, 3), (3, 20, 70), (2, 22, 9), (2, 64, 3000)] {
                let heads = Heads { count, size };
                let width = count * size;
                let mut case = Case::new(size);
                let parts: [Vec<f32>; 3] = [0, 1, 2].map(|_| case.values(tokens * width, 1.0));
                let rows = |parts: [&[f32]; 3]| {
                    let row = |token: usize| {
                        parts
                            .map(|part| testing::paired(&part[token * width..][..width], heads))
                            .concat()
                    };
                    (0..tokens).flat_map(row).collect::<Vec<f32>>()
                };
                let given = rows([&parts[0], &parts[1], &parts[2]]);
                let [q, k] = [0, 1].map(|i| rotate_backward(&parts[i], count, size, 10_000.0));
                let expected = rows([&q, &k, &parts[2]]);
                let ids: Vec<[u32; 3]> = (0..tokens as u32).map(|at| [7, at, 0]).collect();
                let got = testing::block_on(async {
                    let ids = gpu.buffer_of("ids", &ids).await?;
                    let table = RotaryTable::new(&gpu, tokens, size, 10_000.0).await?;
                    let width = 3 * heads.width();
                    let d_qkv = Matrix::zeros(&gpu, "d_qkv", tokens + 1, width, Storage::F32)?;
                    testing::poison(&gpu, &d_qkv).await?;
                    d_qkv.write_rows(&gpu, "d_qkv", 0, &given).await?;
                    let step = rotary_backward("test", tokens, heads, &ids, &table, &d_qkv)?;
                    testing::run(&gpu, vec![step], &d_qkv, tokens).await
                });
                testing::assert_close(&got, &expected, 1e-6);
            }
        }
    }
}
