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

pub use crate::adapter::{AdapterSummary, Dtype};
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

    /// Says that the device has subgroups of at least `size` invocations, which wgpu does not learn
    /// from a browser.
    pub fn grant_subgroups(&mut self, size: u32) {
        self.device.summary.subgroup_size = size;
    }

    /// Throws the device away, as a crashed driver would: every later call fails.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        self.device.lose();
    }
}
