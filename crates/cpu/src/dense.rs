//! Dense layers, in whichever numbers.

use super::Numbers;
use super::integer::{Bits, Matrix};
#[cfg(not(target_arch = "wasm32"))]
use super::room_for;
use crate::error::Result;

#[cfg(not(target_arch = "wasm32"))]
use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
#[cfg(not(target_arch = "wasm32"))]
use rten_tensor::NdTensorView;

/// A matrix and its bias.
pub(super) struct Dense {
    matrix: Packed,
    inputs: usize,
    bias: Vec<f32>, // [outputs]
}

enum Packed {
    /// Always packed: multiplied otherwise, a single row would take another kernel, with sums in
    /// another order.
    #[cfg(not(target_arch = "wasm32"))]
    Float(PackedBMatrix<f32>),
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
    #[cfg(not(target_arch = "wasm32"))]
    Float(Vec<f32>),
    Whole(Matrix),
}

impl Packer {
    /// For a matrix of this shape, called `name`.
    pub fn new(name: &str, numbers: Numbers, inputs: usize, outputs: usize) -> Result<Packer> {
        let matrix = match numbers {
            #[cfg(not(target_arch = "wasm32"))]
            Numbers::F32 => Packing::Float(room_for(name, inputs * outputs)?),
            Numbers::I16 => Packing::Whole(Matrix::zeros(name, Bits::Sixteen, inputs, outputs)?),
            Numbers::I8 => Packing::Whole(Matrix::zeros(name, Bits::Eight, inputs, outputs)?),
        };
        Ok(Packer { matrix, inputs, outputs, row: 0 })
    }

    /// The next rows.
    pub fn push(&mut self, rows: &[f32]) {
        match &mut self.matrix {
            #[cfg(not(target_arch = "wasm32"))]
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
            #[cfg(not(target_arch = "wasm32"))]
            Packing::Float(numbers) => {
                let matrix = NdTensorView::from_data([self.outputs, self.inputs], &numbers[..]);
                Packed::Float(GemmExecutor::<f32>::default().prepack_b(matrix.transposed()))
            }
            Packing::Whole(matrix) => Packed::Whole(matrix),
        };
        Dense { matrix, inputs: self.inputs, bias }
    }
}

impl Dense {
    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let matrix = match &self.matrix {
            #[cfg(not(target_arch = "wasm32"))]
            Packed::Float(matrix) => size_of::<f32>() * matrix.rows() * matrix.cols(),
            Packed::Whole(matrix) => matrix.bytes(),
        };
        matrix + size_of_val(&self.bias[..])
    }

    /// `x W^T + bias`: x is `[rows, inputs]`, the result `[rows, outputs]`.
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.inputs;
        let mut out = vec![0.0; rows * self.bias.len()];
        match &self.matrix {
            #[cfg(not(target_arch = "wasm32"))]
            Packed::Float(matrix) => {
                let options =
                    GemmOptions { bias: Some(BiasVector::Row(&self.bias)), ..Default::default() };
                let x = GemmInputA::Unpacked(NdTensorView::from_data([rows, self.inputs], x));
                GemmExecutor::default()
                    .gemm(&mut out, x, GemmInputB::Packed(matrix), options)
                    .expect("the shapes were made to fit");
            }
            Packed::Whole(matrix) => matrix.multiply(x, &self.bias, &mut out),
        }
        out
    }
}

/// The name of the kernel that multiplies f32 on this machine.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn float_kernel() -> String {
    GemmExecutor::<f32>::default().kernel_name().to_owned()
}
