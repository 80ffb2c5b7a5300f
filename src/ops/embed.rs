//! The sum of word, position and token type embeddings.

use bytemuck::{Pod, Zeroable};

use super::{Matrix, Storage, check, stride4};
use crate::error::Result;
use crate::gpu::{Access, Buffer, Kernel, Needs, Step, Work};

/// Invocations of a workgroup. = shaders/embed.wgsl
pub const LANES: u32 = 64;

/// The kernel of `shaders/embed.wgsl`.
pub static KERNEL: Kernel = Kernel {
    name: "embed",
    sources: &[include_str!("../../shaders/embed.wgsl")],
    storage: &[Access::Read, Access::Read, Access::Read, Access::Read, Access::Write],
    needs: Needs::Nothing,
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    stride4: u32,
}

/// The tables. A token type other than 0 never occurs with RoBERTa, so only that row is kept.
#[derive(Debug)]
pub struct Tables {
    /// `[vocab_size, hidden_size]`, f16.
    pub word: Matrix,
    /// `[max_position_embeddings, hidden_size]`, f16.
    pub position: Matrix,
    /// `[hidden_size]`, f32, padded with zeros to the stride.
    pub token_type: Buffer,
}

/// `out[..tokens] = word[ids.word] + position[ids.position] + token_type`; `ids` holds pairs of
/// u32 a token, (word, position), each inside its table.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn embed(
    label: &'static str,
    tokens: usize,
    ids: &Buffer,
    tables: &Tables,
    out: &Matrix,
) -> Result<Step> {
    let width = out.width;
    check(
        KERNEL.name,
        label,
        tokens <= out.rows
            && ids.size() >= 8 * tokens as u64
            && tables.word.width == width
            && tables.position.width == width
            && tables.word.storage == Storage::F16
            && tables.position.storage == Storage::F16
            && out.storage == Storage::F32,
    )?;
    let params = Params { stride4: stride4(width) };
    let numbers = (tokens * width) as u64;
    Ok(Step {
        kernel: &KERNEL,
        label,
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![
            ids.clone(),
            tables.word.buffer.clone(),
            tables.position.buffer.clone(),
            tables.token_type.clone(),
            out.buffer.clone(),
        ],
        workgroups: [stride4(width).div_ceil(LANES), tokens as u32, 1],
        work: Work { flops: 2 * numbers, bytes: 8 * numbers },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::padded_vector;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn equals_its_twin_at_awkward_sizes() {
        for gpu in testing::gpus() {
            for (tokens, vocab, positions, width) in
                [(1, 3, 5, 1), (9, 50, 20, 100), (70, 11, 90, 300)]
            {
                let mut case = Case::new(width);
                let word = case.f16_values(vocab * width, 1.0);
                let position = case.f16_values(positions * width, 1.0);
                let token_type = case.values(width, 1.0);
                let ids: Vec<[u32; 2]> =
                    (0..tokens).map(|_| [case.below(vocab), case.below(positions)]).collect();
                let expected = reference::embed(&ids, &word, &position, &token_type);
                let got = testing::block_on(async {
                    let tables = Tables {
                        word: testing::matrix(&gpu, &word, width, Storage::F16).await?,
                        position: testing::matrix(&gpu, &position, width, Storage::F16).await?,
                        token_type: padded_vector(&gpu, "token type", &token_type).await?,
                    };
                    let ids = gpu.buffer_of("ids", &ids).await?;
                    let out = Matrix::zeros(&gpu, "out", tokens + 1, width, Storage::F32)?;
                    testing::poison(&gpu, &out).await?;
                    let step = embed("test", tokens, &ids, &tables, &out)?;
                    testing::run(&gpu, vec![step], &out, tokens).await
                });
                testing::assert_close(&got, &expected, 1e-6);
            }
        }
    }
}
