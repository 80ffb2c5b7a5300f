//! Writes NaN where kernels are going to write, so that a dispatch that a driver dropped makes an
//! error and not a score out of what an earlier layer or batch has left.

use bytemuck::{Pod, Zeroable};

use super::{Matrix, check};
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::poison::{KERNEL, WORKGROUP_SIZE};

/// Matrices that one dispatch takes.
pub const MATRICES: usize = 6;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    strides: [u32; MATRICES],
    firsts: [u32; MATRICES],
    rows: u32,
}

/// A word of each row of a buffer.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// The memory.
    pub buffer: &'a Buffer,
    /// The word of the first row.
    pub first: usize,
    /// Words between rows.
    pub stride: usize,
}

impl<'a> Words<'a> {
    /// The word of each row that holds number `column`.
    pub fn of(matrix: &'a Matrix, column: usize) -> Words<'a> {
        let words = matrix.storage.row_bytes(matrix.width) / 4;
        let first = column * words / super::stride(matrix.width);
        Words { buffer: &matrix.buffer, first, stride: words }
    }
}

/// Makes NaN of these words of the first `rows` rows.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where there are fewer.
pub fn poison(rows: usize, words: [Words<'_>; MATRICES]) -> Result<Step> {
    let has_room = |words: &Words<'_>| {
        let last = words.first + rows.saturating_sub(1) * words.stride;
        rows > 0 && words.buffer.size() >= 4 * (last as u64 + 1)
    };
    check(KERNEL.name, "poison", words.iter().all(has_room))?;
    let params = Params {
        strides: words.map(|words| words.stride as u32),
        firsts: words.map(|words| words.first as u32),
        rows: rows as u32,
    };
    Ok(Step {
        kernel: &KERNEL,
        label: "poison",
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: words.map(|words| words.buffer.clone()).to_vec(),
        workgroups: [(rows as u32).div_ceil(WORKGROUP_SIZE), 1, 1],
        work: Work { flops: 0, bytes: (4 * MATRICES * rows) as u64 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Plan;
    use crate::ops::testing;

    #[test]
    fn one_word_of_each_row_is_nan_and_nothing_else() {
        for gpu in testing::gpus() {
            let strides = [1, 2, 3, 5, 8, 64];
            for rows in [1, 64, 67] {
                let read = testing::block_on(async {
                    let mut buffers = Vec::new();
                    for stride in strides {
                        buffers
                            .push(gpu.buffer_of("out", &vec![1.0f32; (rows + 1) * stride]).await?);
                    }
                    let words = std::array::from_fn(|i| Words {
                        buffer: &buffers[i],
                        first: strides[i] / 2,
                        stride: strides[i],
                    });
                    gpu.run(&Plan { steps: vec![poison(rows, words)?] }, &|| false).await?;
                    let mut read = Vec::new();
                    for (buffer, stride) in buffers.iter().zip(strides) {
                        read.push(gpu.read_f32(buffer, (rows + 1) * stride).await?);
                    }
                    Ok(read)
                });
                for (numbers, stride) in read.iter().zip(strides) {
                    for (at, number) in numbers.iter().enumerate() {
                        let expected = at % stride == stride / 2 && at / stride < rows;
                        assert_eq!(number.is_nan(), expected, "{number} at {at} of {stride}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_that_are_not_there_are_refused() {
        let gpu = &testing::gpus()[0];
        let buffer = &gpu.buffer("out", 64).unwrap();
        let words = |first, stride| [Words { buffer, first, stride }; MATRICES];
        assert!(poison(2, words(0, 15)).is_ok());
        assert!(poison(2, words(1, 15)).is_err());
        assert!(poison(3, words(0, 15)).is_err());
        assert!(poison(0, words(0, 15)).is_err());
    }
}
