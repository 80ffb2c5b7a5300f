//! The GPU: a device (`device`), its buffers (`memory`), and a recorded [`Plan`] with the
//! `executor` that runs it, as much at a time as `pace` allows. What the dispatches compute is
//! the business of `ops` and `encoder`.

#[cfg_attr(target_arch = "wasm32", allow(dead_code))]
mod debug;
mod device;
mod executor;
mod memory;
mod pace;
mod plan;

use std::cell::RefCell;

use debug::Debug;
use device::Device;
use executor::Executor;
pub use executor::{StepTime, Timings};
use memory::Memory;
pub use pace::{FIRST_FLOPS_PER_SECOND, Pace};
pub use plan::{Access, Buffer, Kernel, Needs, Plan, Source, Step, Work};

pub use crate::adapter::{AdapterSummary, Dtype, Subgroups};
use crate::error::Result;

/// An open GPU device, with what was made on it.
pub struct Gpu {
    device: Device,
    memory: Memory,
    executor: RefCell<Executor>,
    debug: Debug,
}

impl Gpu {
    /// Opens the most powerful adapter, or natively the one that the environment variable
    /// `CAPPY_ADAPTER` holds a part of the name of.
    ///
    /// # Errors
    /// [`ErrorKind::NoAdapter`] where there is none, [`ErrorKind::Input`] where none has that name,
    /// [`ErrorKind::AdapterTooSmall`] where it lacks WebGPU's default limits, or `shader-f16` when
    /// `dtype` demands it.
    ///
    /// [`ErrorKind::Input`]: crate::ErrorKind::Input
    /// [`ErrorKind::NoAdapter`]: crate::ErrorKind::NoAdapter
    /// [`ErrorKind::AdapterTooSmall`]: crate::ErrorKind::AdapterTooSmall
    pub async fn open(dtype: Dtype) -> Result<Gpu> {
        let device = Device::open(dtype, device::wanted_adapter().as_deref()).await?;
        Ok(Gpu {
            executor: RefCell::new(Executor::new(&device)),
            memory: Memory::default(),
            device,
            debug: Debug::from_environment(),
        })
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &AdapterSummary {
        &self.device.summary
    }

    /// How the kernels read f16 numbers: never [`Dtype::Auto`].
    pub fn dtype(&self) -> Dtype {
        self.device.dtype
    }

    /// Whether the adapter is a CPU that runs shaders.
    pub fn is_software(&self) -> bool {
        self.device.summary.device_type == "cpu"
    }

    /// Whether kernels with these needs run here.
    pub fn has(&self, needs: Needs) -> bool {
        let summary = &self.device.summary;
        match needs {
            Needs::Nothing => true,
            Needs::Subgroups { smallest, largest } => {
                summary.subgroup_size >= smallest && summary.subgroup_max_size <= largest
            }
            Needs::F16 => self.device.dtype == Dtype::F16,
            Needs::CooperativeMatrices { side, .. } => {
                self.device.dtype == Dtype::F16 && summary.cooperative.contains(&side)
            }
        }
    }

    /// Says that the device has these subgroups, which wgpu does not learn from a browser.
    pub fn grant_subgroups(&mut self, subgroups: Subgroups) {
        let Subgroups { smallest, largest, is_fixed } = subgroups;
        self.device.summary.subgroup_size = smallest;
        self.device.summary.subgroup_max_size = largest;
        self.device.fixed_subgroup = is_fixed.then_some(smallest);
    }

    /// From now on kernels that need subgroups do not run here, nor those that need matrix units, which
    /// belong to subgroups.
    pub fn forgo_subgroups(&mut self) {
        self.grant_subgroups(Subgroups::default());
        self.device.summary.cooperative.clear();
    }

    /// Throws the device away, as a crashed driver would: every later call fails.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        self.device.lose();
    }
}
