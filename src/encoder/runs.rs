//! Which rows of a checkpoint's matrices make up a packed one, and in which order.

use std::ops::Range;

use crate::ops::attention::Heads;
use crate::ops::matmul::PANEL;

/// Some rows of a packed matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Run {
    /// Rows of one of the tensors.
    Read {
        /// Which one.
        part: usize,
        /// Its rows.
        rows: Range<usize>,
        /// They are whole heads of so many rows, each of whose halves are put side by side, row by
        /// row: rotary positions rotate two rows into each other, and read them as one word.
        paired: Option<usize>,
    },
    /// Rows of the first tensor that are inputs, and their gates, interleaved with them.
    Gated {
        /// The inputs.
        rows: Range<usize>,
        /// Row of the first one's gate.
        gate: usize,
    },
    /// So many rows of zeros.
    Zeros(usize),
}

/// The rows of each panel of a matrix with `outputs` rows.
pub(super) fn panels(outputs: usize) -> impl Iterator<Item = Range<usize>> {
    let width = PANEL as usize;
    (0..outputs).step_by(width).map(move |first| first..outputs.min(first + width))
}

/// The heads that begin at `first_row` of tensor `part`, padded; about a panel at a time.
pub(super) fn head_runs(part: usize, first_row: usize, heads: Heads, paired: bool) -> Vec<Run> {
    let padding = heads.padded_size() - heads.size;
    let at_once = if padding > 0 { 1 } else { (PANEL as usize / heads.size).max(1) };
    let mut runs = Vec::new();
    for head in (0..heads.count).step_by(at_once) {
        let first = first_row + head * heads.size;
        let rows = first..first + at_once.min(heads.count - head) * heads.size;
        runs.push(Run::Read { part, rows, paired: paired.then_some(heads.size) });
        if padding > 0 {
            runs.push(Run::Zeros(padding));
        }
    }
    runs
}

/// A vector for the rows that `runs` name, from one for the rows of each tensor.
pub(super) fn arranged(runs: &[Run], parts: &[Vec<f32>]) -> Vec<f32> {
    let of = |run: &Run| match run {
        Run::Read { part, rows, paired: by } => paired(parts[*part][rows.clone()].to_vec(), 1, *by),
        Run::Gated { rows, gate } => {
            let gates = parts[0][*gate..][..rows.len()].to_vec();
            interleaved(parts[0][rows.clone()].to_vec(), gates, 1)
        }
        Run::Zeros(rows) => vec![0.0; *rows],
    };
    runs.iter().flat_map(of).collect()
}

/// Rows of `width` numbers; those of each head, if they are to be paired, with its halves side by side.
pub(super) fn paired<T: Copy>(rows: Vec<T>, width: usize, heads_of: Option<usize>) -> Vec<T> {
    let Some(size) = heads_of else { return rows };
    let mut out = Vec::with_capacity(rows.len());
    for head in rows.chunks_exact(size * width) {
        let (first, second) = head.split_at(size / 2 * width);
        for (x, y) in first.chunks_exact(width).zip(second.chunks_exact(width)) {
            out.extend_from_slice(x);
            out.extend_from_slice(y);
        }
    }
    out
}

/// Undoes [`paired`] of whole heads of `size` rows.
pub(super) fn unpaired<T: Copy>(rows: Vec<T>, width: usize, size: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(rows.len());
    for head in rows.chunks_exact(size * width) {
        for half in 0..2 {
            let rows = head.chunks_exact(width).skip(half).step_by(2);
            out.extend(rows.flatten().copied());
        }
    }
    out
}

/// The inputs of a gated layer, `inner` of them from row 0 on and their gates after them, about a panel at a time.
pub(super) fn gated_runs(inner: usize) -> Vec<Run> {
    let run = |first| Run::Gated {
        rows: first..inner.min(first + PANEL as usize / 2),
        gate: inner + first,
    };
    (0..inner).step_by(PANEL as usize / 2).map(run).collect()
}

/// Four rows of inputs and their four gates, interleaved, as [`Epilogue::Gated`] reads them, padded to whole groups;
/// rows are `width` numbers.
///
/// [`Epilogue::Gated`]: crate::ops::matmul::Epilogue::Gated
pub(super) fn interleaved<T: Copy + Default>(
    inputs: Vec<T>,
    gates: Vec<T>,
    width: usize,
) -> Vec<T> {
    let four = 4 * width;
    let mut out = Vec::with_capacity(2 * inputs.len().next_multiple_of(four));
    for pair in inputs.chunks(four).zip(gates.chunks(four)) {
        for group in [pair.0, pair.1] {
            out.extend_from_slice(group);
            out.resize(out.len() + four - group.len(), T::default());
        }
    }
    out
}

/// Pads each head of `values` with zeros to its padded size.
pub(super) fn pad_heads(values: Vec<f32>, heads: Option<Heads>) -> Vec<f32> {
    let Some(heads) = heads else { return values };
    let fill = heads.padded_size() - heads.size;
    let mut padded = Vec::with_capacity(values.len() / heads.size * heads.padded_size());
    for head in values.chunks_exact(heads.size) {
        padded.extend_from_slice(head);
        padded.resize(padded.len() + fill, 0.0);
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(part: usize, rows: Range<usize>) -> Run {
        Run::Read { part, rows, paired: None }
    }

    #[test]
    fn heads_without_padding_are_read_a_panel_at_a_time() {
        let heads = Heads { count: 3, size: 32 };
        assert_eq!(head_runs(1, 10, heads, false), [read(1, 10..74), read(1, 74..106)]);
        let large = Heads { count: 2, size: 96 };
        assert_eq!(head_runs(0, 0, large, false), [read(0, 0..96), read(0, 96..192)]);
    }

    #[test]
    fn padded_heads_have_zeros_after_each() {
        let heads = Heads { count: 2, size: 25 };
        let expected = [read(2, 0..25), Run::Zeros(3), read(2, 25..50), Run::Zeros(3)];
        assert_eq!(head_runs(2, 0, heads, false), expected);
    }

    #[test]
    fn a_vector_follows_the_rows_and_halves_of_heads_lie_side_by_side() {
        let heads = Heads { count: 2, size: 6 };
        let runs = head_runs(0, 1, heads, true);
        let vector: Vec<f32> = (0..13u8).map(f32::from).collect();
        let expected =
            [1, 4, 2, 5, 3, 6, 0, 0, 7, 10, 8, 11, 9, 12, 0, 0].map(|number: u8| f32::from(number));
        assert_eq!(arranged(&runs, &[vector]), expected);
        assert_eq!(paired(vec![1, 2, 3, 4, 5, 6, 7, 8], 2, Some(4)), [1, 2, 5, 6, 3, 4, 7, 8]);
        assert_eq!(unpaired(vec![1, 2, 5, 6, 3, 4, 7, 8], 2, 4), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn inputs_and_their_gates_take_turns_by_four_with_zeros_after_the_last() {
        let run = |rows, gate| Run::Gated { rows, gate };
        assert_eq!(gated_runs(70), [run(0..32, 70), run(32..64, 102), run(64..70, 134)]);
        let vector: Vec<f32> = (1..13u8).map(f32::from).collect();
        let expected =
            [1, 2, 3, 4, 7, 8, 9, 10, 5, 6, 0, 0, 11, 12, 0, 0].map(|number: u8| f32::from(number));
        assert_eq!(arranged(&gated_runs(6), &[vector]), expected);
        let rows = interleaved(vec![1, 2, 3, 4], vec![5, 6, 7, 8], 2);
        assert_eq!(rows, [1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0]);
    }

    #[test]
    fn heads_are_padded_one_by_one() {
        let heads = Heads { count: 2, size: 3 };
        let padded = pad_heads(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], Some(heads));
        assert_eq!(padded, [1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0]);
    }
}
