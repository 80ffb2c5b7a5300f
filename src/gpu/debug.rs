//! Looking inside, natively: docs/debugging-shaders.md says how. Environment variables ask for it, so
//! every command, test and program can be looked into as it is.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use half::f16;

use super::plan::{Kernel, Plan, Source, Step};
use super::{Gpu, Pace};
use crate::error::{Error, ErrorKind, Result};

/// The folder of shaders that are used in place of those compiled in.
const SHADERS: &str = "CAPPY_SHADERS";
/// The folder in which each kernel's whole WGSL is saved before it is compiled.
const SAVE: &str = "CAPPY_SAVE_SHADERS";
/// The label of the steps whose buffers are printed, and maybe `@` and the numbers between rows.
const PRINT: &str = "CAPPY_PRINT";

/// A browser has no environment variables, so there the compiler leaves all of this out, which is why
/// those who call it ask this first.
pub(super) const IS_NATIVE: bool = cfg!(not(target_arch = "wasm32"));

/// Rows of a buffer that are printed, and numbers of each.
const ROWS: usize = 4;
const NUMBERS: usize = 8;

/// What the environment asks for.
#[derive(Debug, Default)]
pub(super) struct Debug {
    shaders: Option<PathBuf>,
    save: Option<PathBuf>,
    print: Option<Print>,
}

/// Which buffers are printed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Print {
    /// The steps that are called this.
    label: String,
    /// Numbers between rows; `None` where only the first row is wanted.
    stride: Option<usize>,
}

impl Print {
    fn parse(text: &str) -> Print {
        let parts = text.rsplit_once('@');
        let stride = parts.and_then(|(label, stride)| Some((label, stride.parse().ok()?)));
        match stride {
            Some((label, stride)) => Print { label: label.to_owned(), stride: Some(stride) },
            None => Print { label: text.to_owned(), stride: None },
        }
    }
}

impl Debug {
    pub(super) fn from_environment() -> Debug {
        if !IS_NATIVE {
            return Debug::default();
        }
        let value = |name| env::var_os(name).filter(|value| !value.is_empty());
        Debug {
            shaders: value(SHADERS).map(PathBuf::from),
            save: value(SAVE).map(PathBuf::from),
            print: value(PRINT).map(|text| Print::parse(&text.to_string_lossy())),
        }
    }

    /// The text of a file in the folder of shaders, if there is such a folder.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the file.
    pub(super) fn text(&self, source: &Source) -> Result<Option<String>> {
        let Some(folder) = &self.shaders else { return Ok(None) };
        let path = folder.join(source.file).with_extension("wgsl");
        let text = fs::read_to_string(&path).map_err(|cause| failed(SHADERS, &path, cause))?;
        if source.file.starts_with("prelude_") {
            return Ok(Some(text));
        }
        // What a kernel enables would have to stand before the prelude, where the executor puts it.
        let lines = text.lines().map(|line| if line.starts_with("enable ") { "" } else { line });
        Ok(Some(lines.flat_map(|line| [line, "\n"]).collect()))
    }

    /// Writes what `kernel` is compiled from to the folder for it, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] naming the file.
    pub(super) fn save(&self, kernel: &Kernel, wgsl: &str) -> Result<()> {
        let Some(folder) = &self.save else { return Ok(()) };
        let path = folder.join(format!("{}.wgsl", kernel.name.replace(['/', ' '], "-")));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, wgsl));
        written.map_err(|cause| failed(SAVE, &path, cause))
    }

    /// Which buffers are printed, if any.
    pub(super) fn print(&self) -> Option<&Print> {
        self.print.as_ref()
    }
}

fn failed(variable: &str, path: &std::path::Path, cause: std::io::Error) -> Error {
    let what = format!("{variable}: {cause}");
    Error::new(ErrorKind::Io, path.display().to_string(), what).with_source(cause)
}

impl Gpu {
    /// Runs `plan` step by step. What is asked for goes to `out`.
    pub(super) async fn run_printing(
        &self,
        plan: &Plan,
        print: &Print,
        stop: &dyn Fn() -> bool,
        out: &mut dyn FnMut(&str),
    ) -> Result<()> {
        for (index, step) in plan.steps.iter().enumerate() {
            let single = Plan { steps: vec![step.clone()] };
            self.submit_plan(&single, &Pace::default(), stop).await?;
            if step.label == print.label {
                out(&self.describe(index, step, print.stride).await?);
            }
        }
        Ok(())
    }

    /// The first numbers of each buffer of a step that has run.
    async fn describe(&self, index: usize, step: &Step, stride: Option<usize>) -> Result<String> {
        let mut text = String::new();
        let rows = if stride.is_some() { ROWS } else { 1 };
        for (buffer, binding) in step.buffers.iter().zip(1..) {
            let (label, name, bytes) = (step.label, step.kernel.name, buffer.size());
            let access = step.kernel.storage[binding - 1];
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "step {index} {label:?} ({name}), binding {binding} ({access:?}, {bytes} bytes)"
            );
            let words = self.read_f32(buffer, bytes as usize / 4).await?;
            let halves: &[f16] = bytemuck::cast_slice(&words);
            for row in 0..rows {
                let first = row * stride.unwrap_or(0);
                let part = |count: usize| first.min(count)..(first + NUMBERS).min(count);
                let (as_f32, as_f16) = (part(words.len()), part(halves.len()));
                let _ = writeln!(text, "  row {row} as f32 {:?}", &words[as_f32]);
                let _ = writeln!(text, "  row {row} as f16 {:?}", &halves[as_f16]);
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Access, Dtype, Needs, Work};

    static DOUBLE: Kernel = Kernel {
        name: "debug/double q8",
        sources: &[Source {
            file: "double",
            // The prelude uses pack2 of shaders/common.wgsl, which is not among these files.
            text: "fn pack2(value: vec2<f32>) -> u32 { return pack2x16float(value); }
                   @group(0) @binding(0) var<uniform> count: u32;
                   @group(0) @binding(1) var<storage, read_write> x: array<f32>;
                   @compute @workgroup_size(1)
                   fn main() { for (var i = 0u; i < count; i++) { x[i] *= 2.0; } }",
        }],
        storage: &[Access::Write],
        needs: Needs::Nothing,
    };

    /// A device whose buffer of three rows of 16 is doubled twice.
    async fn doubled(debug: Debug) -> Result<(Gpu, Plan)> {
        let mut gpu = Gpu::open(Dtype::F32).await?;
        gpu.debug = debug;
        let numbers: Vec<f32> = (0..48).map(|i| i as f32).collect();
        let x = gpu.buffer_of("x", &numbers).await?;
        let step = |label| Step {
            kernel: &DOUBLE,
            label,
            params: 48u32.to_le_bytes().to_vec(),
            buffers: vec![x.clone()],
            workgroups: [1, 1, 1],
            work: Work::default(),
        };
        Ok((gpu, Plan { steps: vec![step("first"), step("second")] }))
    }

    fn block_on<T>(future: impl Future<Output = Result<T>>) -> T {
        pollster::block_on(future).unwrap()
    }

    #[test]
    fn buffers_are_printed_after_the_step_that_is_named() {
        let (gpu, plan) = block_on(doubled(Debug::default()));
        let mut printed = String::new();
        let print = Print::parse("first@16");
        block_on(gpu.run_printing(&plan, &print, &|| false, &mut |text| printed += text));
        let expected = "step 0 \"first\" (debug/double q8), binding 1 (Write, 192 bytes)\n  \
                        row 0 as f32 [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]\n";
        assert!(printed.starts_with(expected), "{printed}");
        assert!(printed.contains("row 2 as f32 [64.0, 66.0,"), "{printed}");
        // The buffer ends there.
        assert!(printed.contains("row 3 as f32 []"), "{printed}");
        assert!(!printed.contains("second"), "{printed}");
        let numbers = block_on(gpu.read_f32(&plan.steps[0].buffers[0], 48));
        assert_eq!(numbers[47], 4.0 * 47.0, "the other steps run, too");
    }

    #[test]
    fn labels_may_hold_what_separates_the_stride() {
        assert_eq!(Print::parse("gather <s>"), Print { label: "gather <s>".into(), stride: None });
        let stride = Print { label: "a@b".into(), stride: Some(64) };
        assert_eq!(Print::parse("a@b@64"), stride);
        assert_eq!(Print::parse("a@b"), Print { label: "a@b".into(), stride: None });
    }

    #[test]
    fn shaders_come_from_the_folder_and_are_saved_as_they_are_compiled() {
        let folder = tempfile::tempdir().unwrap();
        let shaders = folder.path().join("shaders");
        fs::create_dir(&shaders).unwrap();
        let with = || Debug {
            shaders: Some(shaders.clone()),
            save: Some(folder.path().join("saved")),
            print: None,
        };
        let run = |(gpu, plan): (Gpu, Plan)| {
            pollster::block_on(async {
                gpu.run(&plan, &|| false).await?;
                gpu.read_f32(&plan.steps[0].buffers[0], 2).await
            })
        };
        let error = run(block_on(doubled(with()))).unwrap_err();
        assert!(error.at_fault().ends_with("prelude_f32.wgsl"), "{error}");

        fs::write(shaders.join("prelude_f32.wgsl"), "const BY: f32 = 3.0;\n").unwrap();
        let tripled = DOUBLE.sources[0].text.replace("2.0", "BY");
        fs::write(shaders.join("double.wgsl"), format!("enable subgroups;\n{tripled}")).unwrap();
        assert_eq!(run(block_on(doubled(with()))).unwrap(), [0.0, 9.0]);
        let saved = fs::read_to_string(folder.path().join("saved/debug-double-q8.wgsl")).unwrap();
        assert_eq!(saved, format!("const BY: f32 = 3.0;\n\n{tripled}\n"));

        fs::write(shaders.join("double.wgsl"), "fn main() { nonsense }").unwrap();
        let error = run(block_on(doubled(with()))).unwrap_err();
        assert!(error.to_string().contains("debug/double q8"), "{error}");
    }
}
