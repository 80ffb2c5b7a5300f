//! The embedding tables in training: the gradient of a lookup is a sum by word.

use super::load::Builder;
use super::parameters::{Parameter, Parameters, Part};
use super::passes::NormParameters;
use crate::batch::Batch;
use crate::config::{Config, Module};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Step};
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
    first: usize,
    rows: usize,
    parameter: usize,
    table: Matrix, // what lookups read: the part of the table that has these rows
    at: usize,     // from its row `at` on
    runs: Buffer,  // [T] of Run
    order: Buffer, // [T] u32
}

pub(super) struct Tables {
    word: Vec<Share>,
    position: Vec<Share>,
    pub token_type: usize,
    pub norm: NormParameters,
    /// The row of both tables that PyTorch gives no gradient.
    padding: u32,
}

/// What of a batch goes to each share.
pub(super) type SharedRuns = Vec<Runs>;

impl Tables {
    pub async fn new(
        builder: &mut Builder<'_>,
        config: &Config,
        tables: &embed::Tables,
        norm: NormParameters,
        tokens: usize,
    ) -> Result<Tables> {
        let name = |module: Module| module.weight(config.family);
        let row = vec![Part { name: name(Module::TokenTypes), rows: config.hidden_size }];
        let positions = std::slice::from_ref(&tables.position);
        Ok(Tables {
            word: shares(builder, &name(Module::Words), &tables.word, tokens).await?,
            position: shares(builder, &name(Module::Positions), positions, tokens).await?,
            token_type: builder.vector(&tables.token_type.buffer, row)?,
            norm,
            padding: config.pad_token_id,
        })
    }

    /// Writes which tokens of `batch` go where.
    pub async fn upload(&self, gpu: &Gpu, batch: &Batch) -> Result<SharedRuns> {
        let mut all = Vec::new();
        for (shares, column) in [(&self.word, 0), (&self.position, 1)] {
            for Share { first, rows, runs: buffer, order: order_buffer, .. } in shares {
                // Tokens of other shares count as padding, too.
                let within = |id: &[u32; 3]| {
                    let id = id[column];
                    let row = (id as usize).checked_sub(*first).filter(|row| row < rows);
                    row.filter(|_| id != self.padding).map_or(u32::MAX, |row| row as u32)
                };
                let (runs, order) = runs_of(batch.ids.iter().map(within), Some(u32::MAX));
                gpu.write(buffer, 0, &runs).await?;
                gpu.write(order_buffer, 0, &order).await?;
                let (buffer, order_buffer) = (buffer.clone(), order_buffer.clone());
                let rows = order.len();
                all.push(Runs { buffer, count: runs.len(), order: order_buffer, rows });
            }
        }
        Ok(all)
    }

    /// Adds the gradient `d_x` of every token's sum to those of the tables.
    pub fn backward(
        &self,
        parameters: &Parameters,
        runs: &SharedRuns,
        d_x: &Matrix,
    ) -> Result<Vec<Step>> {
        let shares = self.word.iter().chain(&self.position);
        let steps = shares.zip(runs).filter_map(|(share, runs)| {
            let gradient = parameters.list[share.parameter].gradient();
            scatter_rows("tables back", runs, d_x, &gradient).transpose()
        });
        steps.collect()
    }

    /// Brings the tables that lookups read up to date.
    pub fn refresh(&self, parameters: &Parameters) -> Result<Vec<Step>> {
        let refresh = |share: &Share| {
            let master = &parameters.list[share.parameter].master;
            round_table("round tables", master, share.at, &share.table)
        };
        self.word.iter().chain(&self.position).map(refresh).collect()
    }
}

/// Cuts the parts of a table into shares.
async fn shares(
    builder: &mut Builder<'_>,
    name: &str,
    table: &[Matrix],
    tokens: usize,
) -> Result<Vec<Share>> {
    let all = table.iter().map(|part| part.rows).sum();
    let mut shares = Vec::new();
    let mut first = 0;
    for part in table {
        let most = (SHARE_BYTES / (4 * stride(part.width))).clamp(1, SHARE_ROWS);
        for at in (0..part.rows).step_by(most) {
            let rows = most.min(part.rows - at);
            let parts = vec![Part { name: name.to_owned(), rows }];
            let master = builder.master(&parts, &[all], first, part.width).await?;
            let parameter = Parameter::new(builder.gpu, parts, false, master)?;
            shares.push(Share {
                first,
                rows,
                parameter: builder.parameters.add(parameter),
                table: part.clone(),
                at,
                runs: builder.gpu.buffer("runs", (tokens * size_of::<Run>()) as u64)?,
                order: builder.gpu.buffer("order", 4 * tokens as u64)?,
            });
            first += rows;
        }
    }
    Ok(shares)
}
