//! The trained parameters: master weights in f32, and the state of AdamW.

use crate::checkpoint::Checkpoint;
use crate::encoder::runs;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Step};
use crate::ops::training::adamw::{AdamW, Moments, adamw};
use crate::ops::training::clip::clip;
use crate::ops::training::sum_of_squares::{SUMS, sum_of_squares};
use crate::ops::{Matrix, Storage, stride};

/// One tensor of a checkpoint within a [`Parameter`].
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Its name in the checkpoint.
    pub name: String,
    /// Its rows, which follow those of the part before; numbers, if it is a vector.
    pub rows: usize,
}

/// One tensor that is trained, as the kernels hold it.
pub(super) struct Parameter {
    pub parts: Vec<Part>,
    /// Whether its tensors have one dimension. Its numbers are the only row of `master` then.
    pub vector: bool,
    pub master: Matrix, // [rows, width] f32
    pub moments: Moments,
    /// Which of its rows lie in another order than in the checkpoint.
    pub paired: Option<Paired>,
}

/// The rows of queries and keys that rotary positions rotate: the two halves of each head lie side by side, row by
/// row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paired {
    /// Rows of a head.
    pub head: usize,
    /// Rows that are such heads, from the first one on.
    pub rows: usize,
}

impl Paired {
    /// Puts numbers in the checkpoint's order into that of the kernels; those of a row are `width`.
    pub fn arrange(self, numbers: Vec<f32>, width: usize) -> Vec<f32> {
        self.with(numbers, width, |heads| runs::paired(heads, width, Some(self.head)))
    }

    /// The other way round.
    pub fn restore(self, numbers: Vec<f32>, width: usize) -> Vec<f32> {
        self.with(numbers, width, |heads| runs::unpaired(heads, width, self.head))
    }

    fn with(
        self,
        mut numbers: Vec<f32>,
        width: usize,
        of_heads: impl Fn(Vec<f32>) -> Vec<f32>,
    ) -> Vec<f32> {
        let rest = numbers.split_off(self.rows * width);
        let mut out = of_heads(numbers);
        out.extend(rest);
        out
    }
}

impl Parameter {
    /// What `master` holds is where training begins.
    pub fn new(gpu: &Gpu, parts: Vec<Part>, vector: bool, master: Matrix) -> Result<Parameter> {
        let zeros = || gpu.buffer(&parts[0].name, master.buffer.size());
        let moments = Moments { gradient: zeros()?, mean: zeros()?, square: zeros()? };
        Ok(Parameter { parts, vector, master, moments, paired: None })
    }

    /// Its gradient in the shape of the tensor.
    pub fn gradient(&self) -> Matrix {
        Matrix { buffer: self.moments.gradient.clone(), ..self.master.clone() }
    }

    /// Numbers in a row of its tensors.
    fn row(&self) -> usize {
        if self.vector { 1 } else { self.master.width }
    }

    /// The numbers of one of its buffers without the padding.
    async fn numbers(&self, gpu: &Gpu, buffer: &Buffer) -> Result<Vec<f32>> {
        let (width, stride) = (self.master.width, stride(self.master.width));
        let padded = gpu.read_f32(buffer, self.master.rows * stride).await?;
        Ok(padded.chunks_exact(stride).flat_map(|row| &row[..width]).copied().collect())
    }
}

/// What an optimizer step is made with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Its learning rate.
    pub learning_rate: f64,
    /// The most that the norm of all gradients may be; 0 for no limit.
    pub most_norm: f32,
    /// AdamW's own numbers. Weight decay leaves vectors alone, as is usual.
    pub adamw: AdamW,
}

/// All that is trained.
pub(super) struct Parameters {
    pub list: Vec<Parameter>,
    clip: Buffer, // factor, norm
    sums: Option<Buffer>,
    /// Optimizer steps so far.
    pub steps: u32,
}

impl Parameters {
    pub fn new(gpu: &Gpu) -> Result<Parameters> {
        Ok(Parameters { list: Vec::new(), clip: gpu.buffer("clip", 16)?, sums: None, steps: 0 })
    }

    /// Counts one more step and returns its number.
    pub fn add(&mut self, parameter: Parameter) -> usize {
        self.list.push(parameter);
        self.list.len() - 1
    }

    /// An optimizer step with the gradients summed up so far, which are zero afterwards.
    pub fn update(&mut self, gpu: &Gpu, update: &Update) -> Result<Vec<Step>> {
        let sums = match &self.sums {
            Some(sums) => sums.clone(),
            None => gpu.buffer("sums of squares", (4 * SUMS * self.list.len()) as u64)?,
        };
        self.sums = Some(sums.clone());
        self.steps += 1;
        let mut steps = Vec::new();
        let mut written = 0;
        for parameter in &self.list {
            let gradient = &parameter.moments.gradient;
            let (step, more) = sum_of_squares("gradient norm", gradient, &sums, written)?;
            steps.push(step);
            written += more;
        }
        steps.push(clip("gradient norm", written, update.most_norm, &sums, &self.clip)?);
        for Parameter { vector, master, moments, .. } in &self.list {
            let plain = AdamW { weight_decay: 0.0, ..update.adamw };
            let numbers = if *vector { &plain } else { &update.adamw };
            let rate = update.learning_rate;
            let clip = &self.clip;
            steps.push(adamw("adamw", numbers, rate, self.steps, clip, moments, &master.buffer)?);
        }
        Ok(steps)
    }

    /// The norm of the gradients of the last update, before it was limited.
    pub async fn norm(&self, gpu: &Gpu) -> Result<f32> {
        Ok(gpu.read_f32(&self.clip, 2).await?[1])
    }

    /// The tensors as a checkpoint has them: name, shape, numbers; one parameter at a time.
    pub async fn tensors(&self, gpu: &Gpu, index: usize) -> Result<Vec<Tensor>> {
        let parameter @ Parameter { parts, vector, master, .. } = &self.list[index];
        let mut numbers = parameter.numbers(gpu, &master.buffer).await?;
        let row = parameter.row();
        if let Some(paired) = parameter.paired {
            numbers = paired.restore(numbers, row);
        }
        let mut rest = &numbers[..];
        Ok(parts
            .iter()
            .map(|part| {
                let (mine, after) = rest.split_at(part.rows * row);
                rest = after;
                let shape = if *vector { vec![part.rows] } else { vec![part.rows, row] };
                Tensor { name: part.name.clone(), shape, numbers: mine.to_vec() }
            })
            .collect())
    }

    /// Names and shapes of what [`Parameters::state`] gives.
    pub fn state_shapes(&self, index: usize) -> [(String, Vec<usize>); 3] {
        let parameter = &self.list[index];
        let shape = [parameter.master.rows, parameter.master.width];
        STATE.map(|suffix| (state_name(index, parameter, suffix), shape.to_vec()))
    }

    /// Everything that going on needs: three tensors a parameter, named by its place and first part.
    pub async fn state(&self, gpu: &Gpu, index: usize) -> Result<Vec<Tensor>> {
        let parameter = &self.list[index];
        let Moments { mean, square, .. } = &parameter.moments;
        let buffers = [&parameter.master.buffer, mean, square];
        let mut tensors = Vec::new();
        for ((name, shape), buffer) in self.state_shapes(index).into_iter().zip(buffers) {
            tensors.push(Tensor { name, shape, numbers: parameter.numbers(gpu, buffer).await? });
        }
        Ok(tensors)
    }

    /// Goes back to what [`Parameters::state`] said, as `state` holds it.
    pub async fn restore(&mut self, gpu: &Gpu, state: &Checkpoint) -> Result<()> {
        for (index, parameter) in self.list.iter().enumerate() {
            let Moments { mean, square, .. } = &parameter.moments;
            let master = &parameter.master;
            for (suffix, buffer) in STATE.into_iter().zip([&master.buffer, mean, square]) {
                let name = state_name(index, parameter, suffix);
                let tensor = state.get(&name, &[master.rows, master.width])?;
                let mut numbers = Vec::new();
                tensor.read_rows(0..master.rows, &mut numbers).await?;
                let whole = Matrix { buffer: buffer.clone(), ..master.clone() };
                whole.write_rows(gpu, &name, 0, &numbers).await?;
            }
        }
        Ok(())
    }

    /// Weights as [`Parameters::tensors`] gave them, of every parameter.
    pub async fn set(&self, gpu: &Gpu, all: &[Vec<Tensor>]) -> Result<()> {
        for (parameter, tensors) in self.list.iter().zip(all) {
            let mut numbers: Vec<f32> =
                tensors.iter().flat_map(|tensor| &tensor.numbers).copied().collect();
            if let Some(paired) = parameter.paired {
                numbers = paired.arrange(numbers, parameter.row());
            }
            parameter.master.write_rows(gpu, &tensors[0].name, 0, &numbers).await?;
        }
        Ok(())
    }

    /// Forgets the gradients since the last update.
    pub async fn forget_gradients(&self, gpu: &Gpu) -> Result<()> {
        for Parameter { moments, .. } in &self.list {
            let zeros = vec![0u32; moments.gradient.size() as usize / 4];
            gpu.write(&moments.gradient, 0, &zeros).await?;
        }
        Ok(())
    }
}

/// What is saved of each parameter, so that training can continue.
const STATE: [&str; 3] = ["weight", "mean", "square"];

fn state_name(index: usize, parameter: &Parameter, suffix: &str) -> String {
    format!("{index}/{}/{suffix}", parameter.parts[0].name)
}

/// A tensor to be written to a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its name in a checkpoint.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers, row by row.
    pub numbers: Vec<f32>,
}

/// A vector on the GPU as the only row of a matrix.
pub(super) fn row(buffer: &Buffer, width: usize) -> Matrix {
    Matrix { buffer: buffer.clone(), rows: 1, width, storage: Storage::F32 }
}
