//! Buffers: making and filling them, and reading results.

use std::cell::{Cell, RefCell};

use super::Gpu;
use super::plan::Buffer;
use crate::error::{Error, ErrorKind, Result};

/// Writes are staged by wgpu in host memory until the queue runs; past this many bytes we wait,
/// so that loading a model never holds more of it than this.
const MAX_STAGED_BYTES: u64 = 16 << 20;

/// Results are read through a buffer of at least this size, so that one serves for all.
const READBACK_BYTES: u64 = 64 << 10;

/// What is known of the buffers of a device.
#[derive(Default)]
pub(super) struct Memory {
    /// Bytes of all buffers made so far, less those that were freed.
    allocated: Cell<u64>,
    /// Bytes that were written and that wgpu may still hold in host memory.
    staged: Cell<u64>,
    /// The buffer that results were last read through.
    readback: RefCell<Option<wgpu::Buffer>>,
}

impl Gpu {
    /// Bytes of GPU memory handed out by [`Gpu::buffer`] so far, less what [`Gpu::free`] took back.
    pub fn allocated_bytes(&self) -> u64 {
        self.memory.allocated.get()
    }

    /// The most bytes that [`Gpu::buffer`] makes a buffer of.
    pub fn max_binding_bytes(&self) -> u64 {
        let limits = self.device.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// Makes a zeroed storage buffer of at least `bytes` bytes, called `label` in messages.
    ///
    /// # Errors
    /// [`ErrorKind::AdapterTooSmall`] where one binding cannot hold it, or
    /// [`ErrorKind::OutOfMemory`].
    pub fn buffer(&self, label: &str, bytes: u64) -> Result<Buffer> {
        let most = self.device.device.limits().max_storage_buffer_binding_size;
        if bytes > most {
            return Err(Error::new(
                ErrorKind::AdapterTooSmall,
                label,
                format!(
                    "needs a storage binding of {bytes} bytes, and the adapter {:?} has \
                     max_storage_buffer_binding_size {most}",
                    self.device.summary.name
                ),
            ));
        }
        let size = bytes.next_multiple_of(16).max(16);
        let buffer = self.device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_DST
                | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        self.device.check()?;
        self.memory.allocated.set(self.memory.allocated.get() + size);
        Ok(buffer)
    }

    /// Gives the memory of buffers back at once. Dropping them would leave it to the bind groups that
    /// name them and, in a browser, to the garbage collector. Nothing may use them after this.
    pub fn free(&self, buffers: &[&Buffer]) {
        self.forget_bind_groups();
        for buffer in buffers {
            buffer.destroy();
            self.memory.allocated.set(self.memory.allocated.get() - buffer.size());
        }
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
        self.device.queue.write_buffer(buffer, offset, bytes);
        let staged = self.memory.staged.get() + bytes.len() as u64;
        self.memory.staged.set(staged);
        if staged >= MAX_STAGED_BYTES {
            self.finish().await?;
        }
        self.device.check()
    }

    /// Waits until everything that was written or submitted has happened.
    pub async fn finish(&self) -> Result<()> {
        self.memory.staged.set(0);
        self.device.wait(self.device.submit([])).await
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
        let mut encoder = self.device.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
        let index = self.device.queue.submit([encoder.finish()]);
        self.memory.staged.set(0);
        self.device.check()?;
        let (sender, receiver) = futures_channel::oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            let _ = sender.send(result);
        });
        self.device.poll(index)?;
        let mapped = self
            .device
            .arrival(receiver)
            .await
            .map_err(|_| self.device.lost("while reading results"))?;
        self.device.check()?;
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Gpu, "readback", "could not be mapped").with_source(source)
        };
        // Mapping fails when the device is lost, which may be reported only after this.
        mapped.map_err(|_| self.device.lost("while reading results"))?;
        let range = staging.get_mapped_range(..size).map_err(|e| failed(e.to_string().into()))?;
        let bytes = range.to_vec();
        drop(range);
        staging.unmap();
        self.memory.readback.replace(Some(staging));
        Ok(bytes)
    }

    /// A buffer to read `size` bytes through: the last one, if it is large enough. While one is
    /// being read it belongs to its reader.
    fn readback(&self, size: u64) -> wgpu::Buffer {
        let last = self.memory.readback.take().filter(|buffer| buffer.size() >= size);
        last.unwrap_or_else(|| {
            self.device.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size: size.max(READBACK_BYTES),
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Dtype;

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
