//! Finding an adapter, opening a device, giving it work and waiting for it, and what goes wrong there.

use std::sync::{Arc, Mutex};

use crate::adapter::{AdapterSummary, Dtype};
use crate::error::{Error, ErrorKind, Result};

/// An open device, what is known of its adapter, and the first thing that went wrong on it.
pub(super) struct Device {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) summary: AdapterSummary,
    pub(super) dtype: Dtype,
    /// The subgroups that shaders are compiled for, where the device lets them say it.
    pub(super) fixed_subgroup: Option<u32>,
    fault: Arc<Mutex<Option<Fault>>>,
}

/// Work that the GPU has been given.
pub(super) struct Submitted {
    index: wgpu::SubmissionIndex,
    done: futures_channel::oneshot::Receiver<()>,
}

/// The first thing that went wrong on the device.
enum Fault {
    Lost(String),
    OutOfMemory(String),
    Other(String),
}

/// How often a browser is made to look for what the GPU has done; timers are no finer.
#[cfg(target_arch = "wasm32")]
const NUDGE_MILLISECONDS: u32 = 4;

/// How to get an adapter, for people who have none.
const NO_ADAPTER: &str = "no Vulkan, Metal or DirectX 12 adapter was found. Install the driver of \
    your graphics card, or a software one: on Debian or Ubuntu \
    `apt-get install mesa-vulkan-drivers libvulkan1`, on Fedora \
    `dnf install mesa-vulkan-drivers vulkan-loader`";

/// The environment variable that chooses an adapter.
const ADAPTER_VARIABLE: &str = "CAPPY_ADAPTER";

/// A part of the name of the adapter that the user wants, natively. A browser chooses by itself.
pub(super) fn wanted_adapter() -> Option<String> {
    if cfg!(target_arch = "wasm32") {
        return None;
    }
    std::env::var(ADAPTER_VARIABLE).ok().filter(|name| !name.trim().is_empty())
}

impl Device {
    /// Opens the adapter whose name contains `wanted`, else the most powerful one.
    pub(super) async fn open(dtype: Dtype, wanted: Option<&str>) -> Result<Device> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = match wanted {
            #[cfg(not(target_arch = "wasm32"))]
            Some(wanted) => adapter_called(&instance, wanted).await?,
            _ => most_powerful_adapter(&instance).await?,
        };
        let info = adapter.get_info();
        let subgroups = adapter.features().contains(wgpu::Features::SUBGROUP);
        let summary = AdapterSummary {
            name: info.name.clone(),
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            device_type: format!("{:?}", info.device_type).to_ascii_lowercase(),
            f16: adapter.features().contains(wgpu::Features::SHADER_F16),
            timestamps: adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY),
            max_binding_bytes: adapter.limits().max_storage_buffer_binding_size,
            subgroup_size: if subgroups { info.subgroup_min_size } else { 0 },
            subgroup_max_size: if subgroups { info.subgroup_max_size } else { 0 },
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
        Ok(Device { device, queue, summary, dtype, fixed_subgroup: None, fault })
    }

    /// Submits `commands`. [`Device::wait`] waits until they, and all before them, are done.
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
        self.arrival(submitted.done).await.map_err(|_| self.lost("while waiting for the queue"))?;
        self.check()
    }

    /// Waits for what the queue reports. Firefox looks for that every 0.1 s, and whenever something is
    /// submitted: so nothing is submitted, now and then, until it comes.
    #[cfg(target_arch = "wasm32")]
    pub(super) async fn arrival<T>(
        &self,
        mut report: futures_channel::oneshot::Receiver<T>,
    ) -> std::result::Result<T, futures_channel::oneshot::Canceled> {
        use std::future::{Future, poll_fn};
        use std::pin::Pin;
        use std::task::Poll;
        loop {
            let mut pause = gloo_timers::future::TimeoutFuture::new(NUDGE_MILLISECONDS);
            let came = poll_fn(|context| {
                if let Poll::Ready(came) = Pin::new(&mut report).poll(context) {
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
    pub(super) async fn arrival<T>(
        &self,
        report: futures_channel::oneshot::Receiver<T>,
    ) -> std::result::Result<T, futures_channel::oneshot::Canceled> {
        report.await
    }

    /// Natively the caller has to wait for the driver; in a browser the event loop does.
    pub(super) fn poll(&self, index: wgpu::SubmissionIndex) -> Result<()> {
        if cfg!(not(target_arch = "wasm32")) {
            let wait = wgpu::PollType::Wait { submission_index: Some(index), timeout: None };
            self.device.poll(wait).map_err(|source| {
                Error::new(ErrorKind::Gpu, self.summary.name.as_str(), "did not finish its work")
                    .with_source(source)
            })?;
        }
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

    pub(super) fn lost(&self, when: &str) -> Error {
        self.check().err().unwrap_or_else(|| {
            Error::new(ErrorKind::DeviceLost, self.summary.name.as_str(), format!("lost {when}"))
        })
    }

    /// Throws the device away, as a crashed driver would: every later call fails.
    #[cfg(test)]
    pub(super) fn lose(&self) {
        self.device.destroy();
        *self.fault.lock().unwrap() = Some(Fault::Lost("destroyed by a test".into()));
    }
}

impl Drop for Device {
    /// A browser would free the memory only when its garbage collector runs.
    fn drop(&mut self) {
        self.device.destroy();
    }
}

async fn most_powerful_adapter(instance: &wgpu::Instance) -> Result<wgpu::Adapter> {
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    instance.request_adapter(&options).await.map_err(|source| {
        Error::new(ErrorKind::NoAdapter, "GPU adapter", NO_ADAPTER).with_source(source)
    })
}

/// The first adapter whose name contains `wanted`, in capitals or not.
#[cfg(not(target_arch = "wasm32"))]
async fn adapter_called(instance: &wgpu::Instance, wanted: &str) -> Result<wgpu::Adapter> {
    let mut adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
    let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    let at = place_of_name(&names, wanted)?;
    Ok(adapters.swap_remove(at))
}

/// Which of `names` contains `wanted`.
#[cfg(not(target_arch = "wasm32"))]
fn place_of_name(names: &[String], wanted: &str) -> Result<usize> {
    let wanted = wanted.trim().to_lowercase();
    let place = names.iter().position(|name| name.to_lowercase().contains(&wanted));
    place.ok_or_else(|| {
        let there_are = match names {
            [] => NO_ADAPTER.to_owned(),
            names => format!("there are: {}", names.join("; ")),
        };
        let why = format!("no adapter has {wanted:?} in its name; {there_are}");
        Error::new(ErrorKind::Input, ADAPTER_VARIABLE, why)
    })
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

/// The token that wgpu requires for experimental features.
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
    // Nothing is drawn here, and Deno does not report this limit.
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
            subgroup_max_size: 0,
            cooperative: Vec::new(),
        };
        assert_eq!(resolve_dtype(Dtype::Auto, &adapter).unwrap(), Dtype::F32);
        let error = resolve_dtype(Dtype::F16, &adapter).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AdapterTooSmall);
    }

    #[test]
    fn an_adapter_is_found_by_a_part_of_its_name() {
        let names = ["NVIDIA H200".to_owned(), "llvmpipe (LLVM 19)".to_owned()];
        assert_eq!(place_of_name(&names, " LLVMpipe ").unwrap(), 1);
        let error = place_of_name(&names, "radeon").unwrap_err();
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, "CAPPY_ADAPTER"));
        let text = error.to_string();
        assert!(text.contains("\"radeon\"") && text.contains("NVIDIA H200; llvmpipe"), "{text}");
        let error = place_of_name(&[], "radeon").unwrap_err();
        assert!(error.to_string().contains("mesa-vulkan-drivers"), "{error}");
    }

    #[test]
    fn the_adapter_that_is_wanted_is_opened() {
        let open = |wanted: Option<&str>| pollster::block_on(Device::open(Dtype::Auto, wanted));
        let name = open(None).unwrap().summary.name.clone();
        assert_eq!(open(Some(&name.to_uppercase())).unwrap().summary.name, name);
        let error = open(Some("no adapter of this name")).err().unwrap();
        assert!(error.to_string().contains(&name), "{error}");
    }
}
