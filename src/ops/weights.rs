//! A weight matrix on the GPU, as every variant of [`super::matmul`] reads it.

use half::f16;

use super::shaders::PANEL;
use super::{check, padded_vector, stride, to_f16};
use crate::checkpoint::{Quantised, WeightFormat};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu};

/// A weight matrix `[outputs, inputs]` in panels of words: `[outputs / PANEL, inputs / n, PANEL]`,
/// each word n neighbouring inputs of one output in a u32: 2 in f16, 4 in q8, 8 in q4. So the
/// invocations of a tile read neighbouring memory, and each load brings several numbers. Inputs are
/// padded with zeros to a multiple of the block, outputs to one of [`PANEL`]. Of quantised weights the
/// scales, f16, lie likewise: `[outputs / PANEL, blocks / 2, PANEL]`, two blocks a u32.
#[derive(Debug)]
pub struct Weights {
    pub(super) format: WeightFormat,
    pub(super) panels: Buffer,
    pub(super) scales: Option<Buffer>,
    pub(super) bias: Buffer,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Weights {
    /// Zeroed weights in f16, to be filled by [`Weights::write_panel`], with their bias.
    pub async fn zeros(gpu: &Gpu, label: &str, inputs: usize, bias: &[f32]) -> Result<Weights> {
        Weights::of(gpu, label, WeightFormat::F16, inputs, bias).await
    }

    /// Zeroed weights of a format, to be filled by [`Weights::write_panel`] or
    /// [`Weights::write_quantised`], with their bias.
    pub async fn of(
        gpu: &Gpu,
        label: &str,
        format: WeightFormat,
        inputs: usize,
        bias: &[f32],
    ) -> Result<Weights> {
        let outputs = bias.len();
        let numbers = stride(outputs) * inputs.next_multiple_of(format.block());
        let scale_bytes = stride(outputs) * scale_pairs(format, inputs) * 4;
        let scaled = format != WeightFormat::F16;
        Ok(Weights {
            format,
            panels: gpu.buffer(label, (numbers * format.bits() / 8) as u64)?,
            scales: scaled.then(|| gpu.buffer(label, scale_bytes as u64)).transpose()?,
            bias: padded_vector(gpu, label, bias).await?,
            inputs,
            outputs,
        })
    }

    /// Weights whose panels, of `inputs` and `outputs`, and bias lie in these buffers.
    pub fn over(panels: Buffer, bias: Buffer, inputs: usize, outputs: usize) -> Weights {
        Weights { format: WeightFormat::F16, panels, scales: None, bias, inputs, outputs }
    }

    /// Whether the buffers are large enough.
    pub fn fits(&self) -> bool {
        let pairs = stride(self.outputs) as u64 * u64::from(self.pairs());
        self.panels.size() >= 4 * pairs && self.bias.size() >= 4 * stride(self.outputs) as u64
    }

    /// Pairs of inputs of an output, as they lie in memory.
    pub fn pairs(&self) -> u32 {
        (self.padded_inputs() / 2) as u32
    }

    /// Inputs padded with zeros to whole blocks, which no variant's step exceeds.
    fn padded_inputs(&self) -> usize {
        self.inputs.next_multiple_of(self.format.block())
    }

    /// Numbers that each output sums over.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How many sums there are.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The panels as they lie in memory.
    pub fn panel_buffer(&self) -> &Buffer {
        &self.panels
    }

    /// The bias, f32, padded with zeros.
    pub fn bias_buffer(&self) -> &Buffer {
        &self.bias
    }

    /// How many panels there are to fill.
    pub fn panels(&self) -> usize {
        stride(self.outputs) / PANEL as usize
    }

    /// Fills panel `panel` from `rows`: up to [`PANEL`] rows of `inputs` numbers, the outputs
    /// from `panel * PANEL` on.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Checkpoint`] naming `label` where f16 cannot hold a number.
    pub async fn write_panel(
        &self,
        gpu: &Gpu,
        label: &str,
        panel: usize,
        rows: &[f32],
    ) -> Result<()> {
        let (width, inputs) = (PANEL as usize, self.padded_inputs());
        let fits = panel < self.panels() && rows.len() <= width * self.inputs;
        check("matmul", label, fits && self.format == WeightFormat::F16)?;
        let mut packed = vec![[f16::ZERO; 2]; inputs / 2 * width];
        let mut row_f16 = vec![f16::ZERO; inputs];
        for (column, row) in rows.chunks_exact(self.inputs).enumerate() {
            to_f16(label, row, &mut row_f16[..self.inputs])?;
            let pairs = row_f16.as_chunks::<2>().0;
            for (to, pair) in packed[column..].iter_mut().step_by(width).zip(pairs) {
                *to = *pair;
            }
        }
        gpu.write(&self.panels, (panel * packed.len() * 4) as u64, &packed).await
    }

    /// Fills panel `panel` of quantised weights from up to [`PANEL`] rows of them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Gpu`] naming `label` where rows and weights do not fit each other.
    pub async fn write_quantised(
        &self,
        gpu: &Gpu,
        label: &str,
        panel: usize,
        rows: &Quantised,
    ) -> Result<()> {
        let (width, bits) = (PANEL as usize, self.format.bits());
        let (a_word, blocks) = (32 / bits, self.inputs.div_ceil(self.format.block()));
        let count = rows.integers.len() / self.inputs;
        let Some(scales) = &self.scales else {
            return check("matmul", label, false);
        };
        check(
            "matmul",
            label,
            panel < self.panels() && count <= width && rows.scales.len() == count * blocks,
        )?;
        let mut words = vec![0u32; self.padded_inputs() / a_word * width];
        for (column, row) in rows.integers.chunks_exact(self.inputs).enumerate() {
            let to = words[column..].iter_mut().step_by(width);
            for (word, integers) in to.zip(row.chunks(a_word)) {
                for (place, integer) in integers.iter().enumerate() {
                    let mask = u32::MAX >> (32 - bits);
                    *word |= (*integer as u32 & mask) << (place * bits);
                }
            }
        }
        let mut pairs = vec![[f16::ZERO; 2]; scale_pairs(self.format, self.inputs) * width];
        for (column, row) in rows.scales.chunks_exact(blocks).enumerate() {
            for (pair, scales) in pairs[column..].iter_mut().step_by(width).zip(row.chunks(2)) {
                pair[..scales.len()].copy_from_slice(scales);
            }
        }
        gpu.write(&self.panels, (panel * words.len() * 4) as u64, &words).await?;
        gpu.write(scales, (panel * pairs.len() * 4) as u64, &pairs).await
    }
}

/// Words of two scales each that an output of `inputs` inputs has.
fn scale_pairs(format: WeightFormat, inputs: usize) -> usize {
    inputs.div_ceil(format.block()).div_ceil(2)
}
