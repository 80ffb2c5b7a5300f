//! Runs a plan: pipelines, bind groups and uniforms are made once and kept.

use std::collections::HashMap;
use std::time::Duration;

use web_time::Instant;

use super::device::{Dtype, Gpu, Submitted};
use super::plan::{Access, Buffer, Kernel, Plan, Step};
use crate::error::{Error, ErrorKind, Result};

/// Uniform bindings start at multiples of this (WebGPU's default alignment).
const PARAMS_STRIDE: usize = 256;

/// Steps a timed plan may have: two timestamps each in one query set of at most 4,096.
const MAX_TIMED_STEPS: usize = 2048;

/// How long a submission should take: long enough to keep the GPU busy while the next one is
/// recorded, short enough for pages to stay smooth, watchdogs calm, and stops to take effect soon.
const SUBMISSION_SECONDS: f64 = 0.2;

/// Work of a submission before anything was measured, and the least ever: a software adapter in a
/// browser gets through about 4 GFLOP a second.
const FIRST_SUBMISSION_FLOPS: u64 = 1_000_000_000;

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

/// Everything that outlives one run.
pub(super) struct Executor {
    prelude: &'static str,
    layouts: HashMap<&'static str, Pipeline>,
    bind_groups: HashMap<(&'static str, Vec<Buffer>), wgpu::BindGroup>,
    params: wgpu::Buffer,
    /// Work of one submission, adapted to what the adapter gets through.
    submission_flops: u64,
}

/// One submission of a plan.
struct Piece {
    submitted: Submitted,
    flops: u64,
}

struct Pipeline {
    bindings: wgpu::BindGroupLayout,
    pipeline: wgpu::ComputePipeline,
}

fn params_buffer(device: &wgpu::Device, steps: usize) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("params"),
        size: (steps * PARAMS_STRIDE) as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

impl Executor {
    pub(super) fn new(device: &wgpu::Device, dtype: Dtype) -> Executor {
        Executor {
            prelude: match dtype {
                Dtype::F16 => include_str!("../../shaders/prelude_f16.wgsl"),
                Dtype::F32 | Dtype::Auto => include_str!("../../shaders/prelude_f32.wgsl"),
            },
            layouts: HashMap::new(),
            bind_groups: HashMap::new(),
            params: params_buffer(device, 256),
            submission_flops: FIRST_SUBMISSION_FLOPS,
        }
    }

    /// Makes what `step` needs and nobody has made before.
    fn prepare(&mut self, device: &wgpu::Device, step: &Step) {
        let kernel = step.kernel;
        let prelude = self.prelude;
        let made =
            self.layouts.entry(kernel.name).or_insert_with(|| pipeline(device, prelude, kernel));
        self.bind_groups.entry((kernel.name, step.buffers.clone())).or_insert_with(|| {
            let params = wgpu::BufferBinding {
                buffer: &self.params,
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
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(step.label),
                layout: &made.bindings,
                entries: &entries,
            })
        });
    }

    /// Makes room for the parameters of `steps` steps.
    fn reserve(&mut self, device: &wgpu::Device, steps: usize) {
        if self.params.size() < (steps * PARAMS_STRIDE) as u64 {
            self.params = params_buffer(device, steps.next_power_of_two());
            // They point to the old buffer.
            self.bind_groups.clear();
        }
    }
}

fn pipeline(device: &wgpu::Device, prelude: &str, kernel: &Kernel) -> Pipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(kernel.name),
        source: wgpu::ShaderSource::Wgsl(format!("{prelude}{}", kernel.source).into()),
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
    let bindings = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(kernel.name),
        entries: &entries,
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(kernel.name),
        bind_group_layouts: &[Some(&bindings)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(kernel.name),
        layout: Some(&layout),
        module: &module,
        entry_point: Some("main"),
        // Every kernel writes its workgroup memory before it reads it.
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    });
    Pipeline { bindings, pipeline }
}

impl Gpu {
    /// Submits `plan` in pieces, at most two of which are under way at a time. Results are there
    /// once a later [`Gpu::read_f32`] or [`Gpu::finish`] returns. `stop` is asked between pieces.
    ///
    /// # Errors
    /// [`ErrorKind::Gpu`] naming the kernel or adapter at fault, and [`ErrorKind::Aborted`] once
    /// `stop` has said so.
    pub async fn run(&self, plan: &Plan, stop: &dyn Fn() -> bool) -> Result<()> {
        self.upload(plan)?;
        let (mut under_way, mut done_before): (Option<Piece>, Option<Instant>) = (None, None);
        let mut begin = 0;
        while begin < plan.steps.len() {
            if stop() {
                let why = "the caller stopped the work";
                return Err(Error::new(ErrorKind::Aborted, "the forward pass", why));
            }
            let (end, piece) = self.submit_piece(plan, begin);
            begin = end;
            if let Some(before) = under_way.replace(piece) {
                self.wait(before.submitted).await?;
                let now = Instant::now();
                if let Some(since) = done_before.replace(now) {
                    self.adapt(before.flops, now - since);
                }
            }
        }
        self.check()
    }

    /// Submits steps from `begin` on, as many as one submission should hold; says where it ended.
    fn submit_piece(&self, plan: &Plan, begin: usize) -> (usize, Piece) {
        let executor = self.executor.borrow();
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        let (mut flops, mut end) = (0, begin);
        while end < plan.steps.len() && (end == begin || flops < executor.submission_flops) {
            dispatch(&mut pass, &executor, plan, end);
            flops += plan.steps[end].work.flops;
            end += 1;
        }
        drop(pass);
        (end, Piece { submitted: self.submit([encoder.finish()]), flops })
    }

    /// Makes later submissions larger or smaller, by the time that `flops` took.
    fn adapt(&self, flops: u64, time: Duration) {
        let per_second = flops as f64 / time.as_secs_f64().max(1e-6);
        let mut executor = self.executor.borrow_mut();
        let now = executor.submission_flops;
        let wanted = (per_second * SUBMISSION_SECONDS) as u64;
        executor.submission_flops = wanted.clamp(now / 2, now * 2).max(FIRST_SUBMISSION_FLOPS);
    }

    /// Runs `plan` with a timestamp around every step.
    ///
    /// # Errors
    /// As [`Gpu::run`], and [`ErrorKind::AdapterTooSmall`] on adapters without timestamps.
    pub async fn run_timed(&self, plan: &Plan) -> Result<Timings> {
        let steps = plan.steps.len();
        if !self.adapter().timestamps || steps > MAX_TIMED_STEPS {
            return Err(Error::new(
                ErrorKind::AdapterTooSmall,
                self.adapter().name.as_str(),
                format!("cannot time a plan of {steps} steps by timestamps"),
            ));
        }
        self.upload(plan)?;
        let queries = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("step times"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * steps as u32,
        });
        let resolved = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("step times"),
            size: 16 * steps as u64,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        {
            let executor = self.executor.borrow();
            for index in 0..steps {
                let mut encoder = self.device.create_command_encoder(&Default::default());
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some(plan.steps[index].label),
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &queries,
                        beginning_of_pass_write_index: Some(2 * index as u32),
                        end_of_pass_write_index: Some(2 * index as u32 + 1),
                    }),
                });
                dispatch(&mut pass, &executor, plan, index);
                drop(pass);
                self.queue.submit([encoder.finish()]);
            }
            let mut encoder = self.device.create_command_encoder(&Default::default());
            encoder.resolve_query_set(&queries, 0..2 * steps as u32, &resolved, 0);
            self.queue.submit([encoder.finish()]);
        }
        let ticks: Vec<u64> =
            bytemuck::pod_collect_to_vec(&self.read_bytes(&resolved, 16 * steps as u64).await?);
        let nanoseconds = f64::from(self.queue.get_timestamp_period());
        Ok(ticks
            .chunks_exact(2)
            .enumerate()
            .map(|(step, pair)| StepTime {
                step,
                seconds: pair[1].saturating_sub(pair[0]) as f64 * nanoseconds * 1e-9,
            })
            .collect())
    }

    /// Prepares pipelines and bind groups and uploads the parameters of every step.
    fn upload(&self, plan: &Plan) -> Result<()> {
        let mut executor = self.executor.borrow_mut();
        executor.reserve(&self.device, plan.steps.len());
        let most = self.device.limits().max_compute_workgroups_per_dimension;
        let mut params = vec![0; plan.steps.len() * PARAMS_STRIDE];
        for (step, slot) in plan.steps.iter().zip(params.chunks_exact_mut(PARAMS_STRIDE)) {
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
            executor.prepare(&self.device, step);
        }
        self.queue.write_buffer(&executor.params, 0, &params);
        self.check()
    }
}

fn dispatch(pass: &mut wgpu::ComputePass<'_>, executor: &Executor, plan: &Plan, index: usize) {
    let step = &plan.steps[index];
    let [x, y, z] = step.workgroups;
    pass.set_pipeline(&executor.layouts[step.kernel.name].pipeline);
    let bind_group = &executor.bind_groups[&(step.kernel.name, step.buffers.clone())];
    pass.set_bind_group(0, bind_group, &[(index * PARAMS_STRIDE) as u32]);
    pass.dispatch_workgroups(x, y, z);
}
