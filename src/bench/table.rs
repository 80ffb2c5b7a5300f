//! A report as people read it, in a hundred columns.

use std::fmt::Write as _;

use super::kernels::{Bound, KernelTime, KernelTimer};
use super::lengths::LengthTime;
use super::report::{Report, Workload};
use super::scaling::Scaling;

impl Report {
    /// The report as people read it.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let peaks = &self.peaks;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}: {:.1} M random weights, {}\non {} ({}, {})\n\n\
             peak      {:10.1} GFLOP/s   f32 multiply-adds in registers\n\
             f16 peak  {:10.1} GFLOP/s   f32 multiply-adds of f16 numbers, converted where used\n\
             bandwidth {:10.1} GB/s      copying 128 MiB, reads and writes counted\n\
             memory    {:10.1} MB        weights and activations\n\
             kernels   {:>10.2} s         choosing {}\n\
             load      {:10.2} s         making weights and bringing them to the GPU\n\
             first     {:10.2} s         the first batch, with compilation",
            self.shape.name(),
            self.parameters as f64 / 1e6,
            format!("{:?}, weights in {}", self.dtype, self.weights).to_lowercase(),
            self.adapter.name,
            self.adapter.backend,
            self.adapter.driver,
            peaks.multiply_add.best,
            peaks.multiply_add_stored.best,
            peaks.copy.best,
            self.gpu_bytes as f64 / 1e6,
            self.tuning_seconds,
            self.kernels,
            self.load_seconds,
            self.first_seconds,
        );
        for workload in &self.workloads {
            text.push_str(&workload_table(workload));
            if workload.pairs == 1 {
                let _ = writeln!(
                    text,
                    "{:.1} times as long as reading the weights ({:.1} MB) once: {:.3} ms",
                    workload.seconds / self.weights_read_seconds,
                    self.weight_bytes as f64 / 1e6,
                    self.weights_read_seconds * 1e3,
                );
            }
            text.push_str(&kernel_table(&workload.kernels));
        }
        text.push_str(match self.kernel_timer {
            KernelTimer::Timestamps => "\nKernels are timed by the GPU's timestamps.\n",
            KernelTimer::Repeats => {
                "\nKernels are timed by repeating them: the adapter has no timestamps.\n"
            }
        });
        if let Some(scaling) = &self.scaling {
            text.push_str(&scaling_table(scaling));
        }
        if let Some(lengths) = &self.lengths {
            text.push_str(&lengths_table(lengths));
        }
        text
    }
}

fn workload_table(workload: &Workload) -> String {
    let samples = workload.samples.iter().copied();
    let longest = workload.longest_submission_seconds.map_or(String::new(), |seconds| {
        format!("{:10.1} ms   the longest submission\n", seconds * 1e3)
    });
    let text = format!(
        "\n{}: {}, {} tokens\n\
         {:10.3} ms   median of {}, {:.3} to {:.3}\n\
         {:10.0} tokens/s\n\
         {:10.1} GFLOP/s, {:.1}% of the f16 peak\n",
        workload.name,
        if workload.pairs == 1 { "1 pair".into() } else { format!("{} pairs", workload.pairs) },
        workload.tokens,
        workload.seconds * 1e3,
        samples.len(),
        samples.clone().fold(f64::MAX, f64::min) * 1e3,
        samples.fold(0.0, f64::max) * 1e3,
        workload.tokens_per_second,
        workload.gflops,
        workload.share * 100.0,
    );
    text + &longest
}

fn kernel_table(kernels: &[KernelTime]) -> String {
    let mut text = String::new();
    let all: f64 = kernels.iter().map(|kernel| kernel.seconds).sum();
    let _ = writeln!(
        text,
        "{:<15}{:<16}{:>5}{:>10}{:>7}{:>9}{:>9}{:>10}{:>9}  bound, reached",
        "step", "kernel", "runs", "ms", "time", "GFLOP", "MB", "GFLOP/s", "GB/s"
    );
    for kernel in kernels {
        let _ = writeln!(
            text,
            "{:<15}{:<16}{:>5}{:>10.3}{:>6.1}%{:>9.3}{:>9.2}{:>10.1}{:>9.2}  {} {:.1}%",
            kernel.label,
            kernel.kernel,
            kernel.dispatches,
            kernel.seconds * 1e3,
            100.0 * kernel.seconds / all,
            kernel.flops as f64 / 1e9,
            kernel.bytes as f64 / 1e6,
            kernel.gflops,
            kernel.gbytes_per_second,
            match kernel.bound {
                Bound::Arithmetic => "f16 peak",
                Bound::Bandwidth => "bandwidth",
            },
            100.0 * kernel.share,
        );
    }
    text
}

fn scaling_table(scaling: &Scaling) -> String {
    let mut text = format!(
        "\ncandidates of 64 tokens on average, in batches of up to {} tokens, measured in turn\n\
         {:>10}  {:<8}{:>8}{:>14}{:>14}\n",
        scaling.batch_tokens, "candidates", "lengths", "tokens", "ms", "us a token"
    );
    for set in &scaling.sets {
        let _ = writeln!(
            text,
            "{:>10}  {:<8}{:>8}{:>14.1}{:>14.2}",
            set.candidates,
            if set.mixed { "mixed" } else { "equal" },
            set.tokens,
            set.seconds * 1e3,
            set.microseconds_per_token,
        );
    }
    let _ = writeln!(
        text,
        "largest difference a token, by the number of candidates: {:.1}% (aim: 15%)\n\
         mixed lengths against equal ones: {:+.1}% (aim: 5%)",
        100.0 * scaling.largest_difference,
        100.0 * scaling.mixed_difference,
    );
    text
}

fn lengths_table(lengths: &[LengthTime]) -> String {
    let mut text = format!(
        "\none pair by its length\n{:>8}{:>14}{:>14}{:>10}{:>16}\n",
        "tokens", "ms", "us a token", "GFLOP", "GPU memory MB"
    );
    for length in lengths {
        let _ = writeln!(
            text,
            "{:>8}{:>14.1}{:>14.2}{:>10.2}{:>16.1}",
            length.tokens,
            length.seconds * 1e3,
            length.microseconds_per_token,
            length.flops as f64 / 1e9,
            length.gpu_bytes as f64 / 1e6,
        );
    }
    text
}
