//! The sum of word, position and token type embeddings.

use bytemuck::{Pod, Zeroable};

use super::{Matrix, Storage, check, stride4};
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::embed::{KERNEL, WORKGROUP_SIZE};

/// Bytes of the ids of a token.
pub const ID_BYTES: u64 = 12;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
    first_word: u32,
    words: u32,
    quantised: u32,
    last_position: u32,
}

/// The tables. That of words may be larger than one binding (250,002 rows of 1024 are 512 MB, and
/// 128 MiB is what every adapter has), so it comes in parts. Looking words up on the host instead
/// would keep the whole table in host memory, where a browser has less memory than on the GPU.
#[derive(Debug)]
pub struct Tables {
    /// `[vocab_size, hidden_size]`, f16 or q8: parts whose rows follow on each other.
    pub word: Vec<Matrix>,
    /// `[max_position_embeddings, hidden_size]`, f16; a row of zeros for a model without.
    pub position: Matrix,
    /// `[token types, hidden_size]`, f32.
    pub token_type: Matrix,
}

/// `out[..tokens] = word[ids.word] + position[ids.position] + token_type[ids.type]`; `ids` holds
/// three u32 a token, (word, position, type), each inside its table; a position after the last has the
/// last one's row. A step for each part of the
/// word table writes the tokens whose word it has.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn embed(
    label: &'static str,
    tokens: usize,
    ids: &Buffer,
    tables: &Tables,
    out: &Matrix,
) -> Result<Vec<Step>> {
    let width = out.width;
    let fits = |table: &Matrix, storage| table.width == width && table.storage == storage;
    check(
        KERNEL.name,
        label,
        tokens <= out.rows
            && ids.size() >= ID_BYTES * tokens as u64
            && tables.word.iter().all(|part| fits(part, Storage::F16) || fits(part, Storage::Q8))
            && fits(&tables.position, Storage::F16)
            && fits(&tables.token_type, Storage::F32)
            && out.storage == Storage::F32,
    )?;
    let numbers = (tokens * width) as u64;
    let mut first_word = 0;
    let step = |part: &Matrix| {
        let quantised = u32::from(part.storage == Storage::Q8);
        let words = part.rows as u32;
        let last_position = (tables.position.rows - 1) as u32;
        let params =
            Params { stride4: stride4(width), first_word, words, quantised, last_position };
        first_word += words;
        Step {
            kernel: &KERNEL,
            label,
            params: bytemuck::bytes_of(&params).to_vec(),
            buffers: vec![
                ids.clone(),
                part.buffer.clone(),
                tables.position.buffer.clone(),
                tables.token_type.buffer.clone(),
                out.buffer.clone(),
            ],
            workgroups: [stride4(width).div_ceil(WORKGROUP_SIZE), tokens as u32, 1],
            work: Work { flops: 2 * numbers, bytes: 8 * numbers },
        }
    };
    Ok(tables.word.iter().map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Quantised, WeightFormat};
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn equals_the_reference_at_awkward_sizes_in_one_part_or_several() {
        for gpu in testing::gpus() {
            for (tokens, vocab, positions, types, width, part) in [
                (1, 3, 5, 1, 1, 3),
                (9, 50, 20, 2, 100, 50),
                (70, 11, 90, 3, 300, 4),
                (70, 11, 90, 1, 64, 1),
            ] {
                let mut case = Case::new(width);
                let mut word = case.f16_values(vocab * width, 1.0);
                let position = case.f16_values(positions * width, 1.0);
                let token_type = case.values(types * width, 1.0);
                let ids: Vec<[u32; 3]> = (0..tokens)
                    .map(|_| [case.below(vocab), case.below(positions), case.below(types)])
                    .collect();
                let quantised = width == 300;
                let format = WeightFormat::Q8;
                let rounded = Quantised::round("word", format, &word, width, width).unwrap();
                if quantised {
                    word.clear();
                    rounded.expand(width, width, &mut word);
                }
                let expected = reference::embed(&ids, &word, &position, &token_type, width);
                let got = testing::block_on(async {
                    let mut parts = Vec::new();
                    for (nth, rows) in word.chunks(part * width).enumerate() {
                        if !quantised {
                            parts.push(testing::matrix(&gpu, rows, width, Storage::F16).await?);
                            continue;
                        }
                        let count = rows.len() / width;
                        let matrix = Matrix::zeros(&gpu, "part", count, width, Storage::Q8)?;
                        let first = nth * part;
                        let rows = Quantised {
                            integers: rounded.integers[first * width..][..count * width].to_vec(),
                            scales: rounded.scales[first..first + count].to_vec(),
                        };
                        matrix.write_quantised_rows(&gpu, "part", 0, &rows).await?;
                        parts.push(matrix);
                    }
                    let tables = Tables {
                        word: parts,
                        position: testing::matrix(&gpu, &position, width, Storage::F16).await?,
                        token_type: testing::matrix(&gpu, &token_type, width, Storage::F32).await?,
                    };
                    let ids = gpu.buffer_of("ids", &ids).await?;
                    let out = Matrix::zeros(&gpu, "out", tokens + 1, width, Storage::F32)?;
                    testing::poison(&gpu, &out).await?;
                    let steps = embed("test", tokens, &ids, &tables, &out)?;
                    assert_eq!(steps.len(), vocab.div_ceil(part));
                    testing::run(&gpu, steps, &out, tokens).await
                });
                testing::assert_close(&got, &expected, 1e-6);
            }
        }
    }
}
