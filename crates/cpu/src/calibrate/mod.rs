//! Rounding a model's matrices with error feedback, in the order of the forward pass, which is that
//! of the file. Two models go along, layer by layer: the exact one, and the one whose matrices are
//! rounded so far. docs/quantisation.md has the formulas, and what they gain.

mod both;
mod factor;
mod feedback;
mod fit;
mod grid;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::vec::IntoIter;

use half::f16;

use self::both::{Both, Rows, State};
use self::feedback::{Feedback, Inputs};
use super::attention::{Heads, attention};
use super::dense::Dense;
use super::forward::{activate_head, first_rows};
use super::layers::{Norm, activate};
use cappy::Config;
use cappy::Encoded;
use cappy::checkpoint::{
    Checkpoint, Quantised, QuantisedWriter, Rounding, Tensor, WeightFormat, tensor_shapes,
};
use cappy::source::Opened;
use cappy::{CONVERTED_FILE, Conversion, Error, ErrorKind, Progress, Result};

/// Rows of a table or matrix that are read at once.
const ROWS: usize = 512;

/// Rows that go through a layer at once, and pairs that go through attention.
const TOKENS: usize = 1024;
const PAIRS: usize = 16;

/// A share of the mean of a diagonal that is added to it, for matrices and for the last one.
const DAMPING: f64 = 0.001;
const FIT_DAMPING: f64 = 0.01;

/// What the caller's pairs cannot serve for.
fn refuse(message: String) -> Error {
    Error::new(ErrorKind::Input, "calibration", message)
}

/// As [`Conversion::write`], but with matrices rounded for what they read: `pairs`, each an
/// instruction and a response, without scores, are of the kind that will be scored. Some hundreds of
/// them are enough; more take longer.
///
/// # Errors
/// As [`write_calibrated`], and those of tokenizing.
pub async fn convert_calibrated<W: Write>(
    conversion: &Conversion,
    out: W,
    rounding: impl Into<Rounding>,
    pairs: &[(&str, &str)],
    progress: &mut dyn FnMut(Progress),
) -> Result<W> {
    let Opened { config, checkpoint, tokenizer, .. } = conversion.model();
    let encode =
        |(instruction, response): &(&str, &str)| tokenizer.encode_pair(instruction, response);
    let pairs = pairs.iter().map(encode).collect::<Result<Vec<_>>>()?;
    let mut written = conversion.tell(progress);
    let (file, rounding) = (CONVERTED_FILE, rounding.into());
    write_calibrated(checkpoint, config, out, file, rounding, &pairs, &mut written).await
}

/// As [`cappy::checkpoint::write_quantised`], but each matrix is rounded so that its outputs for
/// `pairs` come near those of the original model, and the last matrix is fitted to its scores.
///
/// In memory are up to 24 bytes for each token of the pairs times the hidden size, and as many for
/// each input of the widest matrix times that again.
///
/// # Errors
/// As there, and [`ErrorKind::Input`] for `calibration`, where the pairs are too few or too much
/// alike to say anything.
pub async fn write_calibrated<W: Write>(
    checkpoint: &Checkpoint,
    config: &Config,
    out: W,
    file: &str,
    rounding: Rounding,
    pairs: &[Encoded],
    progress: &mut dyn FnMut(u64),
) -> Result<W> {
    if config.modernbert.is_some() {
        return Err(refuse("is for the layers of RoBERTa and BERT; this is a ModernBERT".into()));
    }
    if pairs.len() < 2 {
        return Err(refuse(format!("needs at least two pairs and has {}", pairs.len())));
    }
    let tensors = tensor_shapes(config).into_iter();
    let writer = QuantisedWriter::new(out, file, config, rounding)?;
    let mut run =
        Run { checkpoint, config, rounding, pairs, tensors, writer, written: 0, progress };
    let mut hidden = run.embed().await?; // [T, hidden] of both models
    for index in 0..config.num_hidden_layers {
        hidden = run.attention(hidden, index + 1 == config.num_hidden_layers).await?;
        hidden = run.feed_forward(hidden).await?;
    }
    run.head(&hidden).await?;
    run.writer.finish()
}

struct Run<'a, W> {
    checkpoint: &'a Checkpoint,
    config: &'a Config,
    rounding: Rounding,
    pairs: &'a [Encoded],
    tensors: IntoIter<(String, Vec<usize>)>,
    writer: QuantisedWriter<W>,
    written: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<'a, W: Write> Run<'a, W> {
    fn next(&mut self) -> Result<Tensor<'a>> {
        let (name, shape) = self.tensors.next().expect("the model has the tensors of its shape");
        self.checkpoint.get(&name, &shape)
    }

    /// Says that so many more numbers are written.
    fn count(&mut self, numbers: usize) {
        self.written += numbers as u64;
        (self.progress)(self.written);
    }

    /// Tables are rounded by themselves, and only rows of words that occur are looked at.
    async fn embed(&mut self) -> Result<State> {
        let tokens: usize = self.pairs.iter().map(|pair| pair.ids.len()).sum();
        let zeros = vec![0.0; tokens * self.config.hidden_size];
        let mut hidden = Both { exact: zeros.clone(), rounded: zeros };
        self.table(&mut hidden, |pair| &pair.ids).await?;
        self.table(&mut hidden, |pair| &pair.position_ids).await?;
        if self.config.type_vocab_size > 0 {
            self.table(&mut hidden, |pair| &pair.type_ids).await?;
        }
        hidden.normalize(&self.norm().await?, None);
        Ok(hidden)
    }

    /// Adds to each token its row of the next table.
    async fn table(&mut self, hidden: &mut State, ids: fn(&Encoded) -> &[u32]) -> Result<()> {
        let tensor = self.next()?;
        let (width, name) = (tensor.row_len(), tensor.name());
        let (format, block) = self.rounding.scheme(name, tensor.shape());
        let mut tokens: Vec<(u32, usize)> =
            self.pairs.iter().flat_map(ids).copied().zip(0..).collect();
        tokens.sort_unstable();
        let mut tokens = tokens.into_iter().peekable();
        let mut matrix = Quantised::default();
        for first in (0..tensor.rows()).step_by(ROWS) {
            let rows = first..tensor.rows().min(first + ROWS);
            let mut read = State::default();
            tensor.read_rows(rows.clone(), &mut read.exact).await?;
            match format {
                WeightFormat::F16 => {
                    self.writer.numbers(&read.exact)?;
                    read.rounded = in_f16(&read.exact);
                }
                _ => {
                    let rounded = Quantised::round(name, format, &read.exact, width, block)?;
                    rounded.expand(width, block, &mut read.rounded);
                    matrix.append(rounded);
                }
            }
            while let Some((id, token)) = tokens.next_if(|(id, _)| rows.contains(&(*id as usize))) {
                hidden.add_row(token, &read, id as usize - first, width);
            }
            self.count(read.exact.len());
        }
        if format != WeightFormat::F16 {
            self.writer.matrix(format, &matrix)?;
        }
        Ok(())
    }

    /// Attention of one layer: its matrices are rounded, and both models go through it. Of the last,
    /// only the rows of `<s>` are computed behind keys and values.
    async fn attention(&mut self, hidden: State, last: bool) -> Result<State> {
        let width = self.config.hidden_size;
        let lengths: Vec<usize> = self.pairs.iter().map(|pair| pair.ids.len()).collect();
        let firsts = last.then(|| hidden.map(|x| first_rows(x, &lengths, width)));

        let of_all = feedback(&hidden, width)?;
        let of_firsts = firsts.as_ref().map(|x| feedback(x, width)).transpose()?;
        let mut qkv = self.dense(of_firsts.as_ref().unwrap_or(&of_all)).await?;
        qkv.append(self.dense(&of_all).await?);
        qkv.append(self.dense(&of_all).await?);
        let context = hidden.with(&qkv.try_map(Rows::pack)?, |x, qkv| self.context(x, qkv, last));
        let hidden = firsts.unwrap_or(hidden);

        let out = self.dense(&feedback(&context, width)?).await?.try_map(Rows::pack)?;
        let mut attended = context.with(&out, |x, out| out.apply_shared(x));
        attended.normalize(&self.norm().await?, Some(&hidden));
        Ok(attended)
    }

    /// The rest of the layer, in the same way.
    async fn feed_forward(&mut self, attended: State) -> Result<State> {
        let width = self.config.hidden_size;
        let up = self.dense(&feedback(&attended, width)?).await?.try_map(Rows::pack)?;
        let middle = self.config.hidden_act;
        // Too much to be kept of all tokens.
        let inner = |x: Both<&[f32]>| {
            x.with(&up, |x, up| {
                let mut inner = up.apply_shared(x);
                activate(middle, &mut inner);
                inner
            })
        };
        let mut inputs = Inputs::new(self.config.intermediate_size);
        for rows in attended.chunks(TOKENS * width) {
            let inner = inner(rows);
            inputs.add(&inner.rounded, &inner.exact);
        }
        let down = self.dense(&Feedback::new(inputs, DAMPING)?).await?.try_map(Rows::pack)?;
        let mut out = State::default();
        for rows in attended.chunks(TOKENS * width) {
            out.append(inner(rows).with(&down, |x, down| down.apply_shared(x)));
        }
        out.normalize(&self.norm().await?, Some(&attended));
        Ok(out)
    }

    /// What attention makes of all tokens, some pairs at a time.
    fn context(&self, hidden: &[f32], qkv: &Dense, last: bool) -> Vec<f32> {
        let heads = Heads { count: self.config.num_attention_heads, size: self.config.head_size() };
        let mut context = Vec::new();
        let mut rest = hidden;
        for pairs in self.pairs.chunks(PAIRS) {
            let lengths: Vec<usize> = pairs.iter().map(|pair| pair.ids.len()).collect();
            let numbers = lengths.iter().sum::<usize>() * self.config.hidden_size;
            let (x, others) = rest.split_at(numbers);
            rest = others;
            let rows = if last { lengths.len() } else { lengths.iter().sum() };
            let first = context.len();
            context.resize(first + rows * self.config.hidden_size, 0.0);
            let qkv = qkv.apply_shared(x);
            attention(&qkv, heads, &lengths, last, None, &mut context[first..]);
        }
        context
    }

    /// The head, and what its last matrix has to take up.
    async fn head(&mut self, firsts: &State) -> Result<()> {
        let (width, labels) = (self.config.hidden_size, self.config.labels.len());
        let dense = self.dense(&feedback(firsts, width)?).await?.try_map(Rows::pack)?;
        let features = firsts.with(&dense, |x, dense| {
            let mut features = dense.apply_shared(x);
            activate_head(self.config, &mut features);
            features
        });
        let (weight, bias) = (self.next()?, self.next()?);
        let mut project = Rows::read(&weight, &bias).await?;
        let packed = project.pack()?;
        let scores = features.map(|x| packed.apply_shared(x));
        for label in 0..labels {
            let of_label = scores.exact.iter().zip(&scores.rounded).skip(label).step_by(labels);
            let left: Vec<f32> = of_label.map(|(exact, rounded)| exact - rounded).collect();
            let (moves, bias) = fit::fit(&features.rounded, &left, FIT_DAMPING)?;
            let weights = &mut project.weights[label * width..][..width];
            weights.iter_mut().zip(moves).for_each(|(weight, more)| *weight += more as f32);
            project.bias[label] += bias as f32;
        }
        self.writer.numbers(&project.weights)?;
        self.writer.numbers(&project.bias)?;
        self.count(project.weights.len() + project.bias.len());
        Ok(())
    }

    /// The next matrix and its bias, rounded and written.
    async fn dense(&mut self, feedback: &Feedback) -> Result<Both<Rows>> {
        let (weight, bias) = (self.next()?, self.next()?);
        let exact = Rows::read(&weight, &bias).await?;
        let (format, block) = self.rounding.scheme(weight.name(), weight.shape());
        let weights = match format {
            WeightFormat::F16 => {
                self.writer.numbers(&exact.weights)?;
                in_f16(&exact.weights)
            }
            _ => {
                let matrix = feedback.round(weight.name(), format, block, &exact.weights)?;
                self.writer.matrix(format, &matrix)?;
                let mut weights = Vec::with_capacity(exact.weights.len());
                matrix.expand(weight.row_len(), block, &mut weights);
                weights
            }
        };
        self.writer.numbers(&exact.bias)?;
        self.count(exact.weights.len() + exact.bias.len());
        let rounded = Rows { weights, bias: in_f16(&exact.bias) };
        Ok(Both { exact, rounded })
    }

    /// The next LayerNorm, written.
    async fn norm(&mut self) -> Result<Both<Norm>> {
        let (gamma, beta) = (self.next()?, self.next()?);
        let Rows { weights: gamma, bias: beta } = Rows::read(&gamma, &beta).await?;
        self.writer.numbers(&gamma)?;
        self.writer.numbers(&beta)?;
        self.count(gamma.len() + beta.len());
        let eps = self.config.layer_norm_eps;
        let rounded = Norm { gamma: in_f16(&gamma), beta: in_f16(&beta), eps };
        Ok(Both { exact: Norm { gamma, beta, eps }, rounded })
    }
}

fn feedback(x: &State, width: usize) -> Result<Feedback> {
    let mut inputs = Inputs::new(width);
    for x in x.chunks(TOKENS * width) {
        inputs.add(x.rounded, x.exact);
    }
    Feedback::new(inputs, DAMPING)
}

fn in_f16(numbers: &[f32]) -> Vec<f32> {
    numbers.iter().map(|number| f16::from_f32(*number).to_f32()).collect()
}
