//! Multi-head self-attention over packed sequences, in one pass over the keys.

use bytemuck::{Pod, Zeroable};

use super::{Matrix, Storage, check, stride4};
use crate::error::Result;
use crate::gpu::{Access, Buffer, Kernel, Step, Work};

/// Invocations of a workgroup. = shaders/attention.wgsl
pub const LANES: u32 = 64;
/// The most queries of a task. = shaders/attention.wgsl
pub const QUERIES: u32 = 16;
/// Keys of a tile. = shaders/attention.wgsl
pub const KEYS: u32 = 32;
/// Groups of four numbers in the largest head. = shaders/attention.wgsl
pub const MAX_HEAD4: u32 = 32;

/// The kernel of `shaders/attention.wgsl`.
pub static KERNEL: Kernel = Kernel {
    name: "attention",
    sources: &[include_str!("../../shaders/attention.wgsl")],
    storage: &[Access::Read, Access::Read, Access::Write],
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    heads: u32,
    head4: u32,
    qkv_stride4: u32,
    out_stride4: u32,
    scale: f32,
}

/// Neighbouring queries of one sequence: what a workgroup does for one head.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Task {
    /// Row of the sequence's first token in q, k and v.
    pub first_token: u32,
    /// Tokens of the sequence.
    pub tokens: u32,
    /// The first query, counted from the sequence's first token.
    pub first_query: u32,
    /// Queries from there on, at most [`QUERIES`].
    pub queries: u32,
    /// Where the first query's result goes in out.
    pub out_row: u32,
}

/// Tasks on the GPU and what they amount to.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// The [`Task`]s.
    pub buffer: Buffer,
    /// How many there are.
    pub count: usize,
    /// Pairs of query and key in all of them together.
    pub scores: u64,
}

/// The heads of a layer as they lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// How many.
    pub count: usize,
    /// Numbers in each.
    pub size: usize,
}

impl Heads {
    /// Numbers in each with the zeros that fill it up to a multiple of four.
    pub fn padded_size(self) -> usize {
        self.size.next_multiple_of(4)
    }

    /// Width of all heads side by side in memory.
    pub fn width(self) -> usize {
        self.count * self.padded_size()
    }
}

/// `out = softmax(q k^T / sqrt(head size)) v` for every task and head. A row of `qkv` is all heads
/// of q, then of k, then of v, each head padded to [`Heads::padded_size`].
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn attention(
    label: &'static str,
    heads: Heads,
    tasks: &Tasks,
    qkv: &Matrix,
    out: &Matrix,
) -> Result<Step> {
    let head4 = (heads.padded_size() / 4) as u32;
    check(
        KERNEL.name,
        label,
        qkv.width == 3 * heads.width()
            && out.width == heads.width()
            && head4 <= MAX_HEAD4
            && tasks.buffer.size() >= (tasks.count * size_of::<Task>()) as u64
            && qkv.storage == Storage::F16
            && out.storage == Storage::F16,
    )?;
    let params = Params {
        heads: heads.count as u32,
        head4,
        qkv_stride4: stride4(qkv.width),
        out_stride4: stride4(out.width),
        scale: 1.0 / (heads.size as f32).sqrt(),
    };
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![tasks.buffer.clone(), qkv.buffer.clone(), out.buffer.clone()],
        workgroups: [tasks.count as u32, heads.count as u32, 1],
        work: Work {
            flops: 4 * tasks.scores * heads.width() as u64,
            bytes: (2 * qkv.rows * (qkv.width + out.width)) as u64,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    fn tasks_of(lengths: &[usize]) -> Vec<Task> {
        let mut first_token = 0;
        let mut tasks = Vec::new();
        for &tokens in lengths {
            for first_query in (0..tokens as u32).step_by(QUERIES as usize) {
                tasks.push(Task {
                    first_token,
                    tokens: tokens as u32,
                    first_query,
                    queries: QUERIES.min(tokens as u32 - first_query),
                    out_row: first_token + first_query,
                });
            }
            first_token += tokens as u32;
        }
        tasks
    }

    fn compare(heads: Heads, lengths: &[usize], size: f32) {
        let tokens: usize = lengths.iter().sum();
        for gpu in testing::gpus() {
            let mut case = Case::new(tokens + heads.size);
            // The zeros that pad each head, as the packed weights leave them.
            let mut qkv = case.f16_values(tokens * 3 * heads.width(), size);
            for head in qkv.chunks_exact_mut(heads.padded_size()) {
                head[heads.size..].fill(0.0);
            }
            let expected = reference::attention(&qkv, heads.count, heads.size, lengths);
            let got = testing::block_on(async {
                let qkv = testing::matrix(&gpu, &qkv, 3 * heads.width(), Storage::F16).await?;
                let tasks = tasks_of(lengths);
                let tasks = Tasks {
                    buffer: gpu.buffer_of("tasks", &tasks).await?,
                    count: tasks.len(),
                    scores: 0,
                };
                let out = Matrix::zeros(&gpu, "out", tokens + 1, heads.width(), Storage::F16)?;
                testing::poison(&gpu, &out).await?;
                let step = attention("test", heads, &tasks, &qkv, &out)?;
                testing::run(&gpu, vec![step], &out, tokens).await
            });
            testing::assert_close(&got, &expected, 2e-3);
        }
    }

    #[test]
    fn equals_its_twin_at_every_head_size() {
        for size in [1, 24, 25, 32, 60, 64, 65, 96, 100, 128] {
            compare(Heads { count: 2, size }, &[5, 17], 1.0);
        }
    }

    #[test]
    fn equals_its_twin_at_awkward_lengths() {
        for lengths in [&[1][..], &[15, 16, 17], &[31, 32, 33, 1], &[100, 3], &[513]] {
            compare(Heads { count: 3, size: 20 }, lengths, 1.0);
        }
    }

    #[test]
    fn large_scores_do_not_overflow() {
        // Products up to 64 * 40 * 40: exp would overflow without the running maximum.
        compare(Heads { count: 1, size: 64 }, &[70, 9], 40.0);
    }

    #[test]
    fn a_head_beyond_the_largest_is_refused() {
        let gpu = &testing::gpus()[0];
        testing::block_on(async {
            let heads = Heads { count: 1, size: 132 };
            let qkv = Matrix::zeros(gpu, "qkv", 1, 3 * 132, Storage::F16)?;
            let out = Matrix::zeros(gpu, "out", 1, 132, Storage::F16)?;
            let tasks = Tasks {
                buffer: gpu.buffer_of("tasks", &tasks_of(&[1])).await?,
                count: 1,
                scores: 1,
            };
            assert!(attention("wide", heads, &tasks, &qkv, &out).is_err());
            Ok(())
        });
    }
}
