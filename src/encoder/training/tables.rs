//! The embedding tables in training: the gradient of a lookup is a sum by word.

use super::load::Builder;
use super::parameters::{Parameter, Parameters, Part};
use super::passes::NormParameters;
use crate::batch::Batch;
use crate::config::Module;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Step};
use crate::ops::training::column_sums::column_sums;
use crate::ops::training::round_table::round_table;
use crate::ops::training::scatter_rows::{Run, Runs, runs_of, scatter_rows};
use crate::ops::{Matrix, embed, stride};

/// A table's master weights are cut into shares of this many bytes at the most, for adapters whose
/// bindings are small.
const SHARE_BYTES: usize = 32 << 20;

/// Rows of a share at the most, since kernels number rows by workgroup.
const SHARE_ROWS: usize = 32_768;

/// Neighbouring rows of a table.
struct Share {
    /// Which of a token's three ids are rows of the table: word, position or type.
    column: usize,
    first: usize,
    rows: usize,
    /// The row that PyTorch gives no gradient.
    padding: Option<u32>,
    parameter: usize,
    /// What lookups read, and from which of its rows on, unless that is the master weights.
    rounded: Option<(Matrix, usize)>,
    runs: Buffer,  // [T] of Run
    order: Buffer, // [T] u32
}

impl Share {
    /// The rows of `parameter`, for up to `tokens` tokens at once.
    fn new(
        builder: &mut Builder<'_>,
        parameter: Parameter,
        column: usize,
        first: usize,
        padding: Option<u32>,
        rounded: Option<(Matrix, usize)>,
        tokens: usize,
    ) -> Result<Share> {
        Ok(Share {
            column,
            first,
            rows: parameter.master.rows,
            padding,
            parameter: builder.parameters.add(parameter),
            rounded,
            runs: builder.gpu.buffer("runs", (tokens * size_of::<Run>()) as u64)?,
            order: builder.gpu.buffer("order", 4 * tokens as u64)?,
        })
    }

    /// The row of the share that `token` was looked up in. Tokens of other shares count as padding.
    fn row_of(&self, token: &[u32; 3]) -> Option<u32> {
        let id = token[self.column];
        let row = (id as usize).checked_sub(self.first).filter(|&row| row < self.rows)?;
        (Some(id) != self.padding).then_some(row as u32)
    }
}

pub(super) struct Tables {
    shares: Vec<Share>,
    /// The parameter of the only token type, which every token has, where there is only one.
    token_type: Option<usize>,
    pub norm: NormParameters,
}

/// What of a batch goes to each share.
pub(super) type SharedRuns = Vec<Runs>;

impl Tables {
    pub async fn new(
        builder: &mut Builder<'_>,
        tables: &embed::Tables,
        norm: NormParameters,
        tokens: usize,
    ) -> Result<Tables> {
        let config = builder.config;
        let name = |module: Module| module.weight(config.family);
        let padding = Some(config.pad_token_id);
        let mut shares = Vec::new();
        cut(builder, &mut shares, &name(Module::Words), &tables.word, 0, padding, tokens).await?;
        // ModernBERT's positions are no table, and it has no token types.
        if config.modernbert.is_some() {
            return Ok(Tables { shares, token_type: None, norm });
        }
        // RoBERTa's positions have a row for padding tokens, BERT's have not.
        let padding = padding.filter(|_| config.family.is_roberta());
        let positions = std::slice::from_ref(&tables.position);
        cut(builder, &mut shares, &name(Module::Positions), positions, 1, padding, tokens).await?;
        // Kernels read the token types in f32: the table is its own master weights.
        let types = &tables.token_type;
        let rows = if types.rows == 1 { types.width } else { types.rows };
        let part = vec![Part { name: name(Module::TokenTypes), rows }];
        let token_type = if types.rows == 1 {
            Some(builder.vector(&types.buffer, part)?)
        } else {
            let parameter = Parameter::new(builder.gpu, part, false, types.clone())?;
            shares.push(Share::new(builder, parameter, 2, 0, None, None, tokens)?);
            None
        };
        Ok(Tables { shares, token_type, norm })
    }

    /// Writes which tokens of `batch` go where.
    pub async fn upload(&self, gpu: &Gpu, batch: &Batch) -> Result<SharedRuns> {
        let mut all = Vec::new();
        for share in &self.shares {
            let rows = batch.ids.iter().map(|token| share.row_of(token).unwrap_or(u32::MAX));
            let (runs, order) = runs_of(rows, Some(u32::MAX));
            gpu.write(&share.runs, 0, &runs).await?;
            gpu.write(&share.order, 0, &order).await?;
            let (buffer, order_buffer) = (share.runs.clone(), share.order.clone());
            let rows = order.len();
            all.push(Runs { buffer, count: runs.len(), order: order_buffer, rows });
        }
        Ok(all)
    }

    /// Adds the gradient `d_x` of the sums of the first `tokens` tokens to those of the tables.
    pub fn backward(
        &self,
        parameters: &Parameters,
        runs: &SharedRuns,
        tokens: usize,
        d_x: &Matrix,
    ) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for (share, runs) in self.shares.iter().zip(runs) {
            let gradient = parameters.list[share.parameter].gradient();
            steps.extend(scatter_rows("tables back", runs, d_x, &gradient)?);
        }
        if let Some(token_type) = self.token_type {
            let sums = &parameters.list[token_type].moments.gradient;
            steps.push(column_sums("token type back", tokens, d_x, sums)?);
        }
        Ok(steps)
    }

    /// Brings the tables that lookups read up to date.
    pub fn refresh(&self, parameters: &Parameters) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for share in &self.shares {
            if let Some((table, at)) = &share.rounded {
                let master = &parameters.list[share.parameter].master;
                steps.push(round_table("round tables", master, *at, table)?);
            }
        }
        Ok(steps)
    }
}

/// Cuts the parts of a table into shares.
async fn cut(
    builder: &mut Builder<'_>,
    shares: &mut Vec<Share>,
    name: &str,
    table: &[Matrix],
    column: usize,
    padding: Option<u32>,
    tokens: usize,
) -> Result<()> {
    let all = table.iter().map(|part| part.rows).sum();
    let mut first = 0;
    for part in table {
        let most = (SHARE_BYTES / (4 * stride(part.width))).clamp(1, SHARE_ROWS);
        for at in (0..part.rows).step_by(most) {
            let rows = most.min(part.rows - at);
            let parts = vec![Part { name: name.to_owned(), rows }];
            let master = builder.master(&parts, &[all], first, part.width, None).await?;
            let parameter = Parameter::new(builder.gpu, parts, false, master)?;
            let rounded = Some((part.clone(), at));
            shares.push(Share::new(builder, parameter, column, first, padding, rounded, tokens)?);
            first += rows;
        }
    }
    Ok(())
}
