//! Multi-head self-attention over packed sequences, in one pass over the keys.

pub mod lanes;
pub mod shuffle;
pub mod tiles;

use bytemuck::{Pod, Zeroable};

use super::{Matrix, Storage, check, stride4};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Kernel, Step, Work};
use crate::ops::shaders::attention::COLUMNS;
pub use crate::ops::shaders::attention::QUERIES;

/// Groups of four numbers in the largest head.
pub const MAX_HEAD4: u32 = 32;

/// About how many times fewer operations a second than matmul attention does.
const PACE: u64 = 3;

/// A method of computing attention. All take the same [`Task`]s and give the same numbers up to
/// rounding, so all batches must use the same.
#[derive(Debug)]
pub struct Variant {
    /// What `info` and remembered choices call it.
    pub name: &'static str,
    /// What runs.
    pub kernel: &'static Kernel,
    /// Heads that one workgroup does.
    heads: u32,
}

/// Every variant.
pub static VARIANTS: [&Variant; 3] = [&tiles::VARIANT, &lanes::VARIANT, &shuffle::VARIANT];

/// The variant called `name`.
pub fn named(name: &str) -> Option<&'static Variant> {
    VARIANTS.into_iter().find(|variant| variant.name == name)
}

impl Variant {
    /// Whether it runs on the adapter of `gpu`.
    pub fn runs_on(&self, gpu: &Gpu) -> bool {
        gpu.has(self.kernel.needs)
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    heads: u32,
    head4: u32,
    qkv_stride4: u32,
    out_stride4: u32,
    scale: f32,
    first_task: u32,
    window: u32,
}

/// Neighbouring queries of one sequence: what is done together, for one head or several.
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

/// The tasks of sequences that begin at `cu_seqlens`, the last of which is where the last one ends.
/// Every token is a query, with the token's own row in out; or, with `first_only`, the first token
/// of each sequence alone, with a row a sequence.
pub fn forward_tasks(cu_seqlens: &[u32], first_only: bool) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (sequence, ends) in cu_seqlens.windows(2).enumerate() {
        let (first_token, tokens) = (ends[0], ends[1] - ends[0]);
        let (all, out_row) = if first_only { (1, sequence as u32) } else { (tokens, first_token) };
        tasks.extend((0..all).step_by(QUERIES as usize).map(|first_query| Task {
            first_token,
            tokens,
            first_query,
            queries: QUERIES.min(all - first_query),
            out_row: out_row + first_query,
        }));
    }
    tasks
}

/// Tasks on the GPU, and how much work they are.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// The [`Task`]s.
    pub buffer: Buffer,
    /// How many there are.
    pub count: usize,
    /// Pairs of query and key in all of them together.
    pub scores: u64,
    /// The furthest key that a query sees on either side of it; `None` where it sees all.
    pub window: Option<u32>,
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
/// of q, then of k, then of v, each head padded to [`Heads::padded_size`]. One step, or several for
/// runs of tasks where a single one would be more than `most_flops`.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn attention(
    label: &'static str,
    variant: &'static Variant,
    most_flops: u64,
    heads: Heads,
    tasks: &Tasks,
    qkv: &Matrix,
    out: &Matrix,
) -> Result<Vec<Step>> {
    let head4 = (heads.padded_size() / 4) as u32;
    check(
        variant.kernel.name,
        label,
        qkv.width == 3 * heads.width()
            && out.width == heads.width()
            && head4 <= MAX_HEAD4
            && tasks.buffer.size() >= (tasks.count * size_of::<Task>()) as u64
            && qkv.storage == Storage::F16
            && out.storage == Storage::F16,
    )?;
    let flops = 4 * tasks.scores * heads.width() as u64;
    let bytes = (2 * qkv.rows * (qkv.width + out.width)) as u64;
    let runs = (flops * PACE).div_ceil(most_flops.max(1)).clamp(1, tasks.count as u64) as usize;
    let run = tasks.count.div_ceil(runs);
    let step = |first_task: usize| {
        let count = run.min(tasks.count - first_task);
        let share = |whole: u64| whole * count as u64 / tasks.count as u64;
        let params = Params {
            heads: heads.count as u32,
            head4,
            qkv_stride4: stride4(qkv.width),
            out_stride4: stride4(out.width),
            scale: 1.0 / (heads.size as f32).sqrt(),
            first_task: first_task as u32,
            window: tasks.window.unwrap_or(u32::MAX),
        };
        Step {
            kernel: variant.kernel,
            label,
            params: bytemuck::bytes_of(&params).to_vec(),
            buffers: vec![tasks.buffer.clone(), qkv.buffer.clone(), out.buffer.clone()],
            workgroups: [
                count as u32,
                (heads.count as u32).div_ceil(variant.heads),
                head4.div_ceil(COLUMNS),
            ],
            work: Work { flops: share(flops), bytes: share(bytes) },
        }
    };
    Ok((0..tasks.count).step_by(run).map(step).collect())
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

    /// Numbers for q, k and v with the zeros that pad each head, as the packed weights leave them.
    fn numbers(heads: Heads, tokens: usize, size: f32) -> Vec<f32> {
        let mut qkv = Case::new(tokens + heads.size).f16_values(tokens * 3 * heads.width(), size);
        for head in qkv.chunks_exact_mut(heads.padded_size()) {
            head[heads.size..].fill(0.0);
        }
        qkv
    }

    /// The results of `variant` for sequences of `lengths`, in one step or, where `most_flops` is 0, in
    /// one for each task.
    fn results(
        gpu: &Gpu,
        variant: &'static Variant,
        heads: Heads,
        most_flops: u64,
        lengths: &[usize],
        window: Option<u32>,
        qkv: &[f32],
    ) -> Vec<f32> {
        let tokens: usize = lengths.iter().sum();
        testing::block_on(async {
            let qkv = testing::matrix(gpu, qkv, 3 * heads.width(), Storage::F16).await?;
            let tasks = tasks_of(lengths);
            let tasks = Tasks {
                buffer: gpu.buffer_of("tasks", &tasks).await?,
                count: tasks.len(),
                scores: lengths.iter().map(|n| (n * n) as u64).sum(),
                window,
            };
            let out = Matrix::zeros(gpu, "out", tokens + 1, heads.width(), Storage::F16)?;
            testing::poison(gpu, &out).await?;
            let steps = attention("test", variant, most_flops, heads, &tasks, &qkv, &out)?;
            testing::run(gpu, steps, &out, tokens).await
        })
    }

    fn compare(heads: Heads, lengths: &[usize], size: f32) {
        let qkv = numbers(heads, lengths.iter().sum(), size);
        let expected = reference::attention(&qkv, heads.count, heads.size, lengths);
        for gpu in testing::gpus() {
            for variant in VARIANTS.into_iter().filter(|variant| variant.runs_on(&gpu)) {
                let got = results(&gpu, variant, heads, u64::MAX, lengths, None, &qkv);
                testing::assert_close(&got, &expected, 2e-3);
            }
        }
    }

    #[test]
    fn a_software_adapter_runs_every_variant() {
        let gpu = &testing::gpus()[0];
        for variant in VARIANTS {
            assert!(!gpu.is_software() || variant.runs_on(gpu), "{}", variant.name);
        }
    }

    #[test]
    fn every_query_has_one_task() {
        let cu_seqlens = [0, 17, 21, 53];
        let rows = |task: &Task| task.out_row..task.out_row + task.queries;
        let mut covered: Vec<u32> =
            forward_tasks(&cu_seqlens, false).iter().flat_map(rows).collect();
        covered.sort_unstable();
        assert!(covered.into_iter().eq(0..53));
        let first = forward_tasks(&cu_seqlens, true);
        assert!(first.iter().map(|task| task.out_row).eq(0..3));
        assert!(first.iter().map(|task| task.first_token).eq([0, 17, 21]));
    }

    #[test]
    fn equals_the_reference_at_every_head_size() {
        for size in [1, 24, 25, 32, 60, 64, 65, 96, 100, 128] {
            compare(Heads { count: 2, size }, &[5, 17], 1.0);
        }
    }

    #[test]
    fn equals_the_reference_at_awkward_lengths() {
        for lengths in [&[1][..], &[15, 16, 17], &[31, 32, 33, 1], &[100, 3], &[513]] {
            compare(Heads { count: 3, size: 20 }, lengths, 1.0);
        }
    }

    #[test]
    fn equals_the_reference_at_every_number_of_heads() {
        for count in [1, 4, 5, 12] {
            compare(Heads { count, size: 32 }, &[19, 50], 1.0);
        }
    }

    #[test]
    fn a_sequence_does_not_depend_on_the_batch() {
        let heads = Heads { count: 3, size: 64 };
        let (row, lengths) = (3 * heads.width(), [70, 7, 101, 70, 16]);
        let mut qkv = numbers(heads, lengths.iter().sum(), 2.0);
        // The fourth sequence is the first one again.
        qkv.copy_within(..70 * row, 178 * row);
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        for gpu in testing::gpus() {
            for variant in VARIANTS.into_iter().filter(|variant| variant.runs_on(&gpu)) {
                let together = results(&gpu, variant, heads, 0, &lengths, None, &qkv);
                let mut first = 0;
                for length in lengths {
                    let own = &qkv[first * row..(first + length) * row];
                    let alone = results(&gpu, variant, heads, u64::MAX, &[length], None, own);
                    let there = &together[first * heads.width()..][..alone.len()];
                    assert_eq!(bits(&alone), bits(there), "{} at {first}", variant.kernel.name);
                    first += length;
                }
                let (one, again) =
                    (&together[..70 * heads.width()], &together[178 * heads.width()..]);
                assert_eq!(bits(one), bits(&again[..one.len()]), "{}", variant.kernel.name);
            }
        }
    }

    #[test]
    fn a_query_sees_its_neighbours_alone_where_there_is_a_window() {
        let heads = Heads { count: 2, size: 20 };
        let lengths = [1, 90, 300, 33];
        let qkv = numbers(heads, lengths.iter().sum(), 3.0);
        let width = heads.width();
        let row = 3 * width;
        for window in [0, 3, 31, 64, 500] {
            let mut expected = Vec::new();
            let mut first = 0;
            for length in lengths {
                let own = &qkv[first * row..(first + length) * row];
                let part = |part: usize| -> Vec<f32> {
                    own.chunks_exact(row)
                        .flat_map(|row| &row[part * width..][..width])
                        .copied()
                        .collect()
                };
                let [q, k, v] = [0, 1, 2].map(part);
                let parts = [&q[..], &k, &v];
                let reach = Some(window as usize);
                expected.extend(reference::modernbert::attention(
                    parts,
                    heads.count,
                    heads.size,
                    reach,
                ));
                first += length;
            }
            for gpu in testing::gpus() {
                for variant in VARIANTS.into_iter().filter(|variant| variant.runs_on(&gpu)) {
                    let got = results(&gpu, variant, heads, 0, &lengths, Some(window), &qkv);
                    testing::assert_close(&got, &expected, 2e-3);
                }
            }
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
                window: None,
            };
            assert!(
                attention("wide", &tiles::VARIANT, u64::MAX, heads, &tasks, &qkv, &out).is_err()
            );
            Ok(())
        });
    }
}
