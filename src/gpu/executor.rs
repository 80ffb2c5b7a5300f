//! Runs a plan. Pipelines and bind groups are made at their first use and stay.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};

use web_time::Instant;

use super::Gpu;
use super::debug::IS_NATIVE;
use super::device::{Device, Submitted};
use super::pace::Pace;
use super::plan::{Access, Buffer, Kernel, Needs, Plan, Source, Step};
use crate::adapter::Dtype;
use crate::error::{Error, ErrorKind, Result};

/// Uniform bindings start at multiples of this (WebGPU's default alignment).
const PARAMS_STRIDE: usize = 256;

/// Steps a timed plan may have: two timestamps each in one query set of at most 4,096.
const MAX_TIMED_STEPS: usize = 2048;

/// What is put before every kernel, by how it reads f16 numbers.
const PRELUDE_F16: Source = Source {
    file: "prelude_f16",
    text: include_str!(concat!(env!("OUT_DIR"), "/shaders/prelude_f16.wgsl")),
};
const PRELUDE_F32: Source = Source {
    file: "prelude_f32",
    text: include_str!(concat!(env!("OUT_DIR"), "/shaders/prelude_f32.wgsl")),
};

/// The time one step took on the GPU.
#[derive(Debug, Clone)]
pub struct StepTime {
    /// The step's place in the plan.
    pub step: usize,
    /// Seconds between its begin and end timestamps.
    pub seconds: f64,
}

/// The time of each step of a plan, in order.
pub type Timings = Vec<StepTime>;

/// What outlives one run.
pub(super) struct Executor {
    /// The pipeline of each kernel that ran, by the address of the kernel.
    pipelines: HashMap<usize, Pipeline>,
    /// The parameters of every step of the plan that runs.
    params: wgpu::Buffer,
}

/// What a kernel runs by.
struct Pipeline {
    layout: wgpu::BindGroupLayout,
    pipeline: wgpu::ComputePipeline,
    /// By the buffers that they bind.
    bind_groups: HashMap<Vec<Buffer>, wgpu::BindGroup>,
}

/// Kernels are statics, so each has an address of its own.
fn key(kernel: &'static Kernel) -> usize {
    std::ptr::from_ref(kernel).addr()
}

fn params_buffer(device: &Device, steps: usize) -> wgpu::Buffer {
    device.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("params"),
        size: (steps * PARAMS_STRIDE) as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

impl Executor {
    pub(super) fn new(device: &Device) -> Executor {
        Executor { pipelines: HashMap::new(), params: params_buffer(device, 256) }
    }

    /// Makes sure that the parameters of `steps` steps fit.
    fn reserve(&mut self, device: &Device, steps: usize) {
        if self.params.size() < (steps * PARAMS_STRIDE) as u64 {
            self.params = params_buffer(device, steps.next_power_of_two());
            // They bind the old buffer.
            self.forget_bind_groups();
        }
    }

    fn forget_bind_groups(&mut self) {
        self.pipelines.values_mut().for_each(|made| made.bind_groups.clear());
    }

    /// Encodes step `index` of `plan`, which was prepared.
    fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, plan: &Plan, index: usize) {
        let step = &plan.steps[index];
        let [x, y, z] = step.workgroups;
        let made = &self.pipelines[&key(step.kernel)];
        pass.set_pipeline(&made.pipeline);
        let bind_group = &made.bind_groups[step.buffers.as_slice()];
        pass.set_bind_group(0, bind_group, &[(index * PARAMS_STRIDE) as u32]);
        pass.dispatch_workgroups(x, y, z);
    }
}

impl Pipeline {
    fn new(device: &Device, kernel: &Kernel, wgsl: String) -> Pipeline {
        let Device { device, summary, .. } = device;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        });
        let entry = |binding, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, true)];
        entries.extend(kernel.storage.iter().zip(1..).map(|(access, binding)| {
            let read_only = *access == Access::Read;
            entry(binding, wgpu::BufferBindingType::Storage { read_only }, false)
        }));
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(kernel.name),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let workgroup_size = match kernel.needs {
            Needs::CooperativeMatrices { subgroups, .. } => {
                Some(("WORKGROUP_SIZE", f64::from(subgroups * summary.subgroup_size)))
            }
            _ => None,
        };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            // Every kernel writes its workgroup memory before it reads it.
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                constants: workgroup_size.as_slice(),
            },
            cache: None,
        });
        Pipeline { layout, pipeline, bind_groups: HashMap::new() }
    }

    /// Makes the bind group of `step`, unless it is there.
    fn bind(&mut self, device: &Device, params: &wgpu::Buffer, step: &Step) {
        if self.bind_groups.contains_key(step.buffers.as_slice()) {
            return;
        }
        let params = wgpu::BufferBinding {
            buffer: params,
            offset: 0,
            size: wgpu::BufferSize::new(Plan::MAX_PARAMS as u64),
        };
        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(params),
        }];
        entries.extend(step.buffers.iter().zip(1..).map(|(buffer, binding)| {
            wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
        }));
        let bind_group = device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(step.label),
            layout: &self.layout,
            entries: &entries,
        });
        self.bind_groups.insert(step.buffers.clone(), bind_group);
    }
}

/// Work that was submitted, and how much it is.
struct Pending {
    submitted: Submitted,
    flops: u64,
}

impl Gpu {
    /// As [`Gpu::run_at`], for plans so short that how fast they are is not worth knowing.
    ///
    /// # Errors
    /// As [`Gpu::run_at`].
    pub async fn run(&self, plan: &Plan, stop: &dyn Fn() -> bool) -> Result<()> {
        self.run_at(plan, &Pace::default(), stop).await
    }

    /// Submits `plan` in pieces as long as `pace` allows, several of which are pending at a time, and
    /// adjusts it to how fast they are done. Results are there once a later [`Gpu::read_f32`] or
    /// [`Gpu::finish`] returns. `stop` is asked between pieces.
    ///
    /// # Errors
    /// [`ErrorKind::Gpu`] naming the kernel or adapter at fault, and [`ErrorKind::Aborted`] once
    /// `stop` has said so.
    pub async fn run_at(&self, plan: &Plan, pace: &Pace, stop: &dyn Fn() -> bool) -> Result<()> {
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(print) = self.debug.print() {
            return self.run_printing(plan, print, stop, &mut |text| eprint!("{text}")).await;
        }
        self.submit_plan(plan, pace, stop).await
    }

    pub(super) async fn submit_plan(
        &self,
        plan: &Plan,
        pace: &Pace,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        self.prepare(plan)?;
        let start = Instant::now();
        let mut pending = VecDeque::new();
        let (mut begin, mut ahead, mut done) = (0, 0, 0);
        while begin < plan.steps.len() {
            if stop() {
                // Who stops it may end the thread next, and Node's WebGPU crashes in a thread that is
                // ended while it waits for the GPU.
                self.finish().await?;
                let why = "the caller stopped the work";
                return Err(Error::new(ErrorKind::Aborted, "the forward pass", why));
            }
            let steps = pace.submission(&plan.steps, begin);
            begin = steps.end;
            let flops = plan.steps[steps.clone()].iter().map(|step| step.work.flops).sum();
            ahead += flops;
            pending.push_back(Pending { submitted: self.submit_steps(plan, steps, 1), flops });
            // Two at the least: one runs, the next one waits.
            while pending.len() > 2
                && pace.is_enough(ahead)
                && let Some(oldest) = pending.pop_front()
            {
                self.device.wait(oldest.submitted).await?;
                ahead -= oldest.flops;
                done += oldest.flops;
                pace.measured(done, start.elapsed().as_secs_f64());
            }
        }
        self.device.check()
    }

    /// Submits some steps of a prepared plan, each `repeats` times in a row.
    fn submit_steps(
        &self,
        plan: &Plan,
        steps: impl IntoIterator<Item = usize>,
        repeats: u32,
    ) -> Submitted {
        let executor = self.executor.borrow();
        let mut encoder = self.device.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for index in steps {
            for _ in 0..repeats {
                executor.dispatch(&mut pass, plan, index);
            }
        }
        drop(pass);
        self.device.submit([encoder.finish()])
    }

    /// Runs `plan` with a timestamp around every step.
    ///
    /// # Errors
    /// As [`Gpu::run_at`], and [`ErrorKind::AdapterTooSmall`] on adapters without timestamps.
    pub async fn run_timed(&self, plan: &Plan) -> Result<Timings> {
        if !self.adapter().timestamps {
            let why = "cannot time single kernels";
            return Err(Error::new(ErrorKind::AdapterTooSmall, self.adapter().name.as_str(), why));
        }
        let seconds = self.run_repeated(plan, 1).await?;
        Ok(seconds
            .into_iter()
            .enumerate()
            .map(|(step, seconds)| StepTime { step, seconds })
            .collect())
    }

    /// Runs each step of `plan` `repeats` times in a row and returns the seconds of each row, by
    /// the GPU's clock or, where it shows none, by the host's.
    ///
    /// # Errors
    /// As [`Gpu::run_at`].
    pub async fn run_repeated(&self, plan: &Plan, repeats: u32) -> Result<Vec<f64>> {
        self.prepare(plan)?;
        if self.adapter().timestamps && plan.steps.len() <= MAX_TIMED_STEPS {
            return self.time_by_gpu(plan, repeats).await;
        }
        let mut seconds = Vec::with_capacity(plan.steps.len());
        self.finish().await?;
        for index in 0..plan.steps.len() {
            let start = Instant::now();
            self.device.wait(self.submit_steps(plan, [index], repeats)).await?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }

    async fn time_by_gpu(&self, plan: &Plan, repeats: u32) -> Result<Vec<f64>> {
        let Device { device, queue, .. } = &self.device;
        let steps = plan.steps.len();
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("step times"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * steps as u32,
        });
        let resolved = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("step times"),
            size: 16 * steps as u64,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        for index in 0..steps {
            let mut encoder = device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(plan.steps[index].label),
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(2 * index as u32),
                    end_of_pass_write_index: Some(2 * index as u32 + 1),
                }),
            });
            for _ in 0..repeats {
                self.executor.borrow().dispatch(&mut pass, plan, index);
            }
            drop(pass);
            queue.submit([encoder.finish()]);
        }
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.resolve_query_set(&queries, 0..2 * steps as u32, &resolved, 0);
        queue.submit([encoder.finish()]);
        let ticks: Vec<u64> =
            bytemuck::pod_collect_to_vec(&self.read_bytes(&resolved, 16 * steps as u64).await?);
        let nanoseconds = f64::from(queue.get_timestamp_period());
        let seconds = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 * nanoseconds * 1e-9;
        Ok(ticks.chunks_exact(2).map(seconds).collect())
    }

    /// Lets go of the buffers that were bound.
    pub(super) fn forget_bind_groups(&self) {
        self.executor.borrow_mut().forget_bind_groups();
    }

    /// Everything on the GPU that was made so far: bytes of buffers, bind groups, pipelines, bytes of
    /// parameters. A second run of the same work must leave it as it is.
    #[cfg(test)]
    pub(crate) fn made(&self) -> [u64; 4] {
        let Executor { pipelines, params } = &*self.executor.borrow();
        let bind_groups: usize = pipelines.values().map(|made| made.bind_groups.len()).sum();
        [self.allocated_bytes(), bind_groups as u64, pipelines.len() as u64, params.size()]
    }

    /// Makes the pipelines and bind groups that `plan` needs and that do not exist yet, and uploads the
    /// parameters of every step.
    fn prepare(&self, plan: &Plan) -> Result<()> {
        let mut executor = self.executor.borrow_mut();
        executor.reserve(&self.device, plan.steps.len());
        let Executor { pipelines, params } = &mut *executor;
        let most = self.device.device.limits().max_compute_workgroups_per_dimension;
        let mut bytes = vec![0; plan.steps.len() * PARAMS_STRIDE];
        for (step, slot) in plan.steps.iter().zip(bytes.chunks_exact_mut(PARAMS_STRIDE)) {
            if step.params.len() > Plan::MAX_PARAMS
                || step.buffers.len() != step.kernel.storage.len()
                || step.workgroups.iter().any(|&count| count == 0 || count > most)
            {
                return Err(Error::new(
                    ErrorKind::Gpu,
                    step.kernel.name,
                    format!("{} cannot be dispatched as recorded", step.label),
                ));
            }
            slot[..step.params.len()].copy_from_slice(&step.params);
            let made = match pipelines.entry(key(step.kernel)) {
                Entry::Occupied(made) => made.into_mut(),
                Entry::Vacant(none) => {
                    let wgsl = self.wgsl(step.kernel)?;
                    none.insert(Pipeline::new(&self.device, step.kernel, wgsl))
                }
            };
            made.bind(&self.device, params, step);
        }
        self.device.queue.write_buffer(params, 0, &bytes);
        self.device.check()
    }

    /// The WGSL of `kernel`: the extensions it needs, a prelude, and its files.
    fn wgsl(&self, kernel: &Kernel) -> Result<String> {
        let mut wgsl = match kernel.needs {
            // Browsers require the line; naga, which compiles natively, refuses it.
            Needs::Subgroups { .. } if !IS_NATIVE => match self.device.fixed_subgroup {
                Some(_) => "enable subgroups;enable subgroup_size_control;",
                None => "enable subgroups;",
            },
            Needs::CooperativeMatrices { .. } => "enable wgpu_cooperative_matrix;",
            _ => "",
        }
        .to_owned();
        let prelude = match self.dtype() {
            Dtype::F16 => &PRELUDE_F16,
            Dtype::F32 | Dtype::Auto => &PRELUDE_F32,
        };
        for source in [prelude].into_iter().chain(kernel.sources) {
            match if IS_NATIVE { self.debug.text(source)? } else { None } {
                None => wgsl += source.text,
                Some(text) => wgsl += &text,
            }
        }
        if IS_NATIVE {
            self.debug.save(kernel, &wgsl)?;
        }
        // naga knows no such attribute.
        if let (Needs::Subgroups { .. }, Some(size)) = (kernel.needs, self.device.fixed_subgroup) {
            wgsl = wgsl.replacen("@compute", &format!("@subgroup_size({size}) @compute"), 1);
        }
        Ok(wgsl)
    }
}
