//! How rows are shared out among threads.

use std::ops::Range;

use super::platform;

/// Parts of a thread's share of rows at most: a thread that other programs hold up leaves some to
/// the others. One thread has its share as it is.
const PARTS: usize = 4;

/// A share is not cut into parts of fewer rows: each part reads all weights.
const FEWEST_ROWS: usize = 48;

/// Nor are there more rows in a part, so that what a layer makes of them stays in a cache.
const MOST_ROWS: usize = 256;

/// Parts are multiples of the rows that kernels compute at once.
const TILE_ROWS: usize = 32;

/// Calls `work` with ranges of rows, and with their numbers of `out`, which is `[rows, width]`.
pub(super) fn by_rows(
    out: &mut [f32],
    width: usize,
    work: impl Fn(Range<usize>, &mut [f32]) + Sync,
) {
    let part = part_of(out.len() / width, platform::threads());
    platform::chunks(out, part * width, |index, out| {
        let first = index * part;
        work(first..first + out.len() / width, out);
    });
}

/// Rows that one of so many threads takes at once.
fn part_of(rows: usize, threads: usize) -> usize {
    let share = rows.div_ceil(threads).max(1);
    let parts = if share < rows { (share / FEWEST_ROWS).clamp(1, PARTS) } else { 1 };
    share.div_ceil(parts.max(share.div_ceil(MOST_ROWS))).next_multiple_of(TILE_ROWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_computed_once() {
        for rows in [0, 1, 15, 16, 100, 257, 4000] {
            let mut out = vec![0.0; 3 * rows];
            by_rows(&mut out, 3, |range, out| {
                for (row, out) in range.zip(out.chunks_exact_mut(3)) {
                    out.iter_mut().for_each(|out| *out += 1.0 + row as f32);
                }
            });
            let expected: Vec<f32> = (0..rows).flat_map(|row| [1.0 + row as f32; 3]).collect();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn parts_suit_threads_caches_and_kernels() {
        for (rows, threads, expected) in
            [(1, 2, 32), (128, 2, 64), (128, 1, 128), (2624, 2, 224), (300, 1, 160), (0, 4, 32)]
        {
            assert_eq!(part_of(rows, threads), expected, "{rows} rows, {threads} threads");
        }
    }
}
