//! The gradients of multi-head self-attention over packed sequences. Nothing of the size of the
//! scores is saved: they are computed again, once for q and once for k and v.

use bytemuck::{Pod, Zeroable};

use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::attention::Heads;
pub use crate::ops::shaders::training::attention_backward::TILE;
use crate::ops::shaders::training::attention_backward::{MAX_PAIRS, OWN, keys, queries};
use crate::ops::{Matrix, Storage, check, stride4};

const _: () = assert!(TILE == OWN * queries::WORKGROUP_SIZE && TILE == OWN * keys::WORKGROUP_SIZE);

/// About how many times fewer operations a second than matmul both kernels do.
const PACE: u64 = 4;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    heads: u32,
    head2: u32,
    qkv_stride2: u32,
    out_stride2: u32,
    scale: f32,
    first_task: u32,
    window: u32,
}

/// A window that leaves nothing out, and to which a place can be added.
const ALL: u32 = 1 << 30;

/// Neighbouring tokens of one sequence, once as queries and once as keys.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Task {
    /// Row of the sequence's first token in qkv.
    pub first_token: u32,
    /// Tokens of the sequence.
    pub tokens: u32,
    /// The first token of the task, counted from the sequence's first one.
    pub first: u32,
    /// Tokens from there on, at most [`TILE`].
    pub count: u32,
    /// Queries of the sequence: its tokens, or its first one alone.
    pub queries: u32,
    /// Row of the sequence's first query in out and its gradient.
    pub out_row: u32,
}

/// The tasks of sequences that begin at `cu_seqlens`, the last of which is where the last one ends.
/// Every token is a query, with the token's own row in out; or, with `first_only`, the first token
/// of each sequence alone, with a row a sequence.
pub fn backward_tasks(cu_seqlens: &[u32], first_only: bool) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (sequence, ends) in cu_seqlens.windows(2).enumerate() {
        let (first_token, tokens) = (ends[0], ends[1] - ends[0]);
        let (queries, out_row) =
            if first_only { (1, sequence as u32) } else { (tokens, first_token) };
        tasks.extend((0..tokens).step_by(TILE as usize).map(|first| Task {
            first_token,
            tokens,
            first,
            count: TILE.min(tokens - first),
            queries,
            out_row,
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
    /// Rows of qkv that they reach.
    pub tokens: usize,
    /// Rows of out and its gradient that they reach.
    pub rows: usize,
    /// Pairs of query and key in all of them together.
    pub scores: u64,
    /// The furthest key that a query sees on either side of it; `None` where it sees all.
    pub window: Option<u32>,
}

impl Tasks {
    /// Counts the work of `tasks`, which are in `buffer`.
    pub fn of(buffer: &Buffer, tasks: &[Task]) -> Tasks {
        let most = |end: fn(&Task) -> u32| tasks.iter().map(end).max().unwrap_or(0) as usize;
        Tasks {
            buffer: buffer.clone(),
            count: tasks.len(),
            tokens: most(|task| task.first_token + task.tokens),
            rows: most(|task| task.out_row + task.queries),
            scores: tasks.iter().map(|task| u64::from(task.count) * u64::from(task.queries)).sum(),
            window: None,
        }
    }
}

/// Bytes of the buffer of statistics for `rows` rows of out.
pub fn stats_bytes(rows: usize, heads: Heads) -> u64 {
    (16 * rows * heads.count) as u64
}

/// The gradient of [`crate::ops::attention::attention`] by q, k and v, for every token of `tasks`:
/// with p = softmax(q k^T scale) and scale = 1 / sqrt(head size)
///
/// ```text
/// d_v = p^T d_out                        d_s = p (d_out v^T - rowsum(d_out out))
/// d_q = scale d_s k                      d_k = scale d_s^T q
/// ```
///
/// `qkv` (f16, a row a token) and `out` (f16, a row a query) are what went into attention and came
/// out of it, `d_out` (f32) is the gradient by `out`. Where heads are padded, all three hold zeros.
/// `d_qkv` (f32) is laid out as `qkv`. `stats`, of [`stats_bytes`], is overwritten. Two steps, or
/// several where one would be more than `most_flops`.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
#[expect(clippy::too_many_arguments, reason = "each is a buffer of its own")]
pub fn attention_backward(
    label: &'static str,
    most_flops: u64,
    heads: Heads,
    tasks: &Tasks,
    qkv: &Matrix,
    out: &Matrix,
    d_out: &Matrix,
    stats: &Buffer,
    d_qkv: &Matrix,
) -> Result<Vec<Step>> {
    let width = heads.width();
    let head2 = (heads.padded_size() / 2) as u32;
    check(
        "attention_backward",
        label,
        qkv.width == 3 * width
            && d_qkv.width == 3 * width
            && out.width == width
            && d_out.width == width
            && head2 <= MAX_PAIRS
            && tasks.count > 0
            && tasks.buffer.size() >= (tasks.count * size_of::<Task>()) as u64
            && tasks.tokens <= qkv.rows.min(d_qkv.rows)
            && tasks.rows <= out.rows.min(d_out.rows)
            && stats.size() >= stats_bytes(tasks.rows, heads)
            && [qkv, out].iter().all(|matrix| matrix.storage == Storage::F16)
            && [d_out, d_qkv].iter().all(|matrix| matrix.storage == Storage::F32),
    )?;
    let numbers = (tasks.tokens * 3 * width, tasks.rows * width);
    let passes = [
        // Scores, gradients of p, and of q: three products. Of d_qkv this one writes a third.
        (
            &queries::KERNEL,
            6,
            2 * numbers.0 + 4 * numbers.0 / 3 + 6 * numbers.1,
            vec![&tasks.buffer, &qkv.buffer, &out.buffer, &d_out.buffer, stats, &d_qkv.buffer],
        ),
        // Scores, gradients of p, of k and of v: four.
        (
            &keys::KERNEL,
            8,
            2 * numbers.0 + 8 * numbers.0 / 3 + 4 * numbers.1,
            vec![&tasks.buffer, &qkv.buffer, &d_out.buffer, stats, &d_qkv.buffer],
        ),
    ];
    let mut steps = Vec::new();
    for (kernel, flops_a_score, bytes, buffers) in passes {
        let flops = flops_a_score * tasks.scores * width as u64;
        let runs = (flops * PACE).div_ceil(most_flops.max(1)).clamp(1, tasks.count as u64);
        let run = tasks.count.div_ceil(runs as usize);
        for first_task in (0..tasks.count).step_by(run) {
            let count = run.min(tasks.count - first_task);
            let share = |whole: u64| whole * count as u64 / tasks.count as u64;
            let params = Params {
                heads: heads.count as u32,
                head2,
                qkv_stride2: 2 * stride4(3 * width),
                out_stride2: 2 * stride4(width),
                scale: 1.0 / (heads.size as f32).sqrt(),
                first_task: first_task as u32,
                window: tasks.window.map_or(ALL, |window| window.min(ALL)),
            };
            steps.push(Step {
                kernel,
                label,
                params: bytemuck::bytes_of(&params).to_vec(),
                buffers: buffers.iter().copied().cloned().collect(),
                workgroups: [count as u32, heads.count as u32, 1],
                work: Work { flops: share(flops), bytes: share(bytes as u64) },
            });
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Gpu;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    /// The inputs: qkv, out and its gradient, as the forward pass leaves them.
    struct Given {
        heads: Heads,
        lengths: Vec<usize>,
        first_only: bool,
        window: Option<u32>,
        qkv: Vec<f32>,
        out: Vec<f32>,
        d_out: Vec<f32>,
    }

    impl Given {
        fn new(
            heads: Heads,
            lengths: &[usize],
            first_only: bool,
            window: Option<u32>,
            size: f32,
        ) -> Given {
            let tokens: usize = lengths.iter().sum();
            let mut case = Case::new(tokens + heads.size);
            let unpad = |mut rows: Vec<f32>| {
                for head in rows.chunks_exact_mut(heads.padded_size()) {
                    head[heads.size..].fill(0.0);
                }
                rows
            };
            let qkv = unpad(case.f16_values(tokens * 3 * heads.width(), size));
            let mut out = match window {
                None => reference::attention(&qkv, heads.count, heads.size, lengths),
                Some(window) => windowed(&qkv, heads, lengths, window as usize),
            };
            if first_only {
                let firsts = lengths.iter().scan(0, |first, length| {
                    let row = *first as u32;
                    *first += length;
                    Some(row)
                });
                out = reference::gather_rows(&firsts.collect::<Vec<_>>(), &out, heads.width());
            }
            let d_out = unpad(case.values(out.len(), 1.0));
            Given { heads, lengths: lengths.to_vec(), first_only, window, qkv, out, d_out }
        }

        fn tasks(&self) -> Vec<Task> {
            let mut cu_seqlens = vec![0];
            for &length in &self.lengths {
                cu_seqlens.push(cu_seqlens[cu_seqlens.len() - 1] + length as u32);
            }
            backward_tasks(&cu_seqlens, self.first_only)
        }

        fn expected(&self) -> Vec<f32> {
            let Given { heads, lengths, first_only, window, qkv, d_out, .. } = self;
            reference::backward::attention_backward(
                qkv,
                d_out,
                heads.count,
                heads.size,
                lengths,
                *first_only,
                window.map(|window| window as usize),
            )
        }

        /// The gradient that the kernels compute.
        fn results(&self, gpu: &Gpu, most_flops: u64) -> Vec<f32> {
            let Given { heads, qkv, out, d_out, .. } = self;
            let (width, tasks) = (heads.width(), self.tasks());
            testing::block_on(async {
                let qkv = testing::matrix(gpu, qkv, 3 * width, Storage::F16).await?;
                let out = testing::matrix(gpu, out, width, Storage::F16).await?;
                let d_out = testing::matrix(gpu, d_out, width, Storage::F32).await?;
                let stats = gpu.buffer("stats", stats_bytes(out.rows, *heads))?;
                gpu.write(&stats, 0, &vec![u32::MAX; stats.size() as usize / 4]).await?;
                let d_qkv = Matrix::zeros(gpu, "d_qkv", qkv.rows + 1, 3 * width, Storage::F32)?;
                testing::poison(gpu, &d_qkv).await?;
                let buffer = gpu.buffer_of("tasks", &tasks).await?;
                let tasks = Tasks { window: self.window, ..Tasks::of(&buffer, &tasks) };
                let steps = attention_backward(
                    "test", most_flops, *heads, &tasks, &qkv, &out, &d_out, &stats, &d_qkv,
                )?;
                let runs = if most_flops == 0 { tasks.count } else { 1 };
                assert_eq!(steps.len(), 2 * runs);
                testing::run(gpu, steps, &d_qkv, qkv.rows).await
            })
        }
    }

    /// Attention of heads without padding within a window.
    fn windowed(qkv: &[f32], heads: Heads, lengths: &[usize], window: usize) -> Vec<f32> {
        let row = 3 * heads.width();
        let mut rest = qkv;
        let sequence = |length: &usize| {
            let (own, after) = rest.split_at(length * row);
            rest = after;
            let [q, k, v] = [0, 1, 2].map(|part: usize| {
                let of = |row: &[f32]| row[part * heads.width()..][..heads.width()].to_vec();
                own.chunks_exact(row).flat_map(of).collect::<Vec<f32>>()
            });
            let parts = [&q[..], &k, &v];
            reference::modernbert::attention(parts, heads.count, heads.size, Some(window))
        };
        lengths.iter().flat_map(sequence).collect()
    }

    fn compare(heads: Heads, lengths: &[usize], size: f32, tolerance: f32) {
        compare_within(heads, lengths, None, size, tolerance);
    }

    fn compare_within(
        heads: Heads,
        lengths: &[usize],
        window: Option<u32>,
        size: f32,
        tolerance: f32,
    ) {
        for first_only in [false, true] {
            let given = Given::new(heads, lengths, first_only, window, size);
            let expected = given.expected();
            for gpu in testing::gpus() {
                testing::assert_close(&given.results(&gpu, u64::MAX), &expected, tolerance);
            }
        }
    }

    #[test]
    fn equals_the_reference_at_every_head_size() {
        for size in [1, 24, 25, 32, 63, 64, 100, 128] {
            compare(Heads { count: 2, size }, &[5, 17], 1.0, 2e-3);
        }
    }

    #[test]
    fn equals_the_reference_at_awkward_lengths() {
        for lengths in [&[1][..], &[7, 8, 9], &[63, 64, 65, 1], &[2, 127, 3], &[130]] {
            compare(Heads { count: 3, size: 20 }, lengths, 1.0, 2e-3);
        }
    }

    #[test]
    fn what_lies_outside_of_a_window_has_no_say() {
        let heads = Heads { count: 2, size: 20 };
        for window in [0, 3, 31, 64, 500] {
            // Scores so far apart that an exponent beyond the window would overflow.
            compare_within(heads, &[1, 90, 200, 33], Some(window), 6.0, 1e-2);
        }
    }

    #[test]
    fn sharp_and_large_scores_do_not_overflow() {
        // Products up to 64 * 20 * 20: exp would overflow without the maximum. What is allowed is
        // what the rounding of `out` to f16 makes of numbers of that size.
        compare(Heads { count: 1, size: 64 }, &[70, 9], 20.0, 0.1);
    }

    #[test]
    fn repeats_bit_for_bit_in_one_step_or_many_and_in_any_batch() {
        let heads = Heads { count: 3, size: 32 };
        let given = Given::new(heads, &[70, 7, 101], false, Some(20), 2.0);
        let row = heads.width();
        let alone = Given {
            heads,
            lengths: vec![101],
            first_only: false,
            window: Some(20),
            qkv: given.qkv[77 * 3 * row..].to_vec(),
            out: given.out[77 * row..].to_vec(),
            d_out: given.d_out[77 * row..].to_vec(),
        };
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        for gpu in testing::gpus() {
            let once = given.results(&gpu, u64::MAX);
            assert_eq!(bits(&once), bits(&given.results(&gpu, u64::MAX)));
            assert_eq!(bits(&once), bits(&given.results(&gpu, 0)));
            assert_eq!(bits(&once[77 * 3 * row..]), bits(&alone.results(&gpu, u64::MAX)));
        }
    }

    #[test]
    fn every_token_has_one_task() {
        let tasks = backward_tasks(&[0, 130, 130, 134], false);
        let covered: Vec<u32> = tasks
            .iter()
            .flat_map(|task| (task.first..task.first + task.count).map(|i| task.first_token + i))
            .collect();
        assert!(covered.into_iter().eq(0..134));
        assert!(
            tasks
                .iter()
                .all(|task| (task.queries, task.out_row) == (task.tokens, task.first_token))
        );
        let firsts = backward_tasks(&[0, 130, 130, 134], true);
        assert!(firsts.iter().map(|task| (task.queries, task.out_row)).eq([
            (1, 0),
            (1, 0),
            (1, 0),
            (1, 2)
        ]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let gpu = &testing::gpus()[0];
        testing::block_on(async {
            for (size, rows, tokens) in [(132, 3, 3), (8, 2, 3), (8, 3, 2)] {
                let heads = Heads { count: 1, size };
                let f16 = |rows, width| Matrix::zeros(gpu, "test", rows, width, Storage::F16);
                let f32 = |rows, width| Matrix::zeros(gpu, "test", rows, width, Storage::F32);
                let (qkv, out) = (f16(tokens, 3 * size)?, f16(rows, size)?);
                let (d_qkv, d_out) = (f32(tokens, 3 * size)?, f32(rows, size)?);
                let stats = gpu.buffer("stats", stats_bytes(rows, heads))?;
                let tasks = backward_tasks(&[0, 3], false);
                let tasks = Tasks::of(&gpu.buffer_of("tasks", &tasks).await?, &tasks);
                let steps = attention_backward(
                    "wide",
                    u64::MAX,
                    heads,
                    &tasks,
                    &qkv,
                    &out,
                    &d_out,
                    &stats,
                    &d_qkv,
                );
                assert!(steps.is_err(), "{size} {rows} {tokens}");
            }
            Ok(())
        });
    }
}
