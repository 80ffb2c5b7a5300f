//! Rotary positions: turns queries and keys by the positions of their tokens (Su et al., 2021).

use bytemuck::{Pod, Zeroable};

use super::attention::Heads;
use super::embed::ID_BYTES;
use super::{Matrix, Storage, check, stride4};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Step, Work};
use crate::ops::shaders::rotary::{KERNEL, WORKGROUP_SIZE};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    turned4: u32,
    head4: u32,
}

/// The cosines and sines of every position, for heads of one size.
#[derive(Debug)]
pub struct Turns {
    buffer: Buffer,
    positions: usize,
    head_size: usize,
}

impl Turns {
    /// Those of `positions` positions: pair number i of a head turns by
    /// `position / theta^(2 i / head_size)`. They are made here because WGSL promises nothing of the
    /// cosine of a large angle.
    ///
    /// # Errors
    /// What [`Gpu::buffer_of`] says.
    pub async fn new(gpu: &Gpu, positions: usize, head_size: usize, theta: f32) -> Result<Turns> {
        let speed = |i: usize| 1.0 / theta.powf(2.0 * i as f32 / head_size as f32);
        let speeds: Vec<f32> = (0..head_size / 2).map(speed).collect();
        // A head is padded to groups of four numbers, and what fills it up is not turned.
        let pairs = head_size.next_multiple_of(4) / 2;
        let mut turns = Vec::with_capacity(positions * pairs);
        for position in 0..positions {
            // The angle in f32, as PyTorch computes it.
            let turn = |speed: &f32| f64::from(position as f32 * speed).sin_cos();
            turns.extend(speeds.iter().map(turn).map(|(sin, cos)| [cos as f32, sin as f32]));
            turns.resize((position + 1) * pairs, [1.0, 0.0]);
        }
        Ok(Turns { buffer: gpu.buffer_of("turns", &turns).await?, positions, head_size })
    }

    /// Whether they turn these heads.
    pub(super) fn fits(&self, heads: Heads) -> bool {
        self.head_size == heads.size && self.positions > 0 && heads.size.is_multiple_of(2)
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.buffer
    }
}

/// The first `tokens` rows of `qkv` with their queries and keys turned by the positions in `ids` (three
/// u32 a token, the second is below the positions of `turns`). The two numbers of a pair lie side by
/// side. They go to another matrix, because a dispatch that a driver drops would not be noticed in place.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn rotary(
    label: &'static str,
    tokens: usize,
    heads: Heads,
    ids: &Buffer,
    turns: &Turns,
    qkv: &Matrix,
    out: &Matrix,
) -> Result<Step> {
    check(
        KERNEL.name,
        label,
        tokens <= qkv.rows
            && tokens <= out.rows
            && out.width == qkv.width
            && out.storage == Storage::F16
            && ids.size() >= ID_BYTES * tokens as u64
            && qkv.width == 3 * heads.width()
            && qkv.storage == Storage::F16
            && turns.fits(heads),
    )?;
    let params = Params {
        stride4: stride4(qkv.width),
        turned4: (2 * heads.width() / 4) as u32,
        head4: (heads.padded_size() / 4) as u32,
    };
    let numbers = 2 * (tokens * heads.width()) as u64;
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![ids.clone(), turns.buffer.clone(), qkv.buffer.clone(), out.buffer.clone()],
        workgroups: [params.stride4.div_ceil(WORKGROUP_SIZE), tokens as u32, 1],
        work: Work { flops: 3 * numbers, bytes: 6 * numbers },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference::modernbert::rotate;

    #[test]
    fn equals_the_reference_at_awkward_sizes_and_far_positions() {
        for gpu in testing::gpus() {
            for (count, size, tokens) in [(1, 2, 3), (3, 20, 70), (2, 22, 9), (2, 64, 5000)] {
                let heads = Heads { count, size };
                let width = count * size;
                let mut case = Case::new(size);
                let parts: [Vec<f32>; 3] = [0, 1, 2].map(|_| case.f16_values(tokens * width, 1.0));
                let row = |parts: [&[f32]; 3], token: usize| {
                    parts
                        .map(|part| testing::paired(&part[token * width..][..width], heads))
                        .concat()
                };
                let all = |parts: [&[f32]; 3]| {
                    (0..tokens).flat_map(|token| row(parts, token)).collect::<Vec<f32>>()
                };
                let qkv = all([&parts[0], &parts[1], &parts[2]]);
                let [q, k] = [0, 1].map(|i| rotate(&parts[i], count, size, 10_000.0));
                let expected = all([&q, &k, &parts[2]]);
                let ids: Vec<[u32; 3]> = (0..tokens as u32).map(|at| [7, at, 0]).collect();
                let got = testing::block_on(async {
                    let qkv = testing::matrix(&gpu, &qkv, 3 * heads.width(), Storage::F16).await?;
                    let ids = gpu.buffer_of("ids", &ids).await?;
                    let turns = Turns::new(&gpu, tokens, size, 10_000.0).await?;
                    let width = 3 * heads.width();
                    let out = Matrix::zeros(&gpu, "out", tokens + 1, width, Storage::F16)?;
                    testing::poison(&gpu, &out).await?;
                    let step = rotary("test", tokens, heads, &ids, &turns, &qkv, &out)?;
                    testing::run(&gpu, vec![step], &out, tokens).await
                });
                testing::assert_close(&got, &expected, 2e-3);
            }
        }
    }
}
