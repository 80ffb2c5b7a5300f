//! A kernel that copies and does nothing else, to measure the bandwidth of an adapter.

use bytemuck::{Pod, Zeroable};

use super::check;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::shaders::copy::{KERNEL, WORKGROUP_SIZE};

/// Groups of 16 bytes that an invocation copies.
const GROUPS_AN_INVOCATION: u32 = 4;

/// WebGPU's default limit of workgroups in a dimension.
const MOST_WORKGROUPS: u32 = 65_535;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    count: u32,
}

/// Copies the first `count` groups of 16 bytes of `x` to `out`.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where one of them is too small.
pub fn copy(count: u32, x: &Buffer, out: &Buffer) -> Result<Step> {
    let bytes = 16 * u64::from(count);
    check(KERNEL.name, "copy", x.size() >= bytes && out.size() >= bytes)?;
    let workgroups = count.div_ceil(WORKGROUP_SIZE * GROUPS_AN_INVOCATION).min(MOST_WORKGROUPS);
    Ok(Step {
        kernel: &KERNEL,
        label: "copy",
        params: bytemuck::bytes_of(&Params { count }).to_vec(),
        buffers: vec![x.clone(), out.clone()],
        workgroups: [workgroups, 1, 1],
        work: Work { flops: 0, bytes: 2 * bytes },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Plan;
    use crate::ops::testing::{self, Case};
    use crate::reference;

    #[test]
    fn equals_the_reference_at_awkward_sizes() {
        for gpu in testing::gpus() {
            for count in [1, 63, 1025] {
                let x = Case::new(count).values(4 * count, 1.0);
                let poison = vec![7.0; 4 * (count + 1)];
                let got = testing::block_on(async {
                    let from = gpu.buffer_of("x", &x).await?;
                    let out = gpu.buffer_of("out", &poison).await?;
                    let plan = Plan { steps: vec![copy(count as u32, &from, &out)?] };
                    gpu.run(&plan, &|| false).await?;
                    gpu.read_f32(&out, poison.len()).await
                });
                testing::assert_close(&got, &reference::copy(&x, &poison), 0.0);
            }
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_is_refused() {
        let [gpu, _] = testing::gpus();
        let (x, out) = (gpu.buffer("x", 64).unwrap(), gpu.buffer("out", 48).unwrap());
        assert!(copy(3, &x, &out).is_ok());
        assert!(copy(4, &x, &out).is_err());
    }
}
