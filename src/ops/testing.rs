//! What the kernels' tests share: both preludes, repeatable data, and a comparator that can fail.

use std::future::Future;

use half::f16;

use super::attention::Heads;
use super::{Matrix, Storage, stride};
use crate::error::Result;
use crate::gpu::{Dtype, Gpu, Plan, Step};

/// A device for each prelude. Fails, not skips, where there is no adapter with f16.
pub(crate) fn gpus() -> [Gpu; 2] {
    [Dtype::F16, Dtype::F32].map(|dtype| pollster::block_on(Gpu::open(dtype)).unwrap())
}

pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> T {
    pollster::block_on(future).unwrap()
}

/// Repeatable pseudo-random data (xorshift64*).
pub(crate) struct Case(u64);

impl Case {
    pub(crate) fn new(seed: usize) -> Case {
        Case(seed as u64 * 2 + 0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    pub(crate) fn below(&mut self, end: usize) -> u32 {
        self.next() % end as u32
    }

    /// Numbers from -size to size.
    pub(crate) fn values(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| (self.next() as f32 / u32::MAX as f32 * 2.0 - 1.0) * size).collect()
    }

    /// Numbers that f16 holds exactly, so that kernel and reference implementation get the same.
    pub(crate) fn f16_values(&mut self, count: usize, size: f32) -> Vec<f32> {
        let mut values = self.values(count, size);
        values.iter_mut().for_each(|value| *value = f16::from_f32(*value).to_f32());
        values
    }
}

pub(crate) async fn matrix(
    gpu: &Gpu,
    values: &[f32],
    width: usize,
    storage: Storage,
) -> Result<Matrix> {
    let matrix = Matrix::zeros(gpu, "test", values.len() / width, width, storage)?;
    matrix.write_rows(gpu, "test", 0, values).await?;
    Ok(matrix)
}

/// Values that no kernel may turn into a finite number.
pub(crate) const NOT_FINITE: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// Puts `value` at `row` and `column`, and where numbers are f16 also at the other one of its pair.
pub(crate) async fn spoil(
    gpu: &Gpu,
    matrix: &Matrix,
    row: usize,
    column: usize,
    value: f32,
) -> Result<()> {
    let (words, column) = match matrix.storage {
        Storage::F32 => ([value.to_bits()], column),
        _ => ([f16_pair(value)], column / 2 * 2),
    };
    let number = matrix.storage.row_bytes(matrix.width) / stride(matrix.width);
    let at = row * matrix.storage.row_bytes(matrix.width) + column * number;
    gpu.write(&matrix.buffer, at as u64, &words).await
}

/// A word of two f16.
pub(crate) fn f16_pair(value: f32) -> u32 {
    u32::from(f16::from_f32(value).to_bits()) * 0x1_0001
}

/// Fills an output with NaN, so that a number that was never written shows.
pub(crate) async fn poison(gpu: &Gpu, out: &Matrix) -> Result<()> {
    gpu.write(&out.buffer, 0, &vec![u32::MAX; out.buffer.size() as usize / 4]).await
}

/// Runs steps and returns the first `rows` of its output without the padding. Checks that the
/// row after them still holds the poison.
pub(crate) async fn run(
    gpu: &Gpu,
    steps: Vec<Step>,
    out: &Matrix,
    rows: usize,
) -> Result<Vec<f32>> {
    gpu.run(&Plan { steps }, &|| false).await?;
    let words = gpu.read_f32(&out.buffer, out.buffer.size() as usize / 4).await?;
    let numbers: Vec<f32> = match out.storage {
        Storage::F32 => words,
        Storage::Q8 => unreachable!("no kernel writes bytes"),
        Storage::F16 => {
            bytemuck::cast_slice::<f32, f16>(&words).iter().map(|x| x.to_f32()).collect()
        }
    };
    let stride = stride(out.width);
    let beyond = &numbers[rows * stride..out.rows * stride];
    assert!(beyond.iter().all(|x| x.is_nan()), "the kernel wrote past its rows");
    Ok(numbers[..rows * stride].chunks(stride).flat_map(|row| &row[..out.width]).copied().collect())
}

/// The first index at which the two are not within `tolerance` times max(1, |expected|).
fn first_difference(got: &[f32], expected: &[f32], tolerance: f32) -> Option<usize> {
    if got.len() != expected.len() || got.is_empty() {
        return Some(got.len().min(expected.len()));
    }
    // Written so that NaN on either side is a difference.
    got.iter().zip(expected).position(|(got, expected)| {
        let error = (got - expected).abs();
        !(error <= tolerance * expected.abs().max(1.0))
    })
}

#[track_caller]
pub(crate) fn assert_close(got: &[f32], expected: &[f32], tolerance: f32) {
    if let Some(at) = first_difference(got, expected, tolerance) {
        panic!(
            "differs at {at} of {} (expected {}): got {:?}, expected {:?}",
            got.len(),
            expected.len(),
            got.get(at),
            expected.get(at)
        );
    }
}

#[test]
fn the_comparator_fails_on_swapped_nan_short_and_empty_data() {
    assert_eq!(first_difference(&[1.0, 2.0], &[1.0, 2.0], 0.0), None);
    assert_eq!(first_difference(&[2.0, 1.0], &[1.0, 2.0], 0.1), Some(0));
    assert_eq!(first_difference(&[1.0, f32::NAN], &[1.0, 2.0], 1e9), Some(1));
    assert_eq!(first_difference(&[1.0, 2.0], &[1.0, f32::NAN], 1e9), Some(1));
    assert_eq!(first_difference(&[1.0], &[1.0, 2.0], 1e9), Some(1));
    assert_eq!(first_difference(&[], &[], 1e9), Some(0));
}

/// Each head with its halves side by side, number by number, and padded.
pub(crate) fn paired(rows: &[f32], heads: Heads) -> Vec<f32> {
    let mut out = Vec::new();
    for head in rows.chunks_exact(heads.size) {
        let (first, second) = head.split_at(heads.size / 2);
        out.extend(first.iter().zip(second).flat_map(|(x, y)| [*x, *y]));
        out.resize(out.len() + heads.padded_size() - heads.size, 0.0);
    }
    out
}
