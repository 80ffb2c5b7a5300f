//! Adds rows up by where they came from: the gradient of a gather from a table.

use bytemuck::{Pod, Zeroable};

use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::training::scatter_rows::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
}

/// Everything that goes to one row of the table.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Run {
    /// The row.
    pub table_row: u32,
    /// Where its part of the order begins.
    pub first: u32,
    /// And how long it is.
    pub count: u32,
    /// Pads it to 16 bytes.
    pub unused: u32,
}

/// Runs, by table row, and the order of rows that they are parts of, where row i was gathered from
/// `ids[i]`. Rows of the id that is `left_out` appear in none: PyTorch keeps the gradient of a
/// padding row at zero.
pub fn runs_of(ids: impl Iterator<Item = u32>, left_out: Option<u32>) -> (Vec<Run>, Vec<u32>) {
    let mut pairs: Vec<(u32, u32)> = ids.zip(0..).filter(|&(id, _)| Some(id) != left_out).collect();
    pairs.sort_unstable();
    let mut first = 0;
    let runs = pairs.chunk_by(|one, next| one.0 == next.0).map(|run| {
        let count = run.len() as u32;
        first += count;
        Run { table_row: run[0].0, first: first - count, count, unused: 0 }
    });
    (runs.collect(), pairs.iter().map(|&(_, row)| row).collect())
}

/// Runs on the GPU, and how much work they are.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The [`Run`]s.
    pub buffer: Buffer,
    /// How many there are.
    pub count: usize,
    /// The order, u32 each.
    pub order: Buffer,
    /// How many rows of it all runs have together.
    pub rows: usize,
}

/// `grad[run.table_row] += sum of d_x[order[i]]` for every run and its i. Both are f32. Rows and
/// table rows are inside `d_x` and `grad`, and no table row has two runs. No step where there is
/// nothing to add.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn scatter_rows(
    label: &'static str,
    runs: &Runs,
    d_x: &Matrix,
    grad: &Matrix,
) -> Result<Option<Step>> {
    check(
        KERNEL.name,
        label,
        runs.buffer.size() >= (runs.count * size_of::<Run>()) as u64
            && runs.order.size() >= 4 * runs.rows as u64
            && runs.count <= grad.rows
            && d_x.width == grad.width
            && d_x.storage == Storage::F32
            && grad.storage == Storage::F32,
    )?;
    let params = Params { stride4: stride4(d_x.width) };
    let (numbers, sums) = ((runs.rows * d_x.width) as u64, (runs.count * d_x.width) as u64);
    let step = Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![
            runs.buffer.clone(),
            runs.order.clone(),
            d_x.buffer.clone(),
            grad.buffer.clone(),
        ],
        workgroups: [stride4(d_x.width).div_ceil(WORKGROUP_SIZE), runs.count as u32, 1],
        work: Work { flops: numbers + sums, bytes: 4 * numbers + 8 * sums },
    };
    Ok((runs.count > 0).then_some(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Gpu;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    fn results(gpu: &Gpu, ids: &[u32], d_x: &[f32], width: usize, before: &[f32]) -> Vec<f32> {
        let table_rows = before.len() / width;
        testing::block_on(async {
            let (runs, order) = runs_of(ids.iter().copied(), Some(1));
            let runs = Runs {
                buffer: gpu.buffer_of("runs", &runs).await?,
                count: runs.len(),
                order: gpu.buffer_of("order", &order).await?,
                rows: order.len(),
            };
            let d_x = testing::matrix(gpu, d_x, width, Storage::F32).await?;
            let grad = Matrix::zeros(gpu, "grad", table_rows + 1, width, Storage::F32)?;
            testing::poison(gpu, &grad).await?;
            grad.write_rows(gpu, "grad", 0, before).await?;
            let step = scatter_rows("test", &runs, &d_x, &grad)?;
            testing::run(gpu, step.into_iter().collect(), &grad, table_rows).await
        })
    }

    #[test]
    fn equals_the_reference_at_awkward_sizes_and_adds_to_what_was_there() {
        for (tokens, table_rows, width) in [(1, 3, 1), (9, 50, 100), (200, 11, 300), (3, 2, 65)] {
            let mut case = Case::new(width);
            let ids: Vec<u32> = (0..tokens).map(|_| case.below(table_rows)).collect();
            let d_x = case.values(tokens * width, 1.0);
            let before = case.values(table_rows * width, 1.0);
            let mut expected = before.clone();
            reference::backward::scatter_rows(&ids, Some(1), &d_x, width, &mut expected);
            for gpu in testing::gpus() {
                let got = results(&gpu, &ids, &d_x, width, &before);
                testing::assert_close(&got, &expected, 1e-5);
                assert_eq!(got, results(&gpu, &ids, &d_x, width, &before), "does not repeat");
            }
        }
    }

    #[test]
    fn runs_are_by_table_row_and_rows_in_their_order() {
        let (runs, order) = runs_of([5, 1, 3, 5, 1, 0].into_iter(), Some(1));
        let parts: Vec<[u32; 3]> =
            runs.iter().map(|run| [run.table_row, run.first, run.count]).collect();
        assert_eq!(parts, [[0, 0, 1], [3, 1, 1], [5, 2, 2]]);
        assert_eq!(order, [5, 2, 0, 3]);
        assert_eq!(runs_of([1, 1].into_iter(), Some(1)), (vec![], vec![]));
        assert_eq!(runs_of([1, 1].into_iter(), None).1, [0, 1]);
    }
}
