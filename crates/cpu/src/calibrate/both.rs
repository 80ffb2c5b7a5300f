//! What both models have: the exact one, and the one whose matrices are rounded so far.

use super::super::Numbers;
use super::super::dense::{Dense, Packer};
use super::super::layers::Norm;
use cappy::Result;
use cappy::checkpoint::Tensor;

/// One of each model.
#[derive(Clone, Default)]
pub(super) struct Both<T> {
    pub exact: T,
    pub rounded: T,
}

impl<T> Both<T> {
    pub fn map<U>(&self, of: impl Fn(&T) -> U) -> Both<U> {
        Both { exact: of(&self.exact), rounded: of(&self.rounded) }
    }

    /// `of` each, which may fail.
    pub fn try_map<U>(&self, of: impl Fn(&T) -> Result<U>) -> Result<Both<U>> {
        Ok(Both { exact: of(&self.exact)?, rounded: of(&self.rounded)? })
    }

    /// `of` each and of each model's `other`.
    pub fn with<U, V>(&self, other: &Both<U>, of: impl Fn(&T, &U) -> V) -> Both<V> {
        Both { exact: of(&self.exact, &other.exact), rounded: of(&self.rounded, &other.rounded) }
    }
}

/// Rows of numbers, one below the other.
pub(super) type State = Both<Vec<f32>>;

impl State {
    pub fn append(&mut self, more: State) {
        self.exact.extend(more.exact);
        self.rounded.extend(more.rounded);
    }

    /// Runs of `size` numbers; the last may be shorter.
    pub fn chunks(&self, size: usize) -> impl Iterator<Item = Both<&[f32]>> {
        let chunks = self.exact.chunks(size).zip(self.rounded.chunks(size));
        chunks.map(|(exact, rounded)| Both { exact, rounded })
    }

    /// Adds row `from` of `table` to row `row`, each of `width` numbers.
    pub fn add_row(&mut self, row: usize, table: &State, from: usize, width: usize) {
        let add = |to: &mut [f32], table: &[f32]| {
            let to = &mut to[row * width..][..width];
            to.iter_mut().zip(&table[from * width..]).for_each(|(to, number)| *to += number);
        };
        add(&mut self.exact, &table.exact);
        add(&mut self.rounded, &table.rounded);
    }

    /// Normalizes each row, to which the one of `residual` is added first.
    pub fn normalize(&mut self, norm: &Both<Norm>, residual: Option<&State>) {
        norm.exact.apply(&mut self.exact, residual.map(|of| &of.exact[..]));
        norm.rounded.apply(&mut self.rounded, residual.map(|of| &of.rounded[..]));
    }
}

/// A matrix and its bias, or the two halves of a norm.
#[derive(Clone, Default)]
pub(super) struct Rows {
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Rows {
    pub async fn read(weight: &Tensor<'_>, bias: &Tensor<'_>) -> Result<Rows> {
        let mut rows = Rows::default();
        weight.read_rows(0..weight.rows(), &mut rows.weights).await?;
        bias.read_rows(0..bias.rows(), &mut rows.bias).await?;
        Ok(rows)
    }

    /// As a layer that can be applied.
    pub fn pack(&self) -> Result<Dense> {
        let (outputs, inputs) = (self.bias.len(), self.weights.len() / self.bias.len());
        let mut packer = Packer::new("a matrix", Numbers::F32, inputs, outputs)?;
        packer.push(&self.weights);
        Ok(packer.finish(self.bias.clone()))
    }
}

impl Both<Rows> {
    /// Puts another matrix with the same inputs below this one.
    pub fn append(&mut self, more: Both<Rows>) {
        for (to, more) in [(&mut self.exact, more.exact), (&mut self.rounded, more.rounded)] {
            to.weights.extend(more.weights);
            to.bias.extend(more.bias);
        }
    }
}
