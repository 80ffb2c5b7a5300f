//! The GPU: adapter and device, buffers, and a recorded [`Plan`] with the one executor that runs
//! it. What the dispatches compute is the business of the floors above.

mod device;
mod executor;
mod plan;
mod turns;

pub use crate::adapter::{AdapterSummary, Dtype};
pub use device::Gpu;
pub use executor::{StepTime, Timings};
pub use plan::{Access, Buffer, Kernel, Needs, Plan, Step, Work};
pub use turns::{Turn, Turns};
