//! Dense layers, in whichever numbers.

use super::buffers::Buffer;
use super::integer::{Bits, Matrix};
use super::platform::FloatMatrix;
use super::shares::by_rows;
use super::{Numbers, room_for};
use cappy::Result;

/// A matrix and its bias.
pub(super) struct Dense {
    matrix: Packed,
    inputs: usize,
    bias: Vec<f32>, // [outputs]
}

enum Packed {
    Float(FloatMatrix),
    Whole(Matrix),
}

/// Takes the rows of a matrix, `[outputs, inputs]`, one after the other.
pub(super) struct Packer {
    matrix: Packing,
    inputs: usize,
    outputs: usize,
    row: usize,
}

enum Packing {
    Float(Vec<f32>),
    Whole(Matrix),
}

impl Packer {
    /// For a matrix of this shape, called `name`.
    pub fn new(name: &str, numbers: Numbers, inputs: usize, outputs: usize) -> Result<Packer> {
        let matrix = match numbers {
            Numbers::F32 => Packing::Float(room_for(name, inputs * outputs)?),
            Numbers::I16 => Packing::Whole(Matrix::zeros(name, Bits::Sixteen, inputs, outputs)?),
            Numbers::I8 => Packing::Whole(Matrix::zeros(name, Bits::Eight, inputs, outputs)?),
        };
        Ok(Packer { matrix, inputs, outputs, row: 0 })
    }

    /// The next rows.
    pub fn push(&mut self, rows: &[f32]) {
        match &mut self.matrix {
            Packing::Float(numbers) => numbers.extend_from_slice(rows),
            Packing::Whole(matrix) => {
                for row in rows.chunks_exact(self.inputs) {
                    matrix.set_row(self.row, row);
                    self.row += 1;
                }
            }
        }
    }

    /// The layer, once all rows are there.
    pub fn finish(self, bias: Vec<f32>) -> Dense {
        debug_assert_eq!(bias.len(), self.outputs);
        let matrix = match self.matrix {
            Packing::Float(numbers) => Packed::Float(FloatMatrix::new(numbers, self.inputs)),
            Packing::Whole(matrix) => Packed::Whole(matrix),
        };
        Dense { matrix, inputs: self.inputs, bias }
    }
}

impl Dense {
    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let matrix = match &self.matrix {
            Packed::Float(matrix) => matrix.bytes(),
            Packed::Whole(matrix) => matrix.bytes(),
        };
        matrix + size_of_val(&self.bias[..])
    }

    /// `x W^T + bias` by this thread: x is `[rows, inputs]`, the result `[rows, outputs]`.
    pub fn apply(&self, x: &[f32]) -> Buffer {
        let mut out = Buffer::of(x.len() / self.inputs * self.bias.len());
        self.apply_to(x, &mut out);
        out
    }

    /// The same into `out`.
    pub fn apply_to(&self, x: &[f32], out: &mut [f32]) {
        match &self.matrix {
            Packed::Float(matrix) => matrix.multiply(x, &self.bias, out),
            Packed::Whole(matrix) => matrix.multiply(x, &self.bias, out),
        }
    }

    /// The same by all threads.
    pub fn apply_shared(&self, x: &[f32]) -> Vec<f32> {
        let inputs = self.inputs;
        let mut out = vec![0.0; x.len() / inputs * self.bias.len()];
        by_rows(&mut out, self.bias.len(), |rows, out| {
            self.apply_to(&x[rows.start * inputs..rows.end * inputs], out);
        });
        out
    }

    /// The name of what multiplies f32 on this machine.
    pub fn float_kernel() -> String {
        FloatMatrix::kernel()
    }
}
