//! A kernel that does multiply-adds and nothing else, to measure the peak of an adapter.

use bytemuck::{Pod, Zeroable};

use super::check;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::multiply_add::KERNEL;
pub use crate::ops::shaders::multiply_add::WORKGROUP_SIZE;

/// Multiplications and additions of one invocation in one round: 12 fma of four numbers.
const FLOPS_PER_ROUND: u64 = 12 * 4 * 2;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rounds: u32,
    by: f32,
}

/// `rounds` times four `x = x * by + by` on each of three vectors in each of `workgroups * WORKGROUP_SIZE`
/// invocations; `out` gets the sum of the three, four f32 an invocation.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where `out` is too small.
pub fn multiply_add(workgroups: u32, rounds: u32, by: f32, out: &Buffer) -> Result<Step> {
    let invocations = u64::from(workgroups * WORKGROUP_SIZE);
    check(KERNEL.name, "peak", out.size() >= 16 * invocations)?;
    Ok(Step {
        kernel: &KERNEL,
        label: "peak",
        params: bytemuck::bytes_of(&Params { rounds, by }).to_vec(),
        buffers: vec![out.clone()],
        workgroups: [workgroups, 1, 1],
        work: Work {
            flops: invocations * u64::from(rounds) * FLOPS_PER_ROUND,
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
        for gpu in testing::gpus() {
            let got = testing::block_on(async {
                let out = gpu.buffer("out", 3 * 64 * 16)?;
                gpu.run(&Plan { steps: vec![multiply_add(3, 5, 0.75, &out)?] }, &|| false).await?;
                gpu.read_f32(&out, 3 * 64 * 4).await
            });
            let expected = reference::multiply_add(3 * 64, 5, 0.75);
            testing::assert_close(&got, &expected, 1e-4);
        }
    }
}
