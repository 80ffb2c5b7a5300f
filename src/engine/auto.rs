//! The faster of GPU and CPU, by what was measured of both.

use std::error::Error as _;

use crate::config::Config;
use crate::cpu::{Numbers, pace, pace_key};
use crate::encoder::Encoder;
use crate::error::{Error, ErrorKind};
use crate::gpu::Gpu;
use crate::tune::Tuned;

/// Tokens of the batch whose time is told: sixteen pairs of 128.
const TOKENS: usize = 2048;

/// How a remembered line of the CPU begins.
const CPU: &str = "cpu ";

/// How fast the CPU multiplies.
#[derive(Debug)]
struct CpuPace {
    key: String,
    /// Multiplications and additions a second.
    flops_per_second: f64,
    /// Seconds that measuring took; 0 where it was remembered.
    seconds: f64,
}

impl CpuPace {
    /// What `remembered`, [`crate::LoadOptions::tuning`] of an earlier load, says of this machine,
    /// or else a measurement.
    fn of(numbers: Numbers, remembered: Option<&str>) -> CpuPace {
        let key = format!("{} {}", env!("CARGO_PKG_VERSION"), pace_key(numbers));
        if let Some(flops_per_second) =
            remembered.and_then(|text| text.lines().find_map(|line| read(line, &key)))
        {
            return CpuPace { key, flops_per_second, seconds: 0.0 };
        }
        let start = std::time::Instant::now();
        let flops_per_second = pace(numbers);
        CpuPace { key, flops_per_second, seconds: start.elapsed().as_secs_f64() }
    }

    /// One line for the next load.
    fn to_text(&self) -> String {
        format!("{CPU}{} {}", self.flops_per_second as u64, self.key)
    }
}

/// What measuring both came to.
pub(super) struct Verdict {
    /// Whether the CPU gets through a model sooner than the GPU.
    pub cpu_is_faster: bool,
    /// Which of both is taken and why, for people.
    pub told: String,
    /// Both measurements, for the next load.
    pub tuning: String,
    /// Seconds that they took; 0 where they were remembered.
    pub seconds: f64,
}

impl Verdict {
    /// What is `tuned` for the GPU, against the CPU's pace in `numbers`: as `remembered`, else
    /// measured now.
    pub fn of(
        numbers: Numbers,
        remembered: Option<&str>,
        config: &Config,
        gpu: &Gpu,
        tuned: &Tuned,
    ) -> Verdict {
        let pace = CpuPace::of(numbers, remembered);
        let cpu_is_faster = pace.flops_per_second > tuned.flops_per_second;
        let time = |rate: f64| seconds(Encoder::flops(config, TOKENS) / rate);
        let cpu = format!("{} on the CPU", time(pace.flops_per_second));
        let name = &gpu.adapter().name;
        let on_gpu = format!("{} on the GPU ({name})", time(tuned.flops_per_second));
        let (taken, first, then) = match cpu_is_faster {
            true => ("CPU", cpu, on_gpu),
            false => ("GPU", on_gpu, cpu),
        };
        Verdict {
            cpu_is_faster,
            told: format!(
                "takes the {taken}: the matrices of {TOKENS} tokens should take {first}, and {then}"
            ),
            tuning: format!("{}\n{}", tuned.to_text(gpu), pace.to_text()),
            seconds: tuned.seconds + pace.seconds,
        }
    }
}

/// What `remembered` has besides the GPU's line.
pub(super) fn remembered_pace(remembered: &str) -> String {
    let lines = remembered.lines().filter(|line| line.starts_with(CPU));
    lines.map(|line| format!("\n{line}")).collect()
}

/// The operations a second in a remembered line, if it is for `key`.
fn read(line: &str, key: &str) -> Option<f64> {
    let (rate, of) = line.strip_prefix(CPU)?.split_once(' ')?;
    let rate = rate.parse::<u64>().ok().filter(|rate| *rate > 0)?;
    (of == key).then_some(rate as f64)
}

/// A time in few digits.
fn seconds(seconds: f64) -> String {
    match seconds {
        0.1.. => format!("{seconds:.1} s"),
        _ => format!("{:.1} ms", 1e3 * seconds),
    }
}

/// The error with what caused it; a missing adapter says all by itself.
pub(super) fn in_full(error: &Error) -> String {
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
pub(super) fn is_of_the_gpu(error: &Error) -> bool {
    use ErrorKind::{AdapterTooSmall, DeviceLost, Gpu, NoAdapter, OutOfMemory};
    matches!(error.kind(), AdapterTooSmall | DeviceLost | Gpu | NoAdapter | OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_measured_remembered_and_forgotten_elsewhere() {
        let measured = CpuPace::of(Numbers::F32, None);
        assert!(measured.flops_per_second > 1e8 && measured.seconds > 0.0, "{measured:?}");
        let line = measured.to_text();
        let again = CpuPace::of(Numbers::F32, Some(&format!("the GPU's line\n{line}")));
        assert_eq!(again.seconds, 0.0);
        assert_eq!(again.to_text(), line);
        for other in ["", "cpu", "cpu 5", &line.replace("cpu ", "gpu "), &line.replace("thr", "t")]
        {
            assert!(CpuPace::of(Numbers::F32, Some(other)).seconds > 0.0, "{other}");
        }
        assert!(CpuPace::of(Numbers::I8, Some(&line)).seconds > 0.0);
        let stopped = line.replacen(&format!("{}", measured.flops_per_second as u64), "0", 1);
        assert!(CpuPace::of(Numbers::F32, Some(&stopped)).seconds > 0.0, "{stopped}");
    }

    #[test]
    fn times_are_told_in_few_digits() {
        assert_eq!(seconds(12.34), "12.3 s");
        assert_eq!(seconds(0.04321), "43.2 ms");
    }
}
