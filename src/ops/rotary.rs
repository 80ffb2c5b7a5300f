//! The cosines and sines by which matmuls rotate queries and keys ([`super::matmul::Epilogue::Rotate`]).

use super::attention::Heads;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu};

/// The cosines and sines of every position, for heads of one size.
#[derive(Debug)]
pub struct RotaryTable {
    buffer: Buffer,
    positions: usize,
    head_size: usize,
}

impl RotaryTable {
    /// Those of `positions` positions: pair number i of a head is rotated by
    /// `position / theta^(2 i / head_size)`. They are made here because WGSL promises nothing of the
    /// cosine of a large angle.
    ///
    /// # Errors
    /// What [`Gpu::buffer_of`] says.
    pub async fn new(
        gpu: &Gpu,
        positions: usize,
        head_size: usize,
        theta: f32,
    ) -> Result<RotaryTable> {
        let frequency = |i: usize| 1.0 / theta.powf(2.0 * i as f32 / head_size as f32);
        let frequencies: Vec<f32> = (0..head_size / 2).map(frequency).collect();
        // A head is padded to groups of four numbers, and what fills it up is not rotated.
        let pairs = head_size.next_multiple_of(4) / 2;
        let mut table = Vec::with_capacity(positions * pairs);
        for position in 0..positions {
            // The angle in f32, as PyTorch computes it.
            let sin_cos = |frequency: &f32| f64::from(position as f32 * frequency).sin_cos();
            table
                .extend(frequencies.iter().map(sin_cos).map(|(sin, cos)| [cos as f32, sin as f32]));
            table.resize((position + 1) * pairs, [1.0, 0.0]);
        }
        Ok(RotaryTable {
            buffer: gpu.buffer_of("rotary table", &table).await?,
            positions,
            head_size,
        })
    }

    /// Whether it rotates these heads.
    pub(super) fn fits(&self, heads: Heads) -> bool {
        self.head_size == heads.size && self.positions > 0 && heads.size.is_multiple_of(2)
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.buffer
    }
}
