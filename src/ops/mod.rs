//! The kernels, one file each with its shader of the same name under `shaders/`: shape checks,
//! workgroup counts, and a test against the reference implementation in `reference`.

pub mod attention;
pub mod blocks;
mod choice;
pub mod copy;
pub mod embed;
pub mod gather_rows;
pub mod layer_norm;
pub mod matmul;
pub mod mean_rows;
pub mod multiply_add;
pub mod multiply_add_stored;
#[cfg(test)]
mod not_finite;
pub mod poison;
pub mod rotary;
#[cfg(test)]
pub(crate) mod testing;
/// The kernels' own constants, bindings and texts: what build.rs reads from `shaders/`.
mod shaders {
    include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
}
pub mod training;
mod weights;

pub use choice::Choice;
use half::f16;

use crate::checkpoint::Quantised;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Buffer, Gpu};

/// Numbers between the rows of every matrix on the GPU are a multiple of this: a weight panel.
/// Columns between a matrix's width and its stride are zero and stay zero.
pub const STRIDE_UNIT: usize = shaders::PANEL as usize;

/// How the numbers of a matrix lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Two bytes each.
    F16,
    /// Four bytes each.
    F32,
    /// A byte each, and behind every row the f32 that its bytes are multiplied by.
    Q8,
}

impl Storage {
    /// Bytes between the rows of a matrix of `width`.
    pub fn row_bytes(self, width: usize) -> usize {
        match self {
            Storage::F16 => stride(width) * 2,
            Storage::F32 => stride(width) * 4,
            Storage::Q8 => stride(width) + 4,
        }
    }
}

/// A matrix on the GPU, rows one after the other.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// Its memory.
    pub buffer: Buffer,
    /// The most rows that it can hold.
    pub rows: usize,
    /// Numbers in a row, without the padding.
    pub width: usize,
    /// How each number lies in memory.
    pub storage: Storage,
}

impl Matrix {
    /// A zeroed matrix of `rows` x `width`, called `label` in messages.
    pub fn zeros(
        gpu: &Gpu,
        label: &str,
        rows: usize,
        width: usize,
        storage: Storage,
    ) -> Result<Matrix> {
        let buffer = gpu.buffer(label, (rows * storage.row_bytes(width)) as u64)?;
        Ok(Matrix { buffer, rows, width, storage })
    }

    /// Writes `values` (row by row, `width` each) from `first_row` on.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`] with the index of a value that f16 cannot hold.
    pub async fn write_rows(
        &self,
        gpu: &Gpu,
        label: &str,
        first_row: usize,
        values: &[f32],
    ) -> Result<()> {
        let (width, stride) = (self.width, stride(self.width));
        let rows = values.len() / width;
        match self.storage {
            Storage::F16 => {
                let mut padded = vec![f16::ZERO; rows * stride];
                for (to, from) in padded.chunks_exact_mut(stride).zip(values.chunks_exact(width)) {
                    to_f16(label, from, &mut to[..width])?;
                }
                gpu.write(&self.buffer, (first_row * stride * 2) as u64, &padded).await
            }
            Storage::F32 => {
                let mut padded = vec![0.0; rows * stride];
                for (to, from) in padded.chunks_exact_mut(stride).zip(values.chunks_exact(width)) {
                    to[..width].copy_from_slice(from);
                }
                gpu.write(&self.buffer, (first_row * stride * 4) as u64, &padded).await
            }
            Storage::Q8 => check("rows", label, false),
        }
    }

    /// Writes `rows`, one scale each, from `first_row` on.
    ///
    /// # Errors
    /// [`ErrorKind::Gpu`] where they do not fit.
    pub async fn write_quantised_rows(
        &self,
        gpu: &Gpu,
        label: &str,
        first_row: usize,
        rows: &Quantised,
    ) -> Result<()> {
        let row_bytes = self.storage.row_bytes(self.width);
        let fits = rows.integers.len() == rows.scales.len() * self.width;
        check("rows", label, self.storage == Storage::Q8 && fits)?;
        let mut bytes = vec![0u8; rows.scales.len() * row_bytes];
        let from = rows.integers.chunks_exact(self.width).zip(&rows.scales);
        for (to, (integers, scale)) in bytes.chunks_exact_mut(row_bytes).zip(from) {
            to[..self.width].copy_from_slice(bytemuck::cast_slice(integers));
            to[row_bytes - 4..].copy_from_slice(&scale.to_f32().to_le_bytes());
        }
        gpu.write(&self.buffer, (first_row * row_bytes) as u64, &bytes).await
    }
}

/// Numbers between the rows of a matrix of `width`.
pub fn stride(width: usize) -> usize {
    width.next_multiple_of(STRIDE_UNIT)
}

/// Groups of four between the rows of a matrix of `width`, as kernels count them.
fn stride4(width: usize) -> u32 {
    (stride(width) / 4) as u32
}

/// A vector of f32 padded with zeros to the stride of its length.
pub async fn padded_vector(gpu: &Gpu, label: &str, values: &[f32]) -> Result<Buffer> {
    let mut padded = values.to_vec();
    padded.resize(stride(values.len()), 0.0);
    gpu.buffer_of(label, &padded).await
}

/// Rounds `from` to f16.
///
/// # Errors
/// [`ErrorKind::Checkpoint`] naming `label` where a finite value would become infinite.
pub fn to_f16(label: &str, from: &[f32], to: &mut [f16]) -> Result<()> {
    use half::slice::HalfFloatSliceExt;
    to.convert_from_f32_slice(from);
    match to.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::new(
            ErrorKind::Checkpoint,
            label,
            format!("holds {}, which f16 cannot", from[at]),
        )),
    }
}

/// Refuses a step whose shapes do not fit, by its name: that is a mistake in the code that records it.
fn check(kernel: &'static str, label: &str, fits: bool) -> Result<()> {
    if fits {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Gpu, kernel, format!("shapes of {label:?} do not fit")))
}
