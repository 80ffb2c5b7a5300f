//! Dense layers, in whichever numbers.

use super::buffers::Buffer;
use super::integer::{Bits, Matrix, rounded};
use super::platform::{FloatMatrix, expands_8_bits};
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
    /// Rounded to 8 bits, and kept as the f32 that they stand for.
    Expanded(Vec<f32>),
    Whole(Matrix),
}

impl Packer {
    /// For a matrix of this shape, called `name`.
    pub fn new(name: &str, numbers: Numbers, inputs: usize, outputs: usize) -> Result<Packer> {
        Self::with((numbers, expands_8_bits()), name, inputs, outputs)
    }

    /// The same where weights of 8 bits are to be multiplied as f32, or as integers.
    fn with(
        (numbers, expand): (Numbers, bool),
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Packer> {
        let matrix = match numbers {
            Numbers::F32 => Packing::Float(room_for(name, inputs * outputs)?),
            Numbers::I16 => Packing::Whole(Matrix::zeros(name, Bits::Sixteen, inputs, outputs)?),
            Numbers::I8 if expand => Packing::Expanded(room_for(name, inputs * outputs)?),
            Numbers::I8 => Packing::Whole(Matrix::zeros(name, Bits::Eight, inputs, outputs)?),
        };
        Ok(Packer { matrix, inputs, outputs, row: 0 })
    }

    /// The next rows.
    pub fn push(&mut self, rows: &[f32]) {
        match &mut self.matrix {
            Packing::Float(numbers) => numbers.extend_from_slice(rows),
            Packing::Expanded(numbers) => {
                numbers.extend(rows.chunks_exact(self.inputs).flat_map(rounded));
            }
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
            Packing::Float(numbers) | Packing::Expanded(numbers) => {
                Packed::Float(FloatMatrix::new(numbers, self.inputs))
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

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: usize = 9;
    /// The last block of a row has 22 of them.
    const INPUTS: usize = 150;
    const OUTPUTS: usize = 96;

    fn numbers(count: usize, salt: usize) -> Vec<f32> {
        (0..count).map(|i| (((i + salt) * 7919 + 13) % 2003) as f32 / 1000.0 - 1.0).collect()
    }

    /// These weights in some numbers, those of 8 bits expanded or not; handed over in two parts.
    fn dense(of: (Numbers, bool), weights: &[f32], bias: &[f32]) -> Dense {
        let inputs = weights.len() / bias.len();
        let mut packer = Packer::with(of, "w", inputs, bias.len()).unwrap();
        let (first, rest) = weights.split_at(inputs);
        packer.push(first);
        packer.push(rest);
        packer.finish(bias.to_vec())
    }

    /// What the weights of a block become when its largest is to be 127 units. The integers are
    /// found in f32: some weights lie so nearly halfway between two that f64 would find the other.
    fn units(block: &[f32]) -> impl Iterator<Item = f64> {
        let scale = block.iter().fold(0.0, |most: f32, w| most.max(w.abs())) / 127.0;
        let integers = block.iter().map(move |w| (w * (1.0 / scale)).round_ties_even());
        integers.map(move |integer| f64::from(integer) * f64::from(scale))
    }

    /// The largest distance of `out` from the products with `weights` in f64, as a share of what the
    /// products' absolute values add up to.
    fn distance(out: &[f32], x: &[f32], weights: &[f64], bias: &[f32]) -> f64 {
        let mut most: f64 = 0.0;
        for (x, out) in x.chunks_exact(INPUTS).zip(out.chunks_exact(OUTPUTS)) {
            for ((w, bias), out) in weights.chunks_exact(INPUTS).zip(bias).zip(out) {
                let products = x.iter().zip(w).map(|(x, w)| f64::from(*x) * w);
                let expected = products.clone().sum::<f64>() + f64::from(*bias);
                let all = products.map(f64::abs).sum::<f64>();
                most = most.max((f64::from(*out) - expected).abs() / all);
            }
        }
        most
    }

    #[test]
    fn expanded_weights_are_those_of_8_bits_and_activations_are_not_rounded() {
        let (mut w, bias) = (numbers(OUTPUTS * INPUTS, 1), numbers(OUTPUTS, 3));
        // Blocks have scales of many sizes.
        w.iter_mut().enumerate().for_each(|(i, w)| *w *= ((i / 32 % 7) as f32).exp2());
        let x = numbers(ROWS * INPUTS, 5);
        let expanded = dense((Numbers::I8, true), &w, &bias);
        let by_f32 = expanded.apply(&x);
        let by_integers = dense((Numbers::I8, false), &w, &bias).apply(&x);

        let blocks = w.chunks_exact(INPUTS).flat_map(|row| row.chunks(32));
        let rounded: Vec<f64> = blocks.flat_map(units).collect();
        let near = distance(&by_f32, &x, &rounded, &bias);
        let integers = distance(&by_integers, &x, &rounded, &bias);
        // Vectors sum in f32, and a matrix unit multiplies in halves. Integers round activations, too.
        assert!(near < 5e-6 && near < integers && integers < 2e-5, "{near} {integers}");

        let exact: Vec<f64> = w.iter().map(|w| f64::from(*w)).collect();
        let from_f32 = distance(&by_f32, &x, &exact, &bias);
        assert!(from_f32 > 1e-3 && from_f32 < 5e-3, "{from_f32}");
        assert_eq!(expanded.apply_shared(&x)[..], by_f32[..]);
    }

    #[test]
    fn expanded_weights_need_the_memory_of_f32() {
        // Whole blocks, and whole panels of a matrix unit.
        let inputs = 160;
        let (w, bias) = (numbers(OUTPUTS * inputs, 1), numbers(OUTPUTS, 3));
        let bytes = |of| dense(of, &w, &bias).bytes();
        let of_f32 = bytes((Numbers::F32, false));
        assert_eq!(of_f32, 4 * (OUTPUTS * inputs + OUTPUTS));
        assert_eq!(bytes((Numbers::I8, true)), of_f32);
        // A byte a weight, and a scale for 32 of them.
        let of_integers = OUTPUTS * inputs * 36 / 32 + 4 * OUTPUTS;
        assert_eq!(bytes((Numbers::I8, false)), of_integers);
        // Nothing else is expanded.
        for numbers in [Numbers::F32, Numbers::I16] {
            assert_eq!(bytes((numbers, true)), bytes((numbers, false)));
        }
        let mut packer = Packer::new("w", Numbers::I8, inputs, OUTPUTS).unwrap();
        packer.push(&w);
        let of_this_machine = if expands_8_bits() { of_f32 } else { of_integers };
        assert_eq!(packer.finish(bias.clone()).bytes(), of_this_machine);
    }

    #[test]
    fn an_expanded_weight_that_is_not_finite_spoils_its_output_alone() {
        let x = numbers(ROWS * INPUTS, 5);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut w = numbers(OUTPUTS * INPUTS, 1);
            w[17 * INPUTS + 40] = bad;
            let out = dense((Numbers::I8, true), &w, &[0.0; OUTPUTS]).apply(&x);
            for (at, out) in out.iter().enumerate() {
                assert_eq!(out.is_finite(), at % OUTPUTS != 17, "{bad}: {out} at {at}");
            }
        }
    }
}
