//! A forward pass written down as plain data, before anything runs.

/// A buffer on the GPU. Clones name the same memory.
pub type Buffer = wgpu::Buffer;

/// How a kernel uses a storage binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    Write,
}

/// A file of WGSL.
#[derive(Debug)]
pub struct Source {
    /// Its path below `shaders/`, without the extension.
    pub file: &'static str,
    /// Its text without comments.
    pub text: &'static str,
}

/// A compute shader, as build.rs reads it from `shaders/`. Binding 0 is its uniform parameters,
/// storage bindings follow in order.
#[derive(Debug)]
pub struct Kernel {
    /// Its folder and file under `shaders/`, and its form where it has several: what messages and
    /// timings call it.
    pub name: &'static str,
    /// The files it consists of, without the prelude that is put before it.
    pub sources: &'static [Source],
    /// The access of storage bindings 1, 2, ….
    pub storage: &'static [Access],
    /// What it asks of the adapter beyond plain WebGPU.
    pub needs: Needs,
}

/// What a kernel asks of the adapter beyond plain WebGPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Subgroups of so many invocations.
    Subgroups {
        /// The smallest that it works with.
        smallest: u32,
        /// The largest.
        largest: u32,
    },
    /// WGSL's own `f16`.
    F16,
    /// Cooperative matrices, subgroups of one known size, and WGSL's own `f16`. Its override
    /// `WORKGROUP_SIZE` is set to so many subgroups' invocations.
    CooperativeMatrices {
        /// Subgroups of a workgroup.
        subgroups: u32,
        /// The side of the square tiles that they multiply.
        side: u32,
    },
}

/// What one step has to do at the least, for comparing its time with the hardware's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiplications and additions, each counted as one.
    pub flops: u64,
    /// Bytes of every input read once and every output written once.
    pub bytes: u64,
}

/// One dispatch.
#[derive(Debug, Clone)]
pub struct Step {
    /// What runs.
    pub kernel: &'static Kernel,
    /// What it does in the model, such as "ffn up".
    pub label: &'static str,
    /// The uniform at binding 0, at most [`Plan::MAX_PARAMS`] bytes.
    pub params: Vec<u8>,
    /// Storage buffers in binding order.
    pub buffers: Vec<Buffer>,
    /// Workgroups in x, y, z.
    pub workgroups: [u32; 3],
    /// What it has to do at the least.
    pub work: Work,
}

/// Dispatches in the order in which they run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The dispatches.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The most bytes of parameters that a step may have.
    pub const MAX_PARAMS: usize = 64;

    /// The work of all steps together.
    pub fn work(&self) -> Work {
        self.steps.iter().fold(Work::default(), |sum, step| Work {
            flops: sum.flops + step.work.flops,
            bytes: sum.bytes + step.work.bytes,
        })
    }
}
