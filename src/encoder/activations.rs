//! What lies between the kernels, allocated once for the largest batch.

use crate::batch::Batch;
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu};
use crate::ops::attention::{Heads, QUERIES, Task, Tasks};
use crate::ops::{Choice, Matrix, Storage, blocks, embed, stride};

/// Everything a forward pass reads and writes besides weights. T is the most tokens of a batch,
/// P the most pairs.
pub(super) struct Activations {
    pub ids: Buffer,            // [T] of (word, position, type)
    pub first_rows: Buffer,     // [P] row of each pair's <s>
    pub tasks: Buffer,          // attention of every token
    pub first_tasks: Buffer,    // [P] attention of <s>
    pub sum: Matrix,            // [T, hidden] f32, before each LayerNorm
    pub hidden: Matrix,         // [T, hidden] after it
    pub qkv: Matrix,            // [T, 3 x heads]
    pub context: Matrix,        // [T, heads] what attention found
    pub inner: Matrix,          // [T, intermediate]
    pub first_sum: Matrix,      // [P, hidden] f32
    pub first_hidden: Matrix,   // [P, hidden]
    pub head: Matrix,           // [P, hidden]
    pub logits: Matrix,         // [P, labels] f32
    pub blocks: Option<Buffer>, // the input of a matmul, once more, where the variant wants blocks
}

/// Pairs of T tokens, each of which has at least the special tokens of its template.
fn most_pairs(config: &Config, tokens: usize) -> usize {
    tokens.div_ceil(config.family.template_tokens())
}

/// Tasks of T tokens: one for every full tile, and one more for each pair's rest.
fn most_tasks(config: &Config, tokens: usize) -> usize {
    tokens / QUERIES as usize + most_pairs(config, tokens)
}

/// Bytes of `blocks`: the widest input of a matmul.
fn blocks_bytes(config: &Config, choice: &Choice, tokens: usize) -> u64 {
    if !choice.reads_blocks() {
        return 0;
    }
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
    let widest = config.hidden_size.max(heads.width()).max(config.intermediate_size);
    blocks::bytes(tokens, widest)
}

/// Bytes of the large ones for `tokens` tokens.
pub(super) fn bytes(config: &Config, choice: &Choice, tokens: usize) -> u64 {
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
    let hidden = stride(config.hidden_size);
    let a_token = 6 * hidden
        + 2 * (stride(3 * heads.width()) + stride(heads.width()))
        + 2 * stride(config.intermediate_size);
    let a_pair = 8 * hidden + 4 * stride(config.labels.len());
    let rows = tokens * a_token + most_pairs(config, tokens) * a_pair;
    rows as u64 + blocks_bytes(config, choice, tokens)
}

impl Activations {
    pub fn new(gpu: &Gpu, config: &Config, choice: &Choice, tokens: usize) -> Result<Activations> {
        let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
        let (hidden, pairs) = (config.hidden_size, most_pairs(config, tokens));
        let f16 = |label, rows, width| Matrix::zeros(gpu, label, rows, width, Storage::F16);
        let f32 = |label, rows, width| Matrix::zeros(gpu, label, rows, width, Storage::F32);
        let of = |label, count, size| gpu.buffer(label, (count * size) as u64);
        Ok(Activations {
            ids: of("ids", tokens, embed::ID_BYTES as usize)?,
            first_rows: of("first rows", pairs, 4)?,
            tasks: of("tasks", most_tasks(config, tokens), size_of::<Task>())?,
            first_tasks: of("first tasks", pairs, size_of::<Task>())?,
            sum: f32("sum", tokens, hidden)?,
            hidden: f16("hidden", tokens, hidden)?,
            qkv: f16("qkv", tokens, 3 * heads.width())?,
            context: f16("context", tokens, heads.width())?,
            inner: f16("inner", tokens, config.intermediate_size)?,
            first_sum: f32("first sum", pairs, hidden)?,
            first_hidden: f16("first hidden", pairs, hidden)?,
            head: f16("head", pairs, hidden)?,
            logits: f32("logits", pairs, config.labels.len())?,
            blocks: match blocks_bytes(config, choice, tokens) {
                0 => None,
                bytes => Some(gpu.buffer("blocks", bytes)?),
            },
        })
    }

    pub fn tasks(&self, batch: &Batch) -> Tasks {
        tasks(&self.tasks, &batch.tasks)
    }

    pub fn first_tasks(&self, batch: &Batch) -> Tasks {
        tasks(&self.first_tasks, &batch.first_tasks)
    }
}

pub(super) fn tasks(buffer: &Buffer, tasks: &[Task]) -> Tasks {
    Tasks {
        buffer: buffer.clone(),
        count: tasks.len(),
        scores: tasks.iter().map(|task| u64::from(task.queries) * u64::from(task.tokens)).sum(),
    }
}
