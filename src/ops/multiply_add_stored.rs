//! A kernel that does multiply-adds in f32 of operands stored as f16, and nothing else, to measure
//! what a matmul over f16 weights can reach at the most.

use bytemuck::{Pod, Zeroable};
use half::f16;

use super::check;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Step, Work};
use crate::ops::shaders::multiply_add_stored::{KERNEL, SET, SETS, WORKGROUP_SIZE};

/// Numbers in a set that are not the zeros.
const NUMBERS: usize = 4 * (SET as usize - 1);

/// What one invocation multiplies in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tile {
    /// 4 x 4 by 4 x 4 numbers: little use of each conversion, and few registers.
    Narrow,
    /// 8 x 4 by 4 x 8 numbers.
    Wide,
}

impl Tile {
    fn flops(self) -> u64 {
        match self {
            Tile::Narrow => 4 * 4 * 4 * 2,
            Tile::Wide => 8 * 4 * 8 * 2,
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rounds: u32,
    wide: u32,
}

/// `SETS` sets of operands: multiples of 1/8 of both signs, which sums of any length hold
/// exactly, and after each set its zeros.
pub async fn operands(gpu: &Gpu) -> Result<Buffer> {
    let mut stored = Vec::with_capacity((4 * SETS * SET) as usize);
    for set in 0..SETS as usize {
        stored.extend((0..NUMBERS).map(|i| f16::from_f32(operand(set, i))));
        stored.extend([f16::ZERO; 4]);
    }
    gpu.buffer_of("operands", &stored).await
}

fn operand(set: usize, i: usize) -> f32 {
    ((5 * set + 3 * i) % 7) as f32 / 8.0 - 0.375
}

/// `rounds` times the same product of a `tile` added up in each of `workgroups * WORKGROUP_SIZE`
/// invocations; `out` gets the sum of its rows and of its two halves, four f32 an
/// invocation.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where a buffer is too small.
pub fn multiply_add_stored(
    tile: Tile,
    workgroups: u32,
    rounds: u32,
    operands: &Buffer,
    out: &Buffer,
) -> Result<Step> {
    let invocations = u64::from(workgroups * WORKGROUP_SIZE);
    let params = Params { rounds, wide: u32::from(tile == Tile::Wide) };
    let fits = operands.size() >= u64::from(8 * SETS * SET) && out.size() >= 16 * invocations;
    check(KERNEL.name, "stored peak", fits)?;
    Ok(Step {
        kernel: &KERNEL,
        label: "stored peak",
        params: bytemuck::bytes_of(&params).to_vec(),
        buffers: vec![operands.clone(), out.clone()],
        workgroups: [workgroups, 1, 1],
        work: Work {
            flops: invocations * u64::from(rounds) * tile.flops(),
            bytes: 16 * invocations,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Plan;
    use crate::ops::testing;
    use crate::reference;

    #[test]
    fn equals_the_reference() {
        let sets: Vec<Vec<f32>> =
            (0..SETS as usize).map(|set| (0..NUMBERS).map(|i| operand(set, i)).collect()).collect();
        for gpu in testing::gpus() {
            for (tile, wide) in [(Tile::Narrow, false), (Tile::Wide, true)] {
                let got = testing::block_on(async {
                    let operands = operands(&gpu).await?;
                    let out = gpu.buffer("out", 3 * 64 * 16)?;
                    let step = multiply_add_stored(tile, 3, 5, &operands, &out)?;
                    gpu.run(&Plan { steps: vec![step] }, &|| false).await?;
                    gpu.read_f32(&out, 3 * 64 * 4).await
                });
                let expected = reference::multiply_add_stored(3 * 64, 5, wide, &sets);
                testing::assert_close(&got, &expected, 0.0);
            }
        }
    }
}
