//! Where a tensor's numbers stand in a file, and reading rows of them.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use super::dtype::Dtype;
use super::source::{ByteSource, read_exact};
use super::torch::zip;
use crate::error::{Error, ErrorKind, Result};

/// The most bytes that a non-contiguous tensor reads at once.
const MOST_SPAN: usize = 4 << 20;

/// What one number of a tensor is.
#[derive(Debug, Clone)]
pub(super) enum Element {
    /// One that weights may be made of.
    Float(Dtype),
    /// A byte with one or more small integers, called so.
    Integers(&'static str),
    /// Anything else, by its name. Such a tensor may stand in a file but not be asked for.
    Other(String),
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Float(dtype) => write!(f, "{dtype}"),
            Element::Integers(name) => f.write_str(name),
            Element::Other(name) => f.write_str(name),
        }
    }
}

/// A run of bytes that one or more tensors look at.
#[derive(Debug, Clone)]
pub(super) enum Storage {
    /// It begins at this offset of the file.
    At(u64),
    /// It is a zip entry, which has its beginning written in its own header.
    Zipped(Rc<zip::Entry>),
}

/// Strides are in numbers, not bytes. Nothing of a view of floats is outside its storage.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Which of the checkpoint's files it is in.
    pub(super) file: usize,
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
    strides: Vec<usize>,
    /// Where the first number stands in the storage, in numbers.
    offset: usize,
    storage: Storage,
}

impl View {
    /// A view whose rows lie one after the other from the storage's beginning on. The caller has
    /// checked its extent.
    pub(super) fn dense(element: Element, shape: Vec<usize>, start: u64) -> Self {
        let strides = dense_strides(&shape);
        View { file: 0, element, shape, strides, offset: 0, storage: Storage::At(start) }
    }

    /// A view of a storage of `size` bytes, or what is wrong with it.
    pub(super) fn strided(
        element: Element,
        shape: Vec<usize>,
        strides: Vec<usize>,
        offset: usize,
        storage: Storage,
        size: u64,
    ) -> Result<Self, String> {
        if shape.len() != strides.len() {
            return Err(format!("has {} sizes and {} strides", shape.len(), strides.len()));
        }
        if let Element::Float(dtype) = element {
            let outside = || format!("of shape {shape:?} reaches outside its storage");
            let count = shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
            let last = shape.iter().zip(&strides).try_fold(offset, |last, (size, stride)| {
                last.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
            });
            let end = last.and_then(|last| last.checked_add(1)?.checked_mul(dtype.size()));
            let end = end.filter(|end| *end as u64 <= size);
            if count.ok_or_else(outside)? != 0 {
                end.ok_or_else(outside)?;
                if overlaps(&shape, &strides) {
                    return Err(format!("of shape {shape:?} overlaps itself"));
                }
            }
        }
        Ok(View { file: 0, element, shape, strides, offset, storage })
    }

    /// Bytes of its numbers as they look, where it is made of floats.
    pub(super) fn bytes(&self) -> u64 {
        let Element::Float(dtype) = self.element else { return 0 };
        let size = |bytes: u64, size: &usize| bytes.saturating_mul(*size as u64);
        self.shape.iter().fold(dtype.size() as u64, size)
    }

    /// Appends `rows`, which the shape has. On failure `out` may have grown.
    pub(super) async fn append_rows(
        &self,
        source: &dyn ByteSource,
        dtype: Dtype,
        rows: Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<()> {
        let row_len: usize = self.shape.iter().skip(1).product();
        if rows.is_empty() || row_len == 0 {
            return Ok(());
        }
        let start = match &self.storage {
            Storage::At(start) => *start,
            Storage::Zipped(entry) => zip::data_start(source, entry).await?,
        };
        if self.is_dense() {
            let first = self.offset + rows.start * row_len;
            let span = first..first + rows.len() * row_len;
            return append_span(source, start, dtype, span, out).await;
        }
        self.append_strided(source, start, dtype, rows, out).await
    }

    /// The bytes of `rows`, which the shape has, of a view of integers.
    pub(super) async fn read_integers(
        &self,
        source: &dyn ByteSource,
        rows: Range<usize>,
    ) -> Result<Vec<u8>> {
        let row_len: usize = self.shape.iter().skip(1).product();
        match self.storage {
            Storage::At(start) if self.is_dense() => {
                let at = |row: usize| start + (self.offset + row * row_len) as u64;
                read_exact(source, at(rows.start)..at(rows.end)).await
            }
            _ => {
                let message = "has integers in another order than that of their rows";
                Err(Error::new(ErrorKind::Checkpoint, source.name(), message))
            }
        }
    }

    fn is_dense(&self) -> bool {
        let dense = dense_strides(&self.shape);
        let mut dimensions = self.shape.iter().zip(self.strides.iter().zip(&dense));
        dimensions.all(|(size, (stride, dense))| *size <= 1 || stride == dense)
    }

    /// Reads what spans the wanted numbers, in blocks of at most [`MOST_SPAN`] bytes, and picks
    /// them out. Rows of a transposed matrix are columns of the stored one, so the whole of it is
    /// read for any number of rows; memory stays bounded all the same.
    async fn append_strided(
        &self,
        source: &dyn ByteSource,
        start: u64,
        dtype: Dtype,
        rows: Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<()> {
        let first_out = out.len();
        let mut whole: Vec<_> = self.shape.iter().map(|size| 0..*size).collect();
        whole[0] = rows;
        let origin: Vec<usize> = whole.iter().map(|range| range.start).collect();
        let count: usize = whole.iter().map(Range::len).product();
        let out_strides = dense_strides(&whole.iter().map(Range::len).collect::<Vec<_>>());
        out.resize(first_out + count, 0.0);

        let mut numbers = Vec::new();
        let mut blocks = vec![whole];
        while let Some(mut block) = blocks.pop() {
            let reach = |d: usize| (block[d].len() - 1) * self.strides[d];
            let span = 1 + (0..block.len()).map(reach).sum::<usize>();
            let widest = (0..block.len()).max_by_key(|d| reach(*d)).unwrap_or(0);
            if span > MOST_SPAN / dtype.size() {
                let range = block[widest].clone();
                let middle = range.start + range.len() / 2;
                let mut half = block.clone();
                half[widest] = middle..range.end;
                block[widest] = range.start..middle;
                blocks.extend([half, block]);
                continue;
            }
            let at = |index: &[usize], strides: &[usize]| -> usize {
                index.iter().zip(strides).map(|(i, stride)| i * stride).sum()
            };
            let corner: Vec<usize> = block.iter().map(|range| range.start).collect();
            let first = self.offset + at(&corner, &self.strides);
            numbers.clear();
            append_span(source, start, dtype, first..first + span, &mut numbers).await?;

            let from_corner: Vec<usize> = corner.iter().zip(&origin).map(|(c, o)| c - o).collect();
            let target = first_out + at(&from_corner, &out_strides);
            let inner = block.len() - 1;
            let mut index = vec![0; block.len()];
            loop {
                let from = at(&index, &self.strides);
                let to = target + at(&index, &out_strides);
                for i in 0..block[inner].len() {
                    out[to + i] = numbers[from + i * self.strides[inner]];
                }
                let Some(d) = (0..inner).rev().find(|d| index[*d] + 1 < block[*d].len()) else {
                    break;
                };
                index[d] += 1;
                index[d + 1..].fill(0);
            }
        }
        Ok(())
    }
}

/// Appends the numbers of `span`, which are counted from `start` on.
async fn append_span(
    source: &dyn ByteSource,
    start: u64,
    dtype: Dtype,
    span: Range<usize>,
    out: &mut Vec<f32>,
) -> Result<()> {
    let at = |number: usize| start.checked_add(number as u64 * dtype.size() as u64);
    let (Some(first), Some(end)) = (at(span.start), at(span.end)) else {
        let message = format!("has no number {}", span.end);
        return Err(Error::new(ErrorKind::Checkpoint, source.name(), message));
    };
    dtype.append_f32(&read_exact(source, first..end).await?, out);
    Ok(())
}

/// Whether rows of a view begin inside other rows, so that reading it would read its storage again
/// and again. Strides of zero, which repeat a row as a whole, do not count.
fn overlaps(shape: &[usize], strides: &[usize]) -> bool {
    let mut dimensions: Vec<_> = strides.iter().copied().zip(shape.iter().copied()).collect();
    dimensions.retain(|(stride, size)| *stride > 0 && *size > 1);
    dimensions.sort_unstable();
    let mut reach = 0usize;
    dimensions.into_iter().any(|(stride, size)| {
        let within = stride <= reach;
        reach = reach.saturating_add(stride.saturating_mul(size - 1));
        within
    })
}

/// The strides of a tensor whose numbers lie in order. A size of zero counts as one.
fn dense_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d].saturating_mul(shape[d].max(1));
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::testing::{counted, source};
    use pollster::block_on;

    fn strided(shape: &[usize], strides: &[usize], offset: usize, numbers: u64) -> Result<View> {
        let element = Element::Float(Dtype::F32);
        let (shape, strides) = (shape.to_vec(), strides.to_vec());
        View::strided(element, shape, strides, offset, Storage::At(3), numbers * 4)
            .map_err(|why| Error::new(ErrorKind::Checkpoint, "view", why))
    }

    fn rows(view: &View, bytes: &[u8], rows: Range<usize>) -> Vec<f32> {
        let source = source("a", bytes.to_vec());
        let mut out = vec![-1.0];
        block_on(view.append_rows(&*source, Dtype::F32, rows, &mut out)).unwrap();
        assert_eq!(out.remove(0), -1.0);
        out
    }

    /// Three bytes, then whole numbers from 0 on.
    fn file(count: i32) -> Vec<u8> {
        let numbers = counted(0, count).into_iter().flat_map(f32::to_le_bytes);
        [7, 7, 7].into_iter().chain(numbers).collect()
    }

    #[test]
    fn strides_pick_the_right_numbers() {
        let file = file(24);
        type Case<'a> = (&'a [usize], &'a [usize], usize, Range<usize>, &'a [f32]);
        let cases: [Case; 8] = [
            (&[2, 3], &[3, 1], 4, 0..2, &[4., 5., 6., 7., 8., 9.]),
            (&[2, 3], &[3, 1], 4, 1..2, &[7., 8., 9.]),
            (&[3, 2], &[1, 3], 0, 0..3, &[0., 3., 1., 4., 2., 5.]),
            (&[3, 2], &[1, 3], 1, 1..3, &[2., 5., 3., 6.]),
            (&[3], &[5], 2, 1..3, &[7., 12.]),
            (&[2, 2], &[0, 1], 9, 0..2, &[9., 10., 9., 10.]),
            (&[2, 2, 2], &[1, 12, 6], 0, 1..2, &[1., 7., 13., 19.]),
            // The stride of a dimension of size 1 means nothing.
            (&[1, 3], &[1, 1], 4, 0..1, &[4., 5., 6.]),
        ];
        for (shape, strides, offset, range, expected) in cases {
            let view = strided(shape, strides, offset, 24).unwrap();
            assert_eq!(rows(&view, &file, range), expected, "{shape:?} {strides:?} {offset}");
        }
    }

    #[test]
    fn a_large_transposed_matrix_is_read_in_blocks() {
        // 6 MB, so that more than one block is needed; as [1500, 1000] in the file.
        let (outputs, inputs) = (1000, 1500);
        let file = file((outputs * inputs) as i32);
        let view = strided(&[outputs, inputs], &[1, outputs], 0, (outputs * inputs) as u64);
        let read = rows(&view.unwrap(), &file, 100..outputs);
        assert_eq!(read.len(), 900 * inputs);
        let wrong = read.iter().enumerate().find(|(i, number)| {
            let (row, column) = (100 + i / inputs, i % inputs);
            **number != (column * outputs + row) as f32
        });
        assert_eq!(wrong, None);
    }

    #[test]
    fn views_that_leave_their_storage_or_overlap_are_refused() {
        let most = usize::MAX;
        for (shape, strides, offset) in [
            (&[2usize, 3][..], &[3usize, 1][..], 19),
            (&[25], &[1], 0),
            (&[2], &[24], 0),
            (&[most, most], &[0, 0], 0),
            (&[2], &[most], 1),
            (&[most, 2], &[most, 2], 0),
            (&[1], &[1], most),
            (&[1], &[1], 24),
            (&[], &[], 24),
            (&[2], &[1, 1], 0),
            (&[4, 4], &[2, 3], 0),
            (&[2, 8], &[7, 1], 0),
        ] {
            assert!(strided(shape, strides, offset, 24).is_err(), "{shape:?} {strides:?}");
        }
        // Nothing is read of these two, or of the last number only.
        for (shape, strides, offset) in [
            (&[0usize, 3][..], &[3usize, 1][..], 100),
            (&[3, 0, 9], &[most, most, most], 0),
            (&[1], &[most], 23),
        ] {
            let view = strided(shape, strides, offset, 24).unwrap();
            let expected: &[f32] = if shape == [1] { &[23.0] } else { &[] };
            assert_eq!(rows(&view, &file(24), 0..shape[0]), expected, "{shape:?}");
        }
    }
}
