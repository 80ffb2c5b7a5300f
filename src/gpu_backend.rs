//! The GPU as a [`Backend`]: opens it, chooses kernels, proves them, and loads weights.

use crate::adapter::{Dtype, Subgroups};
use crate::backend::{Backend, LoadedModel, Running};
use crate::batch::Batch;
use crate::checkpoint::{Checkpoint, LocalFuture, WeightFormat};
use crate::config::Config;
use crate::encoder::{Encoder, self_test};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;
use crate::ops::Choice;
use crate::options::LoadOptions;
use crate::pace;
use crate::tune::{Tuned, tune};

/// Tokens of a batch at the most, unless the caller says more. Larger ones are no faster.
const MOST_DEFAULT_TOKENS: usize = 4096;

/// A batch should take about this long, or several pairs on a slow adapter would come at once and
/// late.
const BATCH_SECONDS: f64 = 1.0;

/// A slow adapter's batches are no smaller than this, or than the longest pair of the model.
const LEAST_TOKENS: usize = 512;

/// The most tokens of a batch: kernels number their rows by workgroup, 65,535 at the most.
const MAX_BATCH_TOKENS: usize = 32_768;

/// Activations of the default batch take at most this many bytes of GPU memory.
const MAX_ACTIVATION_BYTES: u64 = 104 << 20;

/// The GPU that the host's drivers or the browser offer.
#[derive(Debug, Clone, Copy, Default)]
pub struct GpuBackend;

/// A model on the GPU.
pub struct GpuModel {
    gpu: Gpu,
    encoder: Encoder,
    running: Running,
}

impl Backend for GpuBackend {
    fn load<'a>(
        &'a self,
        checkpoint: &'a Checkpoint,
        config: &'a Config,
        options: &'a LoadOptions<'_>,
        loaded: &'a mut dyn FnMut(u64),
    ) -> LocalFuture<'a, Result<Box<dyn LoadedModel>>> {
        Box::pin(async move {
            let model = self.load_unless(checkpoint, config, options, loaded, async |_, _| Ok(()));
            let mut model = model.await?;
            // Lines after the first are of what chooses between backends. They are handed on.
            if let Some((_, others)) = options.tuning.and_then(|text| text.split_once('\n')) {
                model.running.tuning += &format!("\n{others}");
            }
            Ok(Box::new(model) as _)
        })
    }
}

impl GpuBackend {
    /// As [`Backend::load`], unless `consider` finds a reason against the opened GPU, before any
    /// weights are read.
    ///
    /// # Errors
    /// As there, and what `consider` says.
    pub async fn load_unless(
        &self,
        checkpoint: &Checkpoint,
        config: &Config,
        options: &LoadOptions<'_>,
        loaded: &mut dyn FnMut(u64),
        consider: impl AsyncFn(&Gpu, &Tuned) -> Result<()>,
    ) -> Result<GpuModel> {
        let format = options.weights.unwrap_or(checkpoint.weight_format());
        let prove = async |gpu: &Gpu, tuned: &Tuned| {
            consider(gpu, tuned).await?;
            self_test(gpu, tuned.choice, format, config).await
        };
        let (gpu, tuned, note) = open_proven(options, format, prove).await?;
        let choice = tuned.choice;
        let batch_tokens = batch_tokens(&tuned, config, options.batch_tokens);
        let before = gpu.allocated_bytes();
        let weights = options.weights;
        let encoder =
            Encoder::load(&gpu, checkpoint, config, choice, weights, batch_tokens, loaded).await?;
        let running = Running {
            gpu_bytes: gpu.allocated_bytes() - before,
            cpu_bytes: 0,
            adapter: gpu.adapter().clone(),
            dtype: gpu.dtype(),
            weights: format,
            note,
            batch_tokens,
            kernels: choice.describe(),
            tuning_seconds: tuned.seconds,
            tuning: tuned.to_text(&gpu),
        };
        Ok(GpuModel { gpu, encoder, running })
    }
}

impl GpuModel {
    /// The same with a note about why it runs there, and what to remember besides its own tuning.
    #[must_use]
    pub fn with_note(mut self, note: String, tuning: &str, tuning_seconds: f64) -> GpuModel {
        let notes = std::iter::once(note).chain(self.running.note.take());
        self.running.note = Some(notes.collect::<Vec<_>>().join("; "));
        self.running.tuning += tuning;
        self.running.tuning_seconds += tuning_seconds;
        self
    }
}

impl LoadedModel for GpuModel {
    fn run<'a>(
        &'a self,
        batch: &'a Batch,
        stop: &'a dyn Fn() -> bool,
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>>> {
        Box::pin(self.encoder.logits(&self.gpu, batch, stop))
    }

    fn why_not_finite<'a>(&'a self, batch: &'a Batch) -> LocalFuture<'a, Result<Option<String>>> {
        Box::pin(async move {
            let place = self.encoder.first_overflow(&self.gpu, batch).await?;
            Ok(place.map(|place| format!("the model overflows f16 in {place}")))
        })
    }

    fn describe(&self) -> &Running {
        &self.running
    }
}

async fn open_gpu(dtype: Dtype, subgroups: Subgroups) -> Result<Gpu> {
    let mut gpu = Gpu::open(dtype).await?;
    if subgroups.smallest > 0 {
        gpu.grant_subgroups(subgroups);
    }
    Ok(gpu)
}

/// Microseconds of the fixed forward pass of [`pace`] on the GPU.
///
/// # Errors
/// What the GPU says.
pub async fn pace_of(gpu: &Gpu, choice: Choice, format: Option<WeightFormat>) -> Result<u32> {
    let (config, checkpoint, pairs) = pace::work();
    let encoder =
        Encoder::load(gpu, &checkpoint, &config, choice, format, pace::TOKENS, &mut |_| {}).await?;
    let batch = Batch::new(&pairs);
    pace::fastest(async || encoder.logits(gpu, &batch, &|| false).await.map(drop)).await
}

/// Opens the GPU and measures it: [`Tuned::to_text`], and the microseconds of the fixed forward pass.
/// `None` stands for a pass that was not run, because the kernels' own pace shows that no CPU can be
/// as fast. It is boxed, because another crate that waited for it as it is would compile all that it
/// waits for once more.
///
/// # Errors
/// What the GPU says.
pub fn measure<'a>(options: &'a LoadOptions<'_>) -> LocalFuture<'a, Result<(String, Option<u32>)>> {
    Box::pin(async move {
        let gpu = open_gpu(options.dtype, options.subgroups).await?;
        let tuned = tune(&gpu, WeightFormat::F16, options.kernel, options.tuning).await?;
        let micros = match tuned.flops_per_second < pace::FASTER_THAN_ANY_CPU {
            true => Some(pace_of(&gpu, tuned.choice, None).await?),
            false => None,
        };
        Ok((tuned.to_text(&gpu), micros))
    })
}

/// Opens the GPU, chooses kernels, and proves that they compute a small known model right. Where
/// they do not, and the caller leaves the choice, others are taken and the reason is given: first those
/// without subgroups, then the plainest in f32.
pub async fn open_proven(
    options: &LoadOptions<'_>,
    format: WeightFormat,
    prove: impl AsyncFn(&Gpu, &Tuned) -> Result<()>,
) -> Result<(Gpu, Tuned, Option<String>)> {
    let choose = async |gpu: &Gpu, kernel, tuning| {
        let tuned = tune(gpu, format, kernel, tuning).await?;
        prove(gpu, &tuned).await?;
        Ok::<_, Error>(tuned)
    };
    let gpu = open_gpu(options.dtype, options.subgroups).await?;
    // Lines after the first are of what chooses between backends.
    let tuning = options.tuning.and_then(|text| text.split('\n').next());
    let why = match choose(&gpu, options.kernel, tuning).await {
        Ok(tuned) => return Ok((gpu, tuned, None)),
        // A shader that does not compile, or computes something else.
        Err(why) if options.dtype == Dtype::Auto && why.kind() == ErrorKind::Gpu => why,
        Err(why) => return Err(why),
    };
    let has_subgroups = gpu.adapter().subgroup_size > 0;
    drop(gpu);
    if has_subgroups && options.kernel.is_none() {
        let mut gpu = open_gpu(options.dtype, Subgroups::default()).await?;
        gpu.forgo_subgroups();
        if let Ok(tuned) = choose(&gpu, None, None).await {
            let note = format!("kernels with subgroups were given up: {why}");
            return Ok((gpu, tuned, Some(note)));
        }
    }
    let gpu = open_gpu(Dtype::F32, Subgroups::default()).await?;
    let tuned = choose(&gpu, Some(Choice::safe().many.name), None).await?;
    let note = format!("faster kernels were given up for plain ones in f32: {why}");
    Ok((gpu, tuned, Some(note)))
}

/// Tokens of a batch: what the caller asks for, else what the adapter gets through in about
/// a second, as far as memory allows. A pair that is longer makes a batch of its own.
pub fn batch_tokens(tuned: &Tuned, config: &Config, asked: Option<usize>) -> usize {
    let least = config.max_tokens().min(LEAST_TOKENS);
    let tokens = asked.unwrap_or_else(|| {
        let mut tokens = MOST_DEFAULT_TOKENS;
        let seconds = |tokens| Encoder::flops(config, tokens) / tuned.flops_per_second;
        while tokens > least
            && (seconds(tokens) > BATCH_SECONDS
                || Encoder::activation_bytes(config, &tuned.choice, tokens) > MAX_ACTIVATION_BYTES)
        {
            tokens /= 2;
        }
        tokens
    });
    tokens.clamp(least, MAX_BATCH_TOKENS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_state_allocates_nothing() {
        pollster::block_on(async {
            let (config, checkpoint, pairs) = pace::work();
            let (options, mut loaded) = (LoadOptions::default(), |_: u64| {});
            let any = async |_: &Gpu, _: &Tuned| Ok(());
            let model = GpuBackend.load_unless(&checkpoint, &config, &options, &mut loaded, any);
            let model = model.await.unwrap();
            let run = async |count: usize| {
                model.run(&Batch::new(&pairs[..count]), &|| false).await.unwrap();
            };
            // The longest first: it decides how many parameters there is room for.
            run(pairs.len()).await;
            run(1).await;
            let made = model.gpu.made();
            for count in [1, 3, 2, 1] {
                run(count).await;
            }
            assert_eq!(model.gpu.made(), made);
        });
    }

    #[test]
    fn what_computes_wrongly_is_given_up_for_what_does_not() {
        let open = |dtype, fails: fn(&Gpu) -> bool| {
            let options = LoadOptions { dtype, ..LoadOptions::default() };
            pollster::block_on(open_proven(&options, WeightFormat::F16, async |gpu: &Gpu, _| {
                let wrong = || Err(Error::new(ErrorKind::Gpu, "self-test", "wrong"));
                if fails(gpu) { wrong() } else { Ok(()) }
            }))
        };
        let is_f16 = |gpu: &Gpu| gpu.dtype() == Dtype::F16;
        let (gpu, _, note) = open(Dtype::Auto, |_| false).unwrap();
        assert_eq!((gpu.dtype(), note), (Dtype::F16, None));
        let (gpu, tuned, note) = open(Dtype::Auto, |gpu| gpu.adapter().subgroup_size > 0).unwrap();
        assert_eq!(gpu.dtype(), Dtype::F16);
        assert!(tuned.choice.many.runs_on(&gpu) && tuned.choice.many.name != "subgroup");
        assert_eq!(note.unwrap(), "kernels with subgroups were given up: self-test: wrong");
        let (gpu, _, note) = open(Dtype::Auto, is_f16).unwrap();
        assert_eq!(gpu.dtype(), Dtype::F32);
        assert_eq!(
            note.unwrap(),
            "faster kernels were given up for plain ones in f32: self-test: wrong"
        );
        // A caller that asks for f16 gets f16 or an error, and nobody gets what fails both ways.
        assert!(open(Dtype::F16, is_f16).is_err());
        assert!(open(Dtype::Auto, |_| true).is_err());
    }
}
