//! What WebAssembly computes with: one thread and vectors of four numbers. Native tests run it, too.

mod curves;
#[cfg(target_arch = "wasm32")]
pub(crate) mod pause;
mod products;

pub(crate) use curves::{gelu, gelu_tanh, softmax};
pub(crate) use products::multiply;

use crate::Numbers;
use crate::products::View;

/// The fastest numbers that keep weights as they are to within f16.
pub(crate) const NUMBERS: Numbers = Numbers::I16;

/// Whether weights of 8 bits are multiplied as f32: integers take less time and memory.
pub(crate) fn expands_8_bits() -> bool {
    false
}

/// Threads that [`chunks`] uses.
pub(crate) fn threads() -> usize {
    1
}

/// Calls `work` with the index and the numbers of each run of `size` of `out`; the last may be
/// shorter.
pub(crate) fn chunks(out: &mut [f32], size: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    out.chunks_mut(size).enumerate().for_each(|(index, chunk)| work(index, chunk));
}

/// Calls `work` with each of `work_on`.
pub(crate) fn each<T: Send>(work_on: Vec<T>, work: impl Fn(T) + Sync + Send) {
    work_on.into_iter().for_each(work);
}

/// An f32 matrix as it is multiplied.
pub(crate) struct FloatMatrix {
    numbers: Vec<f32>, // [outputs, inputs]
    inputs: usize,
}

impl FloatMatrix {
    /// Takes `numbers`, `[outputs, inputs]`.
    pub fn new(numbers: Vec<f32>, inputs: usize) -> FloatMatrix {
        FloatMatrix { numbers, inputs }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.numbers[..])
    }

    /// `x W^T + bias`, into `out`, `[rows, outputs]`.
    pub fn multiply(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let inputs = self.inputs;
        let x = View { data: x, rows: x.len() / inputs, columns: inputs, strides: [inputs, 1] };
        let transposed =
            View { data: &self.numbers, rows: inputs, columns: bias.len(), strides: [1, inputs] };
        multiply(x, transposed, out);
        for row in out.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
        }
    }

    /// The name of what multiplies.
    pub fn kernel() -> String {
        "portable".into()
    }
}
