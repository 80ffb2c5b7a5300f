//! The faster of GPU and CPU, by a small model that both are timed with.

pub mod remembered;

use std::cell::RefCell;
use std::error::Error as _;
use std::time::Instant;

use cappy::checkpoint::{Checkpoint, LocalFuture, WeightFormat};
use cappy::encoder::Encoder;
use cappy::gpu::Gpu;
use cappy::tune::Tuned;
use cappy::{
    Backend, Config, Dtype, Error, ErrorKind, GpuBackend, LoadOptions, LoadedModel, Result,
    gpu_backend, pace,
};

use crate::{Cpu, Numbers, pace_of, threads};

/// Tokens of the batch whose time is told: sixteen pairs of 128.
const TOKENS: usize = 2048;

/// How the line begins that remembers this.
const NAME: &str = "auto ";

/// The faster of GPU and CPU, as a short measurement of both finds that [`LoadOptions::tuning`] can
/// remember. The CPU where the GPU cannot be used, and the GPU where the options name
/// [`LoadOptions::kernel`] or [`Dtype::F16`], which the CPU does not have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fastest {
    /// How the CPU computes, where it does.
    pub cpu: Cpu,
}

impl Backend for Fastest {
    fn load<'a>(
        &'a self,
        checkpoint: &'a Checkpoint,
        config: &'a Config,
        options: &'a LoadOptions<'_>,
        loaded: &'a mut dyn FnMut(u64),
    ) -> LocalFuture<'a, Result<Box<dyn LoadedModel>>> {
        match options.dtype == Dtype::F16 || options.kernel.is_some() {
            true => GpuBackend.load(checkpoint, config, options, loaded),
            false => Box::pin(self.load_the_faster(checkpoint, config, options, loaded)),
        }
    }
}

/// What measuring both came to.
struct Measured {
    is_cpu: bool,
    /// Which is taken and why, for people.
    note: String,
    /// What to remember of the GPU's kernels, and the seconds that finding them took.
    gpu_tuning: String,
    gpu_seconds: f64,
    /// The same of the choice between GPU and CPU.
    tuning: String,
    seconds: f64,
}

impl Fastest {
    async fn load_the_faster(
        &self,
        checkpoint: &Checkpoint,
        config: &Config,
        options: &LoadOptions<'_>,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Box<dyn LoadedModel>> {
        let measured = RefCell::new(None);
        let consider = async |gpu: &Gpu, tuned: &Tuned| {
            let numbers = self.cpu.numbers_for(options);
            let verdict = Verdict::of(options.tuning, gpu, tuned, numbers).await?;
            let is_cpu = verdict.is_cpu();
            measured.replace(Some(Measured {
                is_cpu,
                note: verdict.tell(config, gpu),
                gpu_tuning: tuned.to_text(gpu),
                gpu_seconds: tuned.seconds,
                tuning: verdict.to_text(),
                seconds: verdict.seconds,
            }));
            match is_cpu {
                true => {
                    Err(Error::new(ErrorKind::AdapterTooSmall, "GPU", "is slower than the CPU"))
                }
                false => Ok(()),
            }
        };
        let on_gpu = GpuBackend.load_unless(checkpoint, config, options, loaded, consider).await;
        match (on_gpu, measured.into_inner()) {
            (Ok(model), Some(found)) => {
                Ok(Box::new(model.with_note(found.note, &found.tuning, found.seconds)))
            }
            (Ok(model), None) => Ok(Box::new(model)),
            (Err(why), found) if is_of_the_gpu(&why) => {
                let mut model = self.cpu.load_model(checkpoint, config, options, loaded).await?;
                let running = &mut model.running;
                running.note = Some(match &found {
                    Some(found) if found.is_cpu => found.note.clone(),
                    _ => format!("computes on the CPU: {}", in_full(&why)),
                });
                if let Some(found) = found {
                    running.tuning = found.gpu_tuning + &found.tuning;
                    running.tuning_seconds = found.gpu_seconds + found.seconds;
                }
                Ok(Box::new(model))
            }
            (Err(why), _) => Err(why),
        }
    }
}

/// What timing both came to.
struct Verdict {
    /// Microseconds that the small model takes.
    on_gpu: u32,
    on_cpu: u32,
    /// What they hold for.
    key: String,
    /// Seconds that timing took; 0 where it was remembered.
    pub seconds: f64,
}

impl Verdict {
    /// What `remembered`, [`cappy::LoadOptions::tuning`] of an earlier load, says of this adapter and
    /// this machine, or else a measurement.
    ///
    /// # Errors
    /// What the GPU says.
    pub async fn of(
        remembered: Option<&str>,
        gpu: &Gpu,
        tuned: &Tuned,
        numbers: Numbers,
    ) -> Result<Verdict> {
        let key = key(gpu, tuned.format, numbers);
        if let Some([on_gpu, on_cpu]) =
            remembered.and_then(|text| text.lines().find_map(|line| read(line, &key)))
        {
            return Ok(Verdict { on_gpu, on_cpu, key, seconds: 0.0 });
        }
        let start = Instant::now();
        let on_gpu = gpu_backend::pace_of(gpu, tuned.choice, Some(tuned.format)).await?;
        let on_cpu = pace_of(numbers).await?;
        Ok(Verdict { on_gpu, on_cpu, key, seconds: start.elapsed().as_secs_f64() })
    }

    /// Whether the CPU is the faster way.
    pub fn is_cpu(&self) -> bool {
        self.on_cpu < self.on_gpu
    }

    /// Which of both is taken and why, for people, with the time that the model of `config` should
    /// take by that.
    pub fn tell(&self, config: &Config, gpu: &Gpu) -> String {
        let (small, ..) = pace::work();
        let times = Encoder::flops(config, TOKENS) / Encoder::flops(&small, pace::TOKENS);
        let time = |micros: u32| seconds(1e-6 * f64::from(micros) * times);
        let cpu = format!("{} on the CPU", time(self.on_cpu));
        let gpu = format!("{} on the GPU ({})", time(self.on_gpu), gpu.adapter().name);
        let (taken, first, then) =
            if self.is_cpu() { ("CPU", cpu, gpu) } else { ("GPU", gpu, cpu) };
        format!("takes the {taken}: by measurement, {TOKENS} tokens need {first}, {then}")
    }

    /// A line for the next load, after the GPU's own.
    pub fn to_text(&self) -> String {
        format!("\n{NAME}{} {} {}", self.on_gpu, self.on_cpu, self.key)
    }
}

/// What a measurement holds for.
fn key(gpu: &Gpu, format: WeightFormat, numbers: Numbers) -> String {
    let adapter = gpu.adapter();
    let path = if gpu.dtype() == Dtype::F16 { "f16" } else { "f32" };
    format!(
        "{} {path} {format} {} {} {}; {}, {}, threads: {}",
        env!("CARGO_PKG_VERSION"),
        adapter.backend,
        adapter.name,
        adapter.driver,
        numbers.describe(),
        std::env::consts::ARCH,
        threads()
    )
}

/// The microseconds in a remembered line, the GPU's first, if it is for `key`.
fn read(line: &str, key: &str) -> Option<[u32; 2]> {
    let mut words = line.strip_prefix(NAME)?.splitn(3, ' ');
    let mut micros = || words.next()?.parse::<u32>().ok().filter(|micros| *micros > 0);
    let both = [micros()?, micros()?];
    (words.next()? == key).then_some(both)
}

/// A time in few digits.
fn seconds(seconds: f64) -> String {
    match seconds {
        0.1.. => format!("{seconds:.1} s"),
        _ => format!("{:.1} ms", 1e3 * seconds),
    }
}

/// The error with what caused it; a missing adapter says all by itself.
fn in_full(error: &Error) -> String {
    let mut text = match error.kind() {
        ErrorKind::NoAdapter => return error.what().to_owned(),
        _ => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text
}

/// Whether the CPU can do what the GPU failed to: all but reading a model that is broken.
fn is_of_the_gpu(error: &Error) -> bool {
    use ErrorKind::{AdapterTooSmall, DeviceLost, Gpu, NoAdapter, OutOfMemory};
    matches!(error.kind(), AdapterTooSmall | DeviceLost | Gpu | NoAdapter | OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cappy::gpu::Dtype;
    use cappy::tune::tune;

    #[test]
    fn a_verdict_is_measured_remembered_and_forgotten_elsewhere() {
        pollster::block_on(async {
            let gpu = Gpu::open(Dtype::Auto).await.unwrap();
            let tuned = tune(&gpu, WeightFormat::F16, Some("lanes"), None).await.unwrap();
            let of = async |remembered, numbers| {
                Verdict::of(remembered, &gpu, &tuned, numbers).await.unwrap()
            };
            let measured = of(None, Numbers::F32).await;
            assert!(measured.seconds > 0.0);
            assert!(measured.on_gpu > 0 && measured.on_cpu > 0);
            let line = measured.to_text();
            let again = of(Some(&format!("the GPU's own{line}")), Numbers::F32).await;
            assert_eq!((again.seconds, again.to_text()), (0.0, line.clone()));

            let of_this = |line: &str| read(line.trim_start(), &measured.key).is_some();
            assert!(of_this(&line));
            for other in ["", NAME, "auto 5", "auto 5 6", &line.replace("thr", "t")] {
                assert!(!of_this(other), "{other}");
            }
            assert!(!of_this(&format!("auto 0 6 {}", measured.key)));
            let q8 = key(&gpu, WeightFormat::Q8, Numbers::F32);
            assert!(q8 != measured.key && key(&gpu, tuned.format, Numbers::I8) != measured.key);
        });
    }

    #[test]
    fn the_shorter_time_wins_and_is_told_for_the_model() {
        let gpu = pollster::block_on(Gpu::open(Dtype::Auto)).unwrap();
        let (small, ..) = pace::work();
        let twice = Config { num_hidden_layers: 2 * small.num_hidden_layers, ..small };
        let of = |on_gpu, on_cpu| Verdict { on_gpu, on_cpu, key: String::new(), seconds: 0.0 };
        let cpu = of(200_000, 2_000);
        let name = &gpu.adapter().name;
        assert!(cpu.is_cpu() && !of(2_000, 200_000).is_cpu());
        // Eight times the tokens, and more layers that are computed for all of them.
        let times = Encoder::flops(&twice, TOKENS) / Encoder::flops(&pace::work().0, pace::TOKENS);
        assert!(times > 8.0, "{times}");
        assert_eq!(
            cpu.tell(&twice, &gpu),
            format!(
                "takes the CPU: by measurement, 2048 tokens need {} on the CPU, {} on the GPU ({name})",
                seconds(2e-3 * times),
                seconds(0.2 * times)
            )
        );
        assert!(of(2_000, 200_000).tell(&twice, &gpu).starts_with("takes the GPU: by measurement"));
    }

    #[test]
    fn a_failed_gpu_is_told_in_full_and_a_broken_model_is_not_its_fault() {
        let why = Error::new(ErrorKind::Gpu, "llvmpipe", "would not open a device")
            .with_source(std::io::Error::other("the limit is lower"));
        assert_eq!(in_full(&why), "llvmpipe: would not open a device: the limit is lower");
        assert!(is_of_the_gpu(&why));
        for kind in [ErrorKind::Checkpoint, ErrorKind::Io, ErrorKind::Input, ErrorKind::Aborted] {
            assert!(!is_of_the_gpu(&Error::new(kind, "x", "y")));
        }
    }
}
