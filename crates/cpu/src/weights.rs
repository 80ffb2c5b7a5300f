//! From a checkpoint's tensors to what the forward pass reads, some rows at a time.

use std::vec::IntoIter;

use half::f16;
use half::prelude::*;

use super::dense::{Dense, Packer};
use super::layers::Norm;
use super::{Numbers, room_for};
use cappy::Config;
use cappy::Result;
use cappy::checkpoint::{Checkpoint, Tensor, tensor_shapes};

/// Rows that are read at once.
const ROWS: usize = 512;

/// Parts of an attention layer that are one matrix here.
const QKV: usize = 3;

/// A model's weights.
pub(super) struct Weights {
    pub word: Table,
    pub position: Table,
    pub token_type: Option<Table>,
    pub embed_norm: Norm,
    pub layers: Vec<Layer>,
    pub dense: Dense,   // [hidden, hidden]
    pub project: Dense, // [labels, hidden]
}

/// One encoder layer.
pub(super) struct Layer {
    pub qkv: Dense, // [3 x hidden, hidden]
    pub out: Dense, // [hidden, hidden]
    pub out_norm: Norm,
    pub up: Dense,   // [intermediate, hidden]
    pub down: Dense, // [hidden, intermediate]
    pub down_norm: Norm,
}

/// A table, `[rows, width]`.
pub(super) struct Table {
    numbers: Vec<f16>,
    width: usize,
}

impl Table {
    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.numbers[..])
    }

    /// Adds row `row` to `out`.
    pub fn add_row(&self, row: u32, out: &mut [f32]) {
        let row = &self.numbers[row as usize * self.width..][..self.width];
        out.iter_mut().zip(row).for_each(|(out, number)| *out += to_f32(*number));
    }
}

/// What `f16::to_f32` gives, without branches, so that vector instructions do it.
fn to_f32(number: f16) -> f32 {
    let bits = u32::from(number.to_bits());
    // The exponent of f16 counts from -14, that of f32 from -126; so do those of subnormal numbers.
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    let special = if bits & 0x7c00 == 0x7c00 { f32::INFINITY.to_bits() } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (bits & 0x8000) << 16)
}

impl Weights {
    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        let layers = self.layers.iter().map(|layer| {
            [&layer.qkv, &layer.out, &layer.up, &layer.down].map(Dense::bytes).iter().sum::<usize>()
                + layer.out_norm.bytes()
                + layer.down_norm.bytes()
        });
        let tables = [Some(&self.word), Some(&self.position), self.token_type.as_ref()];
        let tables = tables.map(|found| found.map_or(0, Table::bytes));
        let rest = self.embed_norm.bytes() + self.dense.bytes() + self.project.bytes();
        (tables.iter().sum::<usize>() + layers.sum::<usize>() + rest) as u64
    }
}

pub(super) async fn load(
    checkpoint: &Checkpoint,
    config: &Config,
    numbers: Numbers,
    loaded: &mut dyn FnMut(u64),
) -> Result<Weights> {
    let mut loader = Loader::new(checkpoint, config, numbers, loaded);
    let (word, position) = (loader.table().await?, loader.table().await?);
    let token_type = match config.type_vocab_size {
        0 => None,
        _ => Some(loader.table().await?),
    };
    let embed_norm = loader.norm(true).await?;
    let mut layers = Vec::with_capacity(config.num_hidden_layers);
    for _ in 0..config.num_hidden_layers {
        layers.push(Layer {
            qkv: loader.dense(QKV, true).await?,
            out: loader.dense(1, true).await?,
            out_norm: loader.norm(true).await?,
            up: loader.dense(1, true).await?,
            down: loader.dense(1, true).await?,
            down_norm: loader.norm(true).await?,
        });
    }
    let (dense, project) = (loader.dense(1, true).await?, loader.dense(1, true).await?);
    Ok(Weights { word, position, token_type, embed_norm, layers, dense, project })
}

/// Takes tensors in the order of [`tensor_shapes`], which is that of the forward pass.
pub(super) struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    tensors: IntoIter<(String, Vec<usize>)>,
    numbers: Numbers,
    eps: f32,
    bytes: u64,
    loaded: &'a mut dyn FnMut(u64),
}

impl<'a> Loader<'a> {
    /// At the first tensor of the model.
    pub fn new(
        checkpoint: &'a Checkpoint,
        config: &Config,
        numbers: Numbers,
        loaded: &'a mut dyn FnMut(u64),
    ) -> Loader<'a> {
        let tensors = tensor_shapes(config).into_iter();
        Loader { checkpoint, tensors, numbers, eps: config.layer_norm_eps, bytes: 0, loaded }
    }

    fn next(&mut self) -> Result<Tensor<'a>> {
        let (name, shape) = self.tensors.next().expect("the model has the tensors of its shape");
        self.checkpoint.get(&name, &shape)
    }

    /// Hands `tensor` to `take`, some rows at a time, and counts their bytes.
    async fn read(&mut self, tensor: &Tensor<'_>, mut take: impl FnMut(&[f32])) -> Result<()> {
        let mut rows = Vec::new();
        for first in (0..tensor.rows()).step_by(ROWS) {
            rows.clear();
            tensor.read_rows(first..tensor.rows().min(first + ROWS), &mut rows).await?;
            take(&rows);
            self.bytes += tensor.stored_bytes(rows.len() / tensor.row_len());
            (self.loaded)(self.bytes);
        }
        Ok(())
    }

    /// A table of f16.
    pub async fn table(&mut self) -> Result<Table> {
        let tensor = self.next()?;
        let width = tensor.row_len();
        let mut numbers = room_for(tensor.name(), tensor.rows() * width)?;
        self.read(&tensor, |rows| {
            let first = numbers.len();
            numbers.resize(first + rows.len(), f16::ZERO);
            numbers[first..].convert_from_f32_slice(rows);
        })
        .await?;
        Ok(Table { numbers, width })
    }

    async fn vector(&mut self) -> Result<Vec<f32>> {
        let tensor = self.next()?;
        let mut vector = Vec::with_capacity(tensor.rows());
        self.read(&tensor, |rows| vector.extend_from_slice(rows)).await?;
        Ok(vector)
    }

    /// A LayerNorm; without a bias it is zero.
    pub async fn norm(&mut self, has_bias: bool) -> Result<Norm> {
        let gamma = self.vector().await?;
        let beta = if has_bias { self.vector().await? } else { vec![0.0; gamma.len()] };
        Ok(Norm { gamma, beta, eps: self.eps })
    }

    /// As many dense layers with the same inputs, one below the other; without a bias it is zero.
    pub async fn dense(&mut self, parts: usize, has_bias: bool) -> Result<Dense> {
        let mut packer: Option<Packer> = None;
        let mut bias = Vec::new();
        for _ in 0..parts {
            let weight = self.next()?;
            let (outputs, inputs) = (weight.rows(), weight.row_len());
            let mut packing = match packer.take() {
                Some(packing) => packing,
                None => Packer::new(weight.name(), self.numbers, inputs, parts * outputs)?,
            };
            self.read(&weight, |rows| packing.push(rows)).await?;
            packer = Some(packing);
            match has_bias {
                true => bias.extend(self.vector().await?),
                false => bias.resize(bias.len() + outputs, 0.0),
            }
        }
        Ok(packer.expect("a layer has parts").finish(bias))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_is_the_f32_that_it_is() {
        for bits in 0..=u16::MAX {
            let number = f16::from_bits(bits);
            let (got, expected) = (to_f32(number), number.to_f32());
            let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
            assert!(same, "{bits:#x}: {got} for {expected}");
        }
    }
}
