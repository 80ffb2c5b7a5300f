//! What native programs compute with: the machine's threads and widest vectors.

use rayon::prelude::*;
use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::{SimdOp, SimdUnaryOp};
use rten_tensor::NdTensorView;

use crate::Numbers;
use crate::products::View;
use crate::tile::amx::Amx;

pub(crate) mod split;

/// The fastest numbers that keep weights as they are to within f16.
pub(crate) const NUMBERS: Numbers = Numbers::F32;

/// Whether weights of 8 bits are multiplied as f32. The matrix unit takes less time for f32 than vectors
/// take for integers, and a block's own scale would part its sums after every block.
pub(crate) fn expands_8_bits() -> bool {
    Amx::find().is_some()
}

/// GELU by erf of each number. The error function is off by less than 7e-7.
pub(crate) fn gelu(x: &mut [f32]) {
    rten_vecmath::Gelu {}.map_mut(x);
}

/// GELU by tanh of each number.
pub(crate) fn gelu_tanh(x: &mut [f32]) {
    rten_vecmath::ApproxGelu {}.map_mut(x);
}

/// The softmax of `scale` times each row of `x`, of `width` numbers.
pub(crate) fn softmax(x: &mut [f32], width: usize, scale: f32) {
    for row in x.chunks_exact_mut(width) {
        row.iter_mut().for_each(|x| *x *= scale);
        rten_vecmath::Softmax::new_mut(row).dispatch();
    }
}

/// `a b`, into `out`, `[a.rows, b.columns]`.
pub(crate) fn multiply(a: View, b: View, out: &mut [f32]) {
    fn matrix(view: View) -> NdTensorView<f32, 2> {
        let shape = [view.rows, view.columns];
        NdTensorView::from_slice_with_strides(shape, view.data, view.strides)
            .expect("the view is inside its data")
    }
    let (a, b) = (GemmInputA::Unpacked(matrix(a)), GemmInputB::Unpacked(matrix(b)));
    GemmExecutor::<f32>::default()
        .gemm(out, a, b, GemmOptions::default())
        .expect("the shapes were made to fit");
}

/// Threads that [`chunks`] uses.
pub(crate) fn threads() -> usize {
    rayon::current_num_threads()
}

/// Calls `work` with the index and the numbers of each run of `size` of `out`; the last may be
/// shorter.
pub(crate) fn chunks(out: &mut [f32], size: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    out.par_chunks_mut(size).enumerate().for_each(|(index, chunk)| work(index, chunk));
}

/// Calls `work` with each of `work_on`.
pub(crate) fn each<T: Send>(work_on: Vec<T>, work: impl Fn(T) + Sync + Send) {
    work_on.into_par_iter().for_each(work);
}

/// An f32 matrix as it is multiplied.
pub(crate) enum FloatMatrix {
    /// By vectors. It is always packed: multiplied otherwise, a single row would take another kernel,
    /// with sums in another order.
    Vectors(PackedBMatrix<f32>),
    /// By the machine's matrix unit.
    Unit(split::Matrix),
}

impl FloatMatrix {
    /// Takes `numbers`, `[outputs, inputs]`.
    pub fn new(numbers: Vec<f32>, inputs: usize) -> FloatMatrix {
        Self::by(Amx::find(), &numbers, inputs)
    }

    /// The same by `unit`, or by vectors.
    pub fn by(unit: Option<Amx>, numbers: &[f32], inputs: usize) -> FloatMatrix {
        if let Some(unit) = unit {
            return FloatMatrix::Unit(split::Matrix::new(unit, numbers, inputs));
        }
        let matrix = NdTensorView::from_data([numbers.len() / inputs, inputs], numbers);
        FloatMatrix::Vectors(GemmExecutor::<f32>::default().prepack_b(matrix.transposed()))
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            FloatMatrix::Vectors(matrix) => size_of::<f32>() * matrix.rows() * matrix.cols(),
            FloatMatrix::Unit(matrix) => matrix.bytes(),
        }
    }

    /// `x W^T + bias`, into `out`, `[rows, outputs]`.
    pub fn multiply(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let matrix = match self {
            FloatMatrix::Vectors(matrix) => matrix,
            FloatMatrix::Unit(matrix) => return matrix.multiply(x, bias, out),
        };
        let options = GemmOptions { bias: Some(BiasVector::Row(bias)), ..Default::default() };
        let rows = out.len() / bias.len();
        let x = NdTensorView::from_data([rows, x.len() / rows], x);
        GemmExecutor::default()
            .gemm(out, GemmInputA::Unpacked(x), GemmInputB::Packed(matrix), options)
            .expect("the shapes were made to fit");
    }

    /// The name of what multiplies on this machine.
    pub fn kernel() -> String {
        match Amx::find() {
            Some(_) => "amx".to_owned(),
            None => GemmExecutor::<f32>::default().kernel_name().to_owned(),
        }
    }
}

/// Letting a page go on while this thread computes: natively other threads go on anyway.
pub(crate) mod pause {
    /// Nothing to wait for.
    pub(crate) struct Pause;

    impl Pause {
        pub fn new() -> Pause {
            Pause
        }

        #[expect(clippy::unused_async, reason = "in WebAssembly it waits")]
        pub async fn now_and_then(&mut self) {}
    }
}
