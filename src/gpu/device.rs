//! Finding an adapter, opening a device, making and filling buffers, reading results.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};

use super::executor::Executor;
use super::plan::Buffer;
use crate::adapter::{AdapterSummary, Dtype};
use crate::error::{Error, ErrorKind, Result};

/// An open GPU device.
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) executor: RefCell<Executor>,
    summary: AdapterSummary,
    dtype: Dtype,
    fault: Arc<Mutex<Option<Fault>>>,
    allocated: Cell<u64>,
    unsubmitted: Cell<u64>,
    readback: RefCell<Option<wgpu::Buffer>>,
}

/// Work that the GPU has been given.
pub(super) struct Submitted {
    index: wgpu::SubmissionIndex,
    done: futures_channel::oneshot::Receiver<()>,
}

/// The first thing that went wrong on the device, kept until somebody asks.
enum Fault {
    Lost(String),
    OutOfMemory(String),
    Other(String),
}

/// Writes are staged by wgpu in host memory until the queue runs; past this many bytes we wait,
/// so that loading a model never holds more of it than this.
const MAX_STAGED_BYTES: u64 = 16 << 20;

/// How often a browser is asked for news of the GPU; timers are no finer.
#[cfg(target_arch = "wasm32")]
const NUDGE_MILLISECONDS: u32 = 4;

/// Results are read through a buffer of at least this size, so that one serves for all.
const READBACK_BYTES: u64 = 64 << 10;

/// How to get an adapter, for people who have none.
const NO_ADAPTER: &str = "no Vulkan, Metal or DirectX 12 adapter was found. Install the driver of \
    your graphics card, or a software one: on Debian or Ubuntu \
    `apt-get install mesa-vulkan-drivers libvulkan1`, on Fedora \
    `dnf install mesa-vulkan-drivers vulkan-loader`";

impl Gpu {
    /// Opens the most powerful adapter.
    ///
    /// # Errors
    /// [`ErrorKind::NoAdapter`] where there is none, [`ErrorKind::AdapterTooSmall`] where it lacks
    /// WebGPU's default limits, or `shader-f16` when `dtype` demands it.
    pub async fn open(dtype: Dtype) -> Result<Gpu> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = instance.request_adapter(&options).await.map_err(|source| {
            Error::new(ErrorKind::NoAdapter, "GPU adapter", NO_ADAPTER).with_source(source)
        })?;
        let info = adapter.get_info();
        let summary = AdapterSummary {
            name: info.name.clone(),
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            device_type: format!("{:?}", info.device_type).to_ascii_lowercase(),
            f16: adapter.features().contains(wgpu::Features::SHADER_F16),
            timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
            max_binding_bytes: adapter.limits().max_storage_buffer_binding_size,
            subgroup_size: match adapter.features().contains(wgpu::Features::SUBGROUP) {
                true => info.subgroup_min_size,
                false => 0,
            },
            cooperative: cooperative(&adapter, &info),
        };
        let dtype = resolve_dtype(dtype, &summary)?;
        let limits = required_limits(&summary.name, &adapter.limits())?;

        let mut features = wgpu::Features::empty();
        features.set(wgpu::Features::SHADER_F16, dtype == Dtype::F16);
        features.set(wgpu::Features::TIMESTAMP_QUERY, summary.timestamps);
        features.set(wgpu::Features::SUBGROUP, summary.subgroup_size > 0);
        let matrices = dtype == Dtype::F16 && !summary.cooperative.is_empty();
        features.set(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, matrices);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("cappy"),
            required_features: features,
            required_limits: limits,
            experimental_features: experimental(matrices),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|source| {
            Error::new(ErrorKind::Gpu, summary.name.as_str(), "would not open a device")
                .with_source(source)
        })?;

        let fault = Arc::new(Mutex::new(None));
        let keep_first = |fault: &Arc<Mutex<Option<Fault>>>| {
            let fault = fault.clone();
            move |new: Fault| {
                if let Ok(mut slot) = fault.lock() {
                    slot.get_or_insert(new);
                }
            }
        };
        let keep = keep_first(&fault);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            keep(match error {
                wgpu::Error::OutOfMemory { .. } => Fault::OutOfMemory(error.to_string()),
                _ => Fault::Other(error.to_string()),
            });
        }));
        let keep = keep_first(&fault);
        device.set_device_lost_callback(move |_, message| keep(Fault::Lost(message)));
        let executor = RefCell::new(Executor::new(&device, dtype, summary.subgroup_size));
        Ok(Gpu {
            device,
            queue,
            executor,
            summary,
            dtype,
            fault,
            allocated: Cell::new(0),
            unsubmitted: Cell::new(0),
            readback: RefCell::new(None),
        })
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &AdapterSummary {
        &self.summary
    }

    /// The path taken: never [`Dtype::Auto`].
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Whether the adapter is a CPU that runs shaders.
    pub fn is_software(&self) -> bool {
        self.summary.device_type == "cpu"
    }

    /// Says that the device has subgroups of at least `size` invocations, which wgpu does not learn
    /// from a browser.
    pub fn grant_subgroups(&mut self, size: u32) {
        self.summary.subgroup_size = size;
    }

    /// Bytes of GPU memory handed out by [`Gpu::buffer`] so far.
    pub fn allocated_bytes(&self) -> u64 {
        self.allocated.get()
    }

    /// The most bytes that [`Gpu::buffer`] makes a buffer of.
    pub fn max_binding_bytes(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// Makes a zeroed storage buffer of at least `bytes` bytes, called `label` in messages.
    ///
    /// # Errors
    /// [`ErrorKind::AdapterTooSmall`] where one binding cannot hold it, or
    /// [`ErrorKind::OutOfMemory`].
    pub fn buffer(&self, label: &str, bytes: u64) -> Result<Buffer> {
        let most = self.device.limits().max_storage_buffer_binding_size;
        if bytes > most {
            return Err(Error::new(
                ErrorKind::AdapterTooSmall,
                label,
                format!(
                    "needs a storage binding of {bytes} bytes, and the adapter {:?} has \
                     max_storage_buffer_binding_size {most}",
                    self.summary.name
                ),
            ));
        }
        let size = bytes.next_multiple_of(16).max(16);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_DST
                | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        self.check()?;
        self.allocated.set(self.allocated.get() + size);
        Ok(buffer)
    }

    /// Makes a buffer that holds `data`.
    pub async fn buffer_of<T: bytemuck::NoUninit>(
        &self,
        label: &str,
        data: &[T],
    ) -> Result<Buffer> {
        let buffer = self.buffer(label, size_of_val(data) as u64)?;
        self.write(&buffer, 0, data).await?;
        Ok(buffer)
    }

    /// Writes `data` at byte `offset` of `buffer`. Offset and length are multiples of four bytes.
    pub async fn write<T: bytemuck::NoUninit>(
        &self,
        buffer: &Buffer,
        offset: u64,
        data: &[T],
    ) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        self.queue.write_buffer(buffer, offset, bytes);
        let staged = self.unsubmitted.get() + bytes.len() as u64;
        self.unsubmitted.set(staged);
        if staged >= MAX_STAGED_BYTES {
            self.finish().await?;
        }
        self.check()
    }

    /// Waits until everything that was written or submitted has happened.
    pub async fn finish(&self) -> Result<()> {
        self.unsubmitted.set(0);
        self.wait(self.submit([])).await
    }

    /// Submits `commands`. [`Gpu::wait`] waits until they, and all before them, are done.
    pub(super) fn submit(
        &self,
        commands: impl IntoIterator<Item = wgpu::CommandBuffer>,
    ) -> Submitted {
        let index = self.queue.submit(commands);
        let (sender, done) = futures_channel::oneshot::channel();
        self.queue.on_submitted_work_done(move || {
            // The receiver is gone only when the caller has given up waiting.
            let _ = sender.send(());
        });
        Submitted { index, done }
    }

    /// Waits until what was submitted is done.
    pub(super) async fn wait(&self, submitted: Submitted) -> Result<()> {
        self.poll(submitted.index)?;
        self.news(submitted.done).await.map_err(|_| self.lost("while waiting for the queue"))?;
        self.check()
    }

    /// Reads the first `count` f32 of `buffer`.
    ///
    /// # Errors
    /// [`ErrorKind::DeviceLost`] or [`ErrorKind::Gpu`]; never a made-up value.
    pub async fn read_f32(&self, buffer: &Buffer, count: usize) -> Result<Vec<f32>> {
        let bytes = self.read_bytes(buffer, count as u64 * 4).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Reads the first `size` bytes of `buffer`; a multiple of four.
    pub(super) async fn read_bytes(&self, buffer: &Buffer, size: u64) -> Result<Vec<u8>> {
        let staging = self.readback(size);
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
        let index = self.queue.submit([encoder.finish()]);
        self.unsubmitted.set(0);
        self.check()?;
        let (sender, receiver) = futures_channel::oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            let _ = sender.send(result);
        });
        self.poll(index)?;
        let mapped = self.news(receiver).await.map_err(|_| self.lost("while reading results"))?;
        self.check()?;
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Gpu, "readback", "could not be mapped").with_source(source)
        };
        // Mapping fails when the device is gone; the news of that may come after this.
        mapped.map_err(|_| self.lost("while reading results"))?;
        let range = staging.get_mapped_range(..size).map_err(|e| failed(e.to_string().into()))?;
        let bytes = range.to_vec();
        drop(range);
        staging.unmap();
        self.readback.replace(Some(staging));
        Ok(bytes)
    }

    /// A buffer to read `size` bytes through: the last one, if it is large enough. While one is
    /// being read it belongs to its reader.
    fn readback(&self, size: u64) -> wgpu::Buffer {
        let last = self.readback.take().filter(|buffer| buffer.size() >= size);
        last.unwrap_or_else(|| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size: size.max(READBACK_BYTES),
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            })
        })
    }

    /// Waits for `news` from the queue. Firefox looks for them every 0.1 s, and whenever something is
    /// submitted: so nothing is submitted, now and then, until they come.
    #[cfg(target_arch = "wasm32")]
    async fn news<T>(
        &self,
        mut news: futures_channel::oneshot::Receiver<T>,
    ) -> std::result::Result<T, futures_channel::oneshot::Canceled> {
        use std::future::{Future, poll_fn};
        use std::pin::Pin;
        use std::task::Poll;
        loop {
            let mut pause = gloo_timers::future::TimeoutFuture::new(NUDGE_MILLISECONDS);
            let came = poll_fn(|context| {
                if let Poll::Ready(came) = Pin::new(&mut news).poll(context) {
                    return Poll::Ready(Some(came));
                }
                Pin::new(&mut pause).poll(context).map(|()| None)
            });
            match came.await {
                Some(came) => return came,
                None => self.queue.submit([]),
            };
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    async fn news<T>(
        &self,
        news: futures_channel::oneshot::Receiver<T>,
    ) -> std::result::Result<T, futures_channel::oneshot::Canceled> {
        news.await
    }

    /// Natively somebody has to wait for the driver; in a browser the event loop does.
    #[cfg_attr(target_arch = "wasm32", expect(unused_variables))]
    fn poll(&self, index: wgpu::SubmissionIndex) -> Result<()> {
        #[cfg(not(target_arch = "wasm32"))]
        self.device
            .poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None })
            .map_err(|source| {
                Error::new(ErrorKind::Gpu, self.summary.name.as_str(), "did not finish its work")
                    .with_source(source)
            })?;
        Ok(())
    }

    /// The first fault since the device was opened, as an error. It stays: a device that has
    /// failed once is not to be trusted with another score.
    pub(super) fn check(&self) -> Result<()> {
        let slot = self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (kind, message) = match slot.as_ref() {
            None => return Ok(()),
            Some(Fault::Lost(message)) => (ErrorKind::DeviceLost, message),
            Some(Fault::OutOfMemory(message)) => (ErrorKind::OutOfMemory, message),
            Some(Fault::Other(message)) => (ErrorKind::Gpu, message),
        };
        Err(Error::new(kind, self.summary.name.as_str(), message.as_str()))
    }

    fn lost(&self, when: &str) -> Error {
        self.check().err().unwrap_or_else(|| {
            Error::new(ErrorKind::DeviceLost, self.summary.name.as_str(), format!("lost {when}"))
        })
    }

    /// Throws the device away, as a crashed driver would: every later call fails.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        self.device.destroy();
        *self.fault.lock().unwrap() = Some(Fault::Lost("destroyed by a test".into()));
    }
}

impl Drop for Gpu {
    /// A browser would keep the memory until its garbage collector comes by.
    fn drop(&mut self) {
        self.device.destroy();
    }
}

fn resolve_dtype(dtype: Dtype, adapter: &AdapterSummary) -> Result<Dtype> {
    match (dtype, adapter.f16) {
        (Dtype::Auto | Dtype::F16, true) => Ok(Dtype::F16),
        (Dtype::Auto | Dtype::F32, _) => Ok(Dtype::F32),
        (Dtype::F16, false) => Err(Error::new(
            ErrorKind::AdapterTooSmall,
            adapter.name.as_str(),
            "has no shader-f16; use dtype auto or f32",
        )),
    }
}

/// See [`AdapterSummary::cooperative`].
fn cooperative(adapter: &wgpu::Adapter, info: &wgpu::AdapterInfo) -> Vec<u32> {
    let wanted = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SUBGROUP;
    let one_size = info.subgroup_min_size == info.subgroup_max_size;
    if cfg!(target_arch = "wasm32") || !adapter.features().contains(wanted) || !one_size {
        return Vec::new();
    }
    let (f16, f32) = (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32);
    let mut sides: Vec<u32> = adapter
        .cooperative_matrix_properties()
        .iter()
        .filter(|shape| (shape.ab_type, shape.cr_type) == (f16, f32))
        .filter(|shape| shape.m_size == shape.n_size && shape.m_size == shape.k_size)
        .map(|shape| shape.m_size)
        .collect();
    sides.sort_unstable();
    sides.dedup();
    sides
}

/// What wgpu wants to be told before it lends features of which it is not sure yet.
#[expect(unsafe_code, reason = "says that we know of undefined behaviour where they have bugs")]
fn experimental(wanted: bool) -> wgpu::ExperimentalFeatures {
    match wanted {
        // SAFETY: shaders with cooperative matrices are ours alone, and read and write in bounds;
        // the self-test compares what they compute before any score is given out.
        true => unsafe { wgpu::ExperimentalFeatures::enabled() },
        false => wgpu::ExperimentalFeatures::disabled(),
    }
}

/// WebGPU's default limits, and whatever more the adapter has for the size of buffers.
fn required_limits(adapter: &str, offered: &wgpu::Limits) -> Result<wgpu::Limits> {
    // Nothing is drawn here, and Deno tells no such limit.
    let needed = wgpu::Limits { max_bind_groups_plus_vertex_buffers: 0, ..wgpu::Limits::default() };
    let mut missing = None;
    needed.check_limits_with_fail_fn(offered, true, |name, needed, offered| {
        missing = Some(format!("offers {name} {offered}, and {needed} is needed"));
    });
    if let Some(missing) = missing {
        return Err(Error::new(ErrorKind::AdapterTooSmall, adapter, missing));
    }
    Ok(wgpu::Limits {
        max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
        max_buffer_size: offered.max_buffer_size,
        ..needed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_adapter_is_refused_by_the_limit_at_fault() {
        let offered =
            wgpu::Limits { max_storage_buffer_binding_size: 1 << 20, ..wgpu::Limits::default() };
        let error = required_limits("toy", &offered).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AdapterTooSmall);
        assert!(error.to_string().contains("max_storage_buffer_binding_size 1048576"), "{error}");
    }

    #[test]
    fn webgpu_defaults_suffice() {
        assert!(required_limits("browser", &wgpu::Limits::default()).is_ok());
    }

    #[test]
    fn f16_is_demanded_only_where_it_exists() {
        let adapter = AdapterSummary {
            name: "old".into(),
            backend: "vulkan".into(),
            driver: String::new(),
            device_type: "discretegpu".into(),
            f16: false,
            timestamps: false,
            max_binding_bytes: 0,
            subgroup_size: 0,
            cooperative: Vec::new(),
        };
        assert_eq!(resolve_dtype(Dtype::Auto, &adapter).unwrap(), Dtype::F32);
        let error = resolve_dtype(Dtype::F16, &adapter).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AdapterTooSmall);
    }

    #[test]
    fn a_lost_device_is_an_error_and_never_a_zero() {
        let gpu = pollster::block_on(Gpu::open(Dtype::Auto)).unwrap();
        let buffer = gpu.buffer("data", 16).unwrap();
        gpu.lose();
        let error = pollster::block_on(gpu.read_f32(&buffer, 4)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeviceLost);
    }

    #[test]
    fn a_buffer_beyond_the_binding_limit_is_refused_by_name() {
        let gpu = pollster::block_on(Gpu::open(Dtype::Auto)).unwrap();
        let error = gpu.buffer("word table", u64::MAX / 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AdapterTooSmall);
        assert_eq!(error.at_fault(), "word table");
    }
}
