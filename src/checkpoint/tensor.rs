//! One tensor of a checkpoint, read in rows.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;

use half::f16;

use super::adapter::LowRank;
use super::dtype::Dtype;
use super::names;
use super::quantised::{Quantised, WeightFormat};
use super::{Checkpoint, Held};
use crate::error::{Error, ErrorKind, Result};

/// A tensor whose shape was checked and whose numbers were not read yet.
pub struct Tensor<'a> {
    checkpoint: &'a Checkpoint,
    name: String,
    held: &'a Held,
    shape: &'a [usize],
    dtype: Dtype,
    low_rank: Option<&'a LowRank>,
    /// A of the adapter, kept after the first rows because every row needs the whole of it.
    a: OnceCell<Vec<f32>>,
    /// All scales of a quantised matrix, kept for the file to be read from front to back.
    scales: OnceCell<Vec<f16>>,
}

impl<'a> Tensor<'a> {
    pub(super) fn new(
        checkpoint: &'a Checkpoint,
        name: &str,
        held: &'a Held,
        shape: &'a [usize],
        dtype: Dtype,
    ) -> Self {
        // Where the encoder was asked for by its bare names, adapters still have the others.
        let is_this =
            |other: &&LowRank| other.matrix == name || names::bare(&other.matrix) == Some(name);
        let low_rank = checkpoint.low_rank.iter().find(is_this);
        let (a, scales) = (OnceCell::new(), OnceCell::new());
        Tensor { checkpoint, name: name.to_owned(), held, shape, dtype, low_rank, a, scales }
    }

    /// The name that was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sizes of its dimensions.
    pub fn shape(&self) -> &[usize] {
        self.shape
    }

    /// What its numbers are stored as; f16 for quantised ones, which are numbers of f16.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// How a matrix is stored, as far as [`Tensor::read_quantised`] can give it.
    pub fn weight_format(&self) -> WeightFormat {
        match self.held {
            Held::Quantised(view) if !self.is_adapted() => view.format,
            _ => WeightFormat::F16,
        }
    }

    /// Inputs that share a scale, of a quantised matrix.
    pub fn block(&self) -> Option<usize> {
        match self.held {
            Held::Quantised(view) => Some(view.block),
            _ => None,
        }
    }

    /// Whether an adapter adds something to it.
    pub fn is_adapted(&self) -> bool {
        self.low_rank.is_some()
    }

    /// Bytes of `rows` of it in its file.
    pub fn stored_bytes(&self, rows: usize) -> u64 {
        let numbers = (rows * self.row_len()) as u64;
        match self.held {
            Held::Quantised(view) => {
                let scales = rows * self.row_len().div_ceil(view.block);
                numbers * view.format.bits() as u64 / 8 + 2 * scales as u64
            }
            _ => numbers * self.dtype.size() as u64,
        }
    }

    /// The integers and scales of `rows` of a matrix that is stored so.
    ///
    /// # Errors
    /// As [`Tensor::read_rows`], where [`Tensor::weight_format`] is f16, and where an integer times its
    /// scale is no f16 number.
    pub async fn read_quantised(&self, rows: Range<usize>) -> Result<Quantised> {
        self.check_rows(&rows)?;
        let Held::Quantised(view) = self.held else {
            return Err(Error::new(ErrorKind::Checkpoint, &self.name, "is not quantised"));
        };
        let source = &*self.checkpoint.sources[view.integers.file];
        if self.scales.get().is_none() {
            let source = &*self.checkpoint.sources[view.scales_file()];
            let scales = view.scales(&self.name, source).await?;
            // Another reader of this tensor may have been faster, with the same numbers.
            let _ = self.scales.set(scales);
        }
        let scales = self.scales.get().map(Vec::as_slice).unwrap_or_default();
        view.rows(&self.name, source, scales, rows).await
    }

    /// `rows` in a quantised format: as they are stored, or rounded to it.
    ///
    /// # Errors
    /// As [`Tensor::read_rows`] and [`Quantised::round`].
    pub async fn read_as(
        &self,
        format: WeightFormat,
        block: usize,
        rows: Range<usize>,
    ) -> Result<Quantised> {
        if (self.weight_format(), self.block()) == (format, Some(block)) {
            return self.read_quantised(rows).await;
        }
        let mut numbers = Vec::with_capacity(rows.len() * self.row_len());
        self.read_rows(rows, &mut numbers).await?;
        Quantised::round(&self.name, format, &numbers, self.row_len(), block)
    }

    /// The size of the first dimension; 1 for a single number.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Numbers a row: the product of the other dimensions, 1 for a vector.
    pub fn row_len(&self) -> usize {
        self.shape.iter().skip(1).fold(1, |length, size| length.saturating_mul(*size))
    }

    /// Appends `rows` as f32, row after row. Just these are read, unless the tensor is transposed
    /// in its file: then the whole of it is, in pieces of a few MiB.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`] naming the tensor when it has no such rows, or with the place of
    /// the first number that is NaN or infinite, and whatever reading the file gives. `out` is then
    /// as it was.
    pub async fn read_rows(&self, rows: Range<usize>, out: &mut Vec<f32>) -> Result<()> {
        let before = out.len();
        let read = match (self.append_rows(rows.clone(), out).await, self.low_rank) {
            // Boxed, because A and B are read by this very function.
            (Ok(()), Some(low_rank)) => {
                Box::pin(self.add_low_rank(low_rank, rows.clone(), &mut out[before..])).await
            }
            (read, _) => read,
        };
        let read = read.and_then(|()| {
            let bad = out[before..].iter().position(|number| !number.is_finite());
            bad.map_or(Ok(()), |bad| {
                let place = self.place(rows.start, bad);
                let message = format!("has {} at {place:?}", out[before + bad]);
                Err(Error::new(ErrorKind::Checkpoint, &self.name, message))
            })
        });
        if read.is_err() {
            out.truncate(before);
        }
        read
    }

    fn check_rows(&self, rows: &Range<usize>) -> Result<()> {
        if rows.start > rows.end || rows.end > self.rows() {
            let message = format!("has {} rows, none at {rows:?}", self.rows());
            return Err(Error::new(ErrorKind::Checkpoint, &self.name, message));
        }
        Ok(())
    }

    async fn append_rows(&self, rows: Range<usize>, out: &mut Vec<f32>) -> Result<()> {
        self.check_rows(&rows)?;
        match self.held {
            Held::Quantised(view) => {
                self.read_quantised(rows).await?.expand(self.row_len(), view.block, out);
                Ok(())
            }
            Held::Stored(view) => {
                let source = &*self.checkpoint.sources[view.file];
                view.append_rows(source, self.dtype, rows, out).await
            }
            Held::Random(_, random) => {
                random.append_rows(rows, out);
                Ok(())
            }
        }
    }

    /// Adds `scale * B A` to `rows`, which `numbers` holds.
    async fn add_low_rank(
        &self,
        low_rank: &LowRank,
        rows: Range<usize>,
        numbers: &mut [f32],
    ) -> Result<()> {
        let &LowRank { ref a, ref b, rank, scale, .. } = low_rank;
        let inputs = self.row_len();
        if self.a.get().is_none() {
            let mut whole = Vec::new();
            let tensor = self.checkpoint.get(a, &[rank, inputs])?;
            tensor.read_rows(0..rank, &mut whole).await?;
            // Another reader of this tensor may have been faster, with the same numbers.
            let _ = self.a.set(whole);
        }
        let a = self.a.get().map(Vec::as_slice).unwrap_or_default();
        let mut factors = Vec::new();
        self.checkpoint.get(b, &[self.rows(), rank])?.read_rows(rows, &mut factors).await?;
        // Always in this order, so that the sums are the same wherever rows are cut.
        for (row, factors) in numbers.chunks_exact_mut(inputs).zip(factors.chunks_exact(rank)) {
            for (a, factor) in a.chunks_exact(inputs).zip(factors) {
                let factor = scale * factor;
                row.iter_mut().zip(a).for_each(|(number, a)| *number += factor * a);
            }
        }
        Ok(())
    }

    /// The index of the `nth` number after the beginning of `row`.
    fn place(&self, row: usize, nth: usize) -> Vec<usize> {
        let mut rest = row * self.row_len() + nth;
        let mut place = vec![0; self.shape.len()];
        for (index, size) in place.iter_mut().zip(self.shape).rev() {
            *index = rest % size;
            rest /= size;
        }
        place
    }
}

impl fmt::Debug for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.name, self.dtype, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::testing::{counted, fixture, open, read};
    use pollster::block_on;

    #[test]
    fn pieces_are_appended() {
        let checkpoint = open("model.safetensors", fixture("mixed.safetensors")).unwrap();
        let tensor = checkpoint.get("f16", &[3, 4]).unwrap();
        assert_eq!((tensor.rows(), tensor.row_len(), tensor.dtype()), (3, 4, Dtype::F16));
        let mut out = vec![-1.0];
        for rows in [0..1, 1..1, 1..3] {
            block_on(tensor.read_rows(rows, &mut out)).unwrap();
        }
        assert_eq!(out, [vec![-1.0], counted(100, 12)].concat());
    }

    #[test]
    fn rows_outside_are_refused() {
        let checkpoint = open("model.safetensors", fixture("mixed.safetensors")).unwrap();
        let tensor = checkpoint.get("f32", &[3, 4]).unwrap();
        #[expect(clippy::reversed_empty_ranges)]
        for rows in [0..4, 2..1, 4..4, 0..usize::MAX] {
            let error = block_on(tensor.read_rows(rows, &mut Vec::new())).unwrap_err();
            assert_eq!(error.at_fault(), "f32");
        }
    }

    #[test]
    fn what_is_not_finite_is_named_with_its_place() {
        let checkpoint = open("pytorch_model.bin", fixture("not_finite.bin")).unwrap();
        let error = read(&checkpoint, "weight", &[3, 4]).unwrap_err();
        assert_eq!(error.to_string(), "weight: has NaN at [1, 2]");
        let tensor = checkpoint.get("weight", &[3, 4]).unwrap();
        let mut out = vec![1.0];
        let error = block_on(tensor.read_rows(2..3, &mut out)).unwrap_err();
        assert_eq!(error.to_string(), "weight: has inf at [2, 3]");
        assert_eq!(out, [1.0]);
        block_on(tensor.read_rows(0..1, &mut out)).unwrap();
        assert_eq!(out, [1.0, 0.0, 1.0, 2.0, 3.0]);
    }
}
