//! The activations between the kernels, allocated once for the largest batch.

use super::modernbert::Own;
use crate::batch::Batch;
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Step};
use crate::ops::attention::{Heads, QUERIES, Task, Tasks, forward_tasks};
use crate::ops::poison::{Words, poison};
use crate::ops::{Choice, Matrix, Storage, blocks, embed, stride};

/// Everything a forward pass reads and writes besides weights. T is the most tokens of a batch,
/// P the most pairs.
pub(super) struct Activations {
    pub ids: Buffer,            // [T] of (word, position, type)
    pub first_rows: Buffer,     // [P + 1] row of each pair's <s>, and where the last pair ends
    pub tasks: Buffer,          // attention of every token
    pub first_tasks: Buffer,    // [P] attention of <s>
    pub sum: Matrix,            // [T, hidden] f32, before each LayerNorm
    pub hidden: Matrix,         // [T, hidden] after a layer's
    pub qkv: Matrix,            // [T, 3 x heads]
    pub context: Matrix,        // [T, heads] what attention found
    pub attended: Matrix,       // [T, hidden] after attention's LayerNorm
    pub inner: Matrix,          // [T, intermediate]
    pub first_sum: Matrix,      // [P, hidden] f32
    pub first_hidden: Matrix,   // [P, hidden]
    pub first_attended: Matrix, // [P, hidden]
    pub head: Matrix,           // [P, hidden]
    pub logits: Matrix,         // [P, labels] f32
    /// The input of a matmul in blocks, where the variant reads it so: one buffer for inputs as wide as
    /// `hidden`, one for the others, since the two alternate. Else a word for each token, which only
    /// [`Activations::spent`] uses.
    pub blocks: [Buffer; 2],
    /// What only ModernBERT has.
    pub modernbert: Option<Own>,
}

/// Pairs of T tokens, each of which has at least the special tokens of its template.
fn most_pairs(config: &Config, tokens: usize) -> usize {
    tokens.div_ceil(config.family.template_tokens())
}

/// Tasks of T tokens: one for every full tile, and one more for each pair's rest.
fn most_tasks(config: &Config, tokens: usize) -> usize {
    tokens / QUERIES as usize + most_pairs(config, tokens)
}

/// Bytes of each of `blocks`.
fn blocks_bytes(config: &Config, choice: &Choice, tokens: usize) -> [u64; 2] {
    if !choice.reads_blocks() {
        return [4 * tokens as u64; 2];
    }
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
    let hidden = config.hidden_size;
    let widest = hidden.max(heads.width()).max(config.intermediate_size);
    [hidden, widest].map(|width| blocks::bytes(tokens, width))
}

/// Bytes of the large buffers for `tokens` tokens.
pub(super) fn bytes(config: &Config, choice: &Choice, tokens: usize) -> u64 {
    let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
    let hidden = stride(config.hidden_size);
    let a_token = 8 * hidden
        + 2 * (stride(3 * heads.width()) + stride(heads.width()))
        + 2 * stride(config.intermediate_size);
    let a_pair = 10 * hidden + 4 * stride(config.labels.len());
    let rows = tokens * a_token + most_pairs(config, tokens) * a_pair;
    let own = config
        .modernbert
        .as_ref()
        .map_or(0, |_| Own::bytes(config, tokens, most_pairs(config, tokens)));
    (rows + own) as u64 + blocks_bytes(config, choice, tokens).iter().sum::<u64>()
}

impl Activations {
    /// The most tokens that there is room for.
    pub fn tokens(&self) -> usize {
        self.sum.rows
    }

    pub fn new(gpu: &Gpu, config: &Config, choice: &Choice, tokens: usize) -> Result<Activations> {
        let heads = Heads { count: config.num_attention_heads, size: config.head_size() };
        let (hidden, pairs) = (config.hidden_size, most_pairs(config, tokens));
        let f16 = |label, rows, width| Matrix::zeros(gpu, label, rows, width, Storage::F16);
        let f32 = |label, rows, width| Matrix::zeros(gpu, label, rows, width, Storage::F32);
        let of = |label, count, size| gpu.buffer(label, (count * size) as u64);
        let [narrow, wide] = blocks_bytes(config, choice, tokens);
        Ok(Activations {
            ids: of("ids", tokens, embed::ID_BYTES as usize)?,
            first_rows: of("first rows", pairs + 1, 4)?,
            tasks: of("tasks", most_tasks(config, tokens), size_of::<Task>())?,
            first_tasks: of("first tasks", pairs, size_of::<Task>())?,
            sum: f32("sum", tokens, hidden)?,
            hidden: f16("hidden", tokens, hidden)?,
            qkv: f16("qkv", tokens, 3 * heads.width())?,
            context: f16("context", tokens, heads.width())?,
            attended: f16("attended", tokens, hidden)?,
            inner: f16("inner", tokens, config.intermediate_size)?,
            first_sum: f32("first sum", pairs, hidden)?,
            first_hidden: f16("first hidden", pairs, hidden)?,
            first_attended: f16("first attended", pairs, hidden)?,
            head: f16("head", pairs, hidden)?,
            logits: f32("logits", pairs, config.labels.len())?,
            blocks: [gpu.buffer("blocks", narrow)?, gpu.buffer("blocks", wide)?],
            modernbert: match &config.modernbert {
                None => None,
                Some(_) => Some(Own::new(gpu, config, tokens, pairs)?),
            },
        })
    }

    /// All buffers.
    fn buffers(&self) -> Vec<&Buffer> {
        let Activations { ids, first_rows, tasks, first_tasks, blocks, modernbert, .. } = self;
        let matrices = [
            &self.sum,
            &self.hidden,
            &self.qkv,
            &self.context,
            &self.attended,
            &self.inner,
            &self.first_sum,
            &self.first_hidden,
            &self.first_attended,
            &self.head,
            &self.logits,
        ];
        let own = modernbert.iter().flat_map(Own::buffers);
        let plain = [ids, first_rows, tasks, first_tasks].into_iter().chain(blocks);
        plain.chain(matrices.map(|matrix| &matrix.buffer)).chain(own).collect()
    }

    /// Gives their memory back.
    pub fn free(&self, gpu: &Gpu) {
        gpu.free(&self.buffers());
    }

    /// Overwrites with NaN what kernels will write first: a dispatch that never ran must not go
    /// unnoticed because an earlier batch has left finite numbers there.
    pub fn before(&self, batch: &Batch) -> Result<[Step; 2]> {
        let of = [&self.sum, &self.hidden, &self.qkv, &self.context, &self.attended, &self.inner];
        let firsts = [&self.first_sum, &self.first_hidden, &self.first_attended, &self.head];
        let words = of.map(|matrix| self.word(matrix));
        Ok([poison(batch.tokens(), words)?, self.spent(batch.pairs(), firsts)?])
    }

    /// The same for `rows` rows of matrices that were read for the last time and will be written again:
    /// the next layer must not read numbers that an earlier layer has left.
    pub fn spent(&self, rows: usize, matrices: [&Matrix; 4]) -> Result<Step> {
        let [a, b, c, d] = matrices.map(|matrix| self.word(matrix));
        // In blocks the first words are of the first rows.
        let [e, f] = self.blocks.each_ref().map(|buffer| Words { buffer, first: 0, stride: 1 });
        poison(rows, [a, b, c, d, e, f])
    }

    /// The word of each row that is poisoned: its first one, and of q, k and v that of k, since the
    /// last layer reads no q but those of `<s>`.
    fn word<'a>(&self, matrix: &'a Matrix) -> Words<'a> {
        let is_qkv = matrix.buffer == self.qkv.buffer;
        Words::of(matrix, if is_qkv { matrix.width / 3 } else { 0 })
    }

    pub fn tasks(&self, batch: &Batch) -> Tasks {
        tasks(&self.tasks, &forward_tasks(&batch.cu_seqlens, false))
    }

    pub fn first_tasks(&self, batch: &Batch) -> Tasks {
        tasks(&self.first_tasks, &forward_tasks(&batch.cu_seqlens, true))
    }
}

pub(super) fn tasks(buffer: &Buffer, tasks: &[Task]) -> Tasks {
    Tasks {
        buffer: buffer.clone(),
        count: tasks.len(),
        scores: tasks.iter().map(|task| u64::from(task.queries) * u64::from(task.tokens)).sum(),
        window: None,
    }
}
