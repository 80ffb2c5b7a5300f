//! Runs a plan: pipelines, bind groups and uniforms are made once and kept.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use web_time::Instant;

use super::device::{Gpu, Submitted};
use super::plan::{Access, Buffer, Kernel, Needs, Plan, Step};
use crate::adapter::Dtype;
use crate::error::{Error, ErrorKind, Result};

/// Uniform bindings start at multiples of this (WebGPU's default alignment).
const PARAMS_STRIDE: usize = 256;

/// Steps a timed plan may have: two timestamps each in one query set of at most 4,096.
const MAX_TIMED_STEPS: usize = 2048;

/// How long a submission should take: short enough for pages to stay smooth, since whoever else
/// wants the GPU waits for its end.
const SUBMISSION_SECONDS: f64 = 0.03;

/// Work that may be under way at a time: enough to keep the GPU busy where news of its end come
/// late, as in Firefox, by up to 0.1 s; little enough for a stop to take effect soon.
const UNDER_WAY_SECONDS: f64 = 0.25;

/// Operations a second before anything was measured: a software adapter in a browser.
const FIRST_FLOPS_PER_SECOND: f64 = 2e9;

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
    subgroup_size: u32,
    layouts: HashMap<&'static str, Pipeline>,
    bind_groups: HashMap<(&'static str, Vec<Buffer>), wgpu::BindGroup>,
    params: wgpu::Buffer,
    /// What the adapter gets through.
    flops_per_second: f64,
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
    pub(super) fn new(device: &wgpu::Device, dtype: Dtype, subgroup_size: u32) -> Executor {
        Executor {
            prelude: match dtype {
                Dtype::F16 => shader!("prelude_f16"),
                Dtype::F32 | Dtype::Auto => shader!("prelude_f32"),
            },
            subgroup_size,
            layouts: HashMap::new(),
            bind_groups: HashMap::new(),
            params: params_buffer(device, 256),
            flops_per_second: FIRST_FLOPS_PER_SECOND,
        }
    }

    /// Makes what `step` needs and nobody has made before.
    fn prepare(&mut self, device: &wgpu::Device, step: &Step) {
        let kernel = step.kernel;
        let (prelude, subgroup_size) = (self.prelude, self.subgroup_size);
        let made = self
            .layouts
            .entry(kernel.name)
            .or_insert_with(|| pipeline(device, prelude, kernel, subgroup_size));
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

fn pipeline(device: &wgpu::Device, prelude: &str, kernel: &Kernel, subgroup_size: u32) -> Pipeline {
    let mut lanes = None;
    let enable = match kernel.needs {
        Needs::Subgroups if cfg!(target_arch = "wasm32") => {
            shader!("prelude_subgroups")
        }
        Needs::CooperativeMatrices { subgroups } => {
            lanes = Some(("LANES", f64::from(subgroups * subgroup_size)));
            shader!("prelude_cooperative")
        }
        _ => "",
    };
    let source = [enable, prelude, &kernel.sources.concat()].concat();
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(kernel.name),
        source: wgpu::ShaderSource::Wgsl(source.into()),
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
            constants: lanes.as_slice(),
        },
        cache: None,
    });
    Pipeline { bindings, pipeline }
}

impl Gpu {
    /// Submits `plan` in pieces, several of which are under way at a time. Results are there
    /// once a later [`Gpu::read_f32`] or [`Gpu::finish`] returns. `stop` is asked between pieces.
    ///
    /// # Errors
    /// [`ErrorKind::Gpu`] naming the kernel or adapter at fault, and [`ErrorKind::Aborted`] once
    /// `stop` has said so.
    pub async fn run(&self, plan: &Plan, stop: &dyn Fn() -> bool) -> Result<()> {
        self.upload(plan)?;
        let start = Instant::now();
        let mut under_way = VecDeque::new();
        let (mut begin, mut ahead, mut done) = (0, 0, 0);
        while begin < plan.steps.len() {
            if stop() {
                let why = "the caller stopped the work";
                return Err(Error::new(ErrorKind::Aborted, "the forward pass", why));
            }
            let (end, piece) = self.submit_piece(plan, begin);
            begin = end;
            ahead += piece.flops;
            under_way.push_back(piece);
            // Two at the least: one runs, the next one waits.
            while under_way.len() > 2
                && ahead as f64 > self.flops_within(UNDER_WAY_SECONDS)
                && let Some(oldest) = under_way.pop_front()
            {
                self.wait(oldest.submitted).await?;
                ahead -= oldest.flops;
                done += oldest.flops;
                self.set_pace(done as f64 / start.elapsed().as_secs_f64().max(1e-6));
            }
        }
        self.check()
    }

    /// Says how many multiplications and additions a second the adapter gets through, which
    /// decides how much it is given at once.
    pub fn set_pace(&self, flops_per_second: f64) {
        self.executor.borrow_mut().flops_per_second = flops_per_second;
    }

    fn flops_within(&self, seconds: f64) -> f64 {
        self.executor.borrow().flops_per_second * seconds
    }

    /// The steps of each submission that [`Gpu::run`] would make of `plan` at the pace known now.
    pub fn submissions(&self, plan: &Plan) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let mut begin = 0;
        while begin < plan.steps.len() {
            let end = self.submission_end(plan, begin);
            pieces.push(begin..end);
            begin = end;
        }
        pieces
    }

    /// Where a submission of the steps from `begin` on should end.
    fn submission_end(&self, plan: &Plan, begin: usize) -> usize {
        let most = self.flops_within(SUBMISSION_SECONDS) as u64;
        let mut flops = 0;
        let fitting = plan.steps[begin..].iter().take_while(|step| {
            flops += step.work.flops;
            flops <= most
        });
        begin + fitting.count().max(1)
    }

    /// Submits steps from `begin` on, as many as one submission should hold; says where it ended.
    fn submit_piece(&self, plan: &Plan, begin: usize) -> (usize, Piece) {
        let end = self.submission_end(plan, begin);
        let executor = self.executor.borrow();
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for index in begin..end {
            dispatch(&mut pass, &executor, plan, index);
        }
        drop(pass);
        let flops = plan.steps[begin..end].iter().map(|step| step.work.flops).sum();
        (end, Piece { submitted: self.submit([encoder.finish()]), flops })
    }

    /// Runs `plan` with a timestamp around every step.
    ///
    /// # Errors
    /// As [`Gpu::run`], and [`ErrorKind::AdapterTooSmall`] on adapters without timestamps.
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
    /// As [`Gpu::run`].
    pub async fn run_repeated(&self, plan: &Plan, repeats: u32) -> Result<Vec<f64>> {
        self.upload(plan)?;
        if self.adapter().timestamps && plan.steps.len() <= MAX_TIMED_STEPS {
            return self.time_by_gpu(plan, repeats).await;
        }
        let mut seconds = Vec::with_capacity(plan.steps.len());
        self.finish().await?;
        for index in 0..plan.steps.len() {
            let start = Instant::now();
            let mut encoder = self.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for _ in 0..repeats {
                dispatch(&mut pass, &self.executor.borrow(), plan, index);
            }
            drop(pass);
            self.wait(self.submit([encoder.finish()])).await?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }

    async fn time_by_gpu(&self, plan: &Plan, repeats: u32) -> Result<Vec<f64>> {
        let steps = plan.steps.len();
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
                for _ in 0..repeats {
                    dispatch(&mut pass, &executor, plan, index);
                }
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
        let seconds = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 * nanoseconds * 1e-9;
        Ok(ticks.chunks_exact(2).map(seconds).collect())
    }

    /// Everything on the GPU that was made so far: bytes of buffers, bind groups, pipelines, bytes of
    /// parameters. A second run of the same work must leave it as it is.
    #[cfg(test)]
    pub(crate) fn made(&self) -> [u64; 4] {
        let Executor { bind_groups, layouts, params, .. } = &*self.executor.borrow();
        [self.allocated_bytes(), bind_groups.len() as u64, layouts.len() as u64, params.size()]
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
