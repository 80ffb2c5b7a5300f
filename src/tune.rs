//! Chooses the variants of kernels by measuring them on the adapter at hand.
//!
//! The kernels of a contest run one after the other, several times, each repeated often enough for
//! coarse clocks (browsers round to 65 or 100 microseconds) to rank them; the one with the shortest
//! fastest run wins. Results of all variants of one [`Order`] are the same bits, so the
//! choice is about time alone; the self-test proves it afterwards.

use std::fmt::Write as _;

use web_time::Instant;

use crate::checkpoint::WeightFormat;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Buffer, Gpu, Plan, Step};
use crate::ops::matmul::{
    Epilogue, Method, Order, VARIANTS, Variant, Weights, broadcast, half, lanes, large, matmul,
    medium, rows,
};
use crate::ops::{Choice, Matrix, Storage, attention, blocks};

/// Inputs and outputs of the matrix that is measured with: half of a base-sized model's.
const INPUTS: usize = 384;
const OUTPUTS: usize = 512;

/// Rows of a contest between the variants for many rows, of few (a pair or two), between the variants
/// for GPUs and for software adapters, and of `<s>`.
const MANY: usize = 1024;
const FEW: usize = 128;
const SOME: usize = 32;
const PAIRS: usize = 8;

/// Sequences of a contest between the variants of attention, the tokens of each, and a layer's heads.
const SEQUENCES: usize = 8;
const TOKENS: usize = 128;
const HEADS: attention::Heads = attention::Heads { count: 6, size: 64 };

/// Where `few` wins at [`FEW`] rows and `many` at [`MANY`], the change is between them.
const FEW_ROWS: usize = 384;

/// The shortest time that clocks can rank: fifteen of their coarsest ticks.
const LONG_ENOUGH: f64 = 1e-3;

/// The most dispatches in a row.
const MOST_REPEATS: u32 = 1024;

/// How often each side of a contest runs.
const ROUNDS: usize = 5;

/// How long one dispatch may take, so that a submission stays below 50 ms.
const DISPATCH_SECONDS: f64 = 0.02;

/// What was chosen and measured.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// The format of the weights that it was measured with.
    pub format: WeightFormat,
    /// The variants.
    pub choice: Choice,
    /// Multiplications and additions a second of the variant for many rows.
    pub flops_per_second: f64,
    /// Seconds that choosing took; 0 where it was remembered.
    pub seconds: f64,
}

/// Chooses. `forced` is the name of a variant that runs everything, `remembered` what
/// [`Tuned::to_text`] gave on an earlier load; it is used where adapter, driver and version are
/// the same.
///
/// # Errors
/// [`ErrorKind::Input`] where no variant is called `forced`, [`ErrorKind::AdapterTooSmall`] where it
/// does not run here, and what the GPU says.
pub async fn tune(
    gpu: &Gpu,
    format: WeightFormat,
    forced: Option<&str>,
    remembered: Option<&str>,
) -> Result<Tuned> {
    if forced.is_none()
        && let Some(tuned) = remembered.and_then(|text| Tuned::from_text(gpu, format, text))
    {
        return Ok(tuned);
    }
    let start = Instant::now();
    let bench = Bench::new(gpu, format).await?;
    let (mut choice, flops_per_second) = match forced {
        Some(name) => {
            let variant = named(gpu, name)?;
            let [(_, rate)] = bench.race(&[variant], SOME).await?[..] else { unreachable!() };
            (Choice::all(variant), rate)
        }
        None => bench.choose().await?,
    };
    choice.flops_per_second = flops_per_second;
    choice.most_flops = (flops_per_second * DISPATCH_SECONDS) as u64;
    Ok(Tuned { format, choice, flops_per_second, seconds: start.elapsed().as_secs_f64() })
}

/// The variant called `name`.
fn named(gpu: &Gpu, name: &str) -> Result<&'static Variant> {
    let Some(variant) = VARIANTS.iter().find(|variant| variant.name == name) else {
        let names: Vec<_> = VARIANTS.iter().map(|variant| variant.name).collect();
        let why = format!("no kernel is called that; there are {}", names.join(", "));
        return Err(Error::new(ErrorKind::Input, name, why));
    };
    if !variant.runs_on(gpu) {
        let why = format!("lacks what the kernel {name} needs");
        return Err(Error::new(ErrorKind::AdapterTooSmall, gpu.adapter().name.as_str(), why));
    }
    Ok(variant)
}

/// A matrix to measure with. Its numbers make no difference to the time.
struct Bench<'a> {
    gpu: &'a Gpu,
    a: Matrix,
    w: Weights,
    out: Matrix,
    blocks: Buffer,
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        // A browser would free them only when its garbage collector runs.
        for buffer in [&self.a.buffer, &self.out.buffer, &self.blocks] {
            buffer.destroy();
        }
    }
}

impl<'a> Bench<'a> {
    async fn new(gpu: &'a Gpu, format: WeightFormat) -> Result<Bench<'a>> {
        Ok(Bench {
            gpu,
            a: Matrix::zeros(gpu, "tuning a", MANY, INPUTS, Storage::F16)?,
            w: Weights::of(gpu, "tuning w", format, INPUTS, &[0.0; OUTPUTS]).await?,
            out: Matrix::zeros(gpu, "tuning out", MANY, OUTPUTS, Storage::F16)?,
            blocks: gpu.buffer("tuning blocks", blocks::bytes(MANY, INPUTS))?,
        })
    }

    /// The choice, and the operations a second that it gets through.
    async fn choose(&self) -> Result<(Choice, f64)> {
        let candidates = |names: &[&'static Variant]| -> Vec<&'static Variant> {
            names.iter().copied().filter(|variant| variant.runs_on(self.gpu)).collect()
        };
        // A software adapter is known as one natively, but not in every browser.
        let first = if self.gpu.is_software() { vec![] } else { candidates(&[&medium::VARIANT]) };
        let software: Vec<_> = VARIANTS
            .iter()
            .copied()
            .filter(|variant| variant.columns == lanes::COLUMNS && variant.rows == lanes::ROWS)
            .collect();
        let field: Vec<_> = candidates(&software).into_iter().chain(first).collect();
        let (winner, rate) = self.race(&field, SOME).await?[0];
        if winner.name != medium::VARIANT.name {
            return Ok((Choice::all(winner), rate));
        }
        // Matrix units, or else the variants of one order for many rows and for few.
        let units: Vec<_> = candidates(VARIANTS)
            .into_iter()
            .filter(|variant| matches!(variant.order, Order::Cooperative { .. }))
            .collect();
        let tiles = candidates(&[
            &large::VARIANT,
            &medium::VARIANT,
            &broadcast::VARIANT,
            &half::LARGE,
            &half::MEDIUM,
        ]);
        let field: Vec<_> = tiles.iter().chain(&units).copied().collect();
        let (many, rate) = self.race(&field, MANY).await?[0];
        let field: Vec<_> =
            tiles.into_iter().filter(|variant| variant.order == many.order).collect();
        let (few, _) = match field[..] {
            [] => (many, rate),
            _ => self.race(&field, FEW).await?[0],
        };
        let field = candidates(&[&rows::VARIANT, &medium::VARIANT]);
        let (pairs, _) = self.race(&field, PAIRS).await?[0];
        let few_rows = if few.name == many.name { 0 } else { FEW_ROWS };
        let attention = self.race_attention().await?;
        Ok((Choice { many, few, few_rows, pairs, attention, ..Choice::safe() }, rate))
    }

    /// The variants of `field` and the operations a second of each, the fastest first.
    async fn race(
        &self,
        field: &[&'static Variant],
        row_count: usize,
    ) -> Result<Vec<(&'static Variant, f64)>> {
        let steps_of = |variant: &&'static Variant| {
            let (a, w, out) = (&self.a, &self.w, &self.out);
            let method = Method { variant, most_flops: u64::MAX, blocks: Some(&self.blocks) };
            matmul("tuning", method, row_count, a, w, Epilogue::Store, out)
        };
        self.rank(field, steps_of).await
    }

    /// The faster variant of attention for GPUs.
    async fn race_attention(&self) -> Result<&'static attention::Variant> {
        let field: Vec<_> = [&attention::tiles::VARIANT, &attention::shuffle::VARIANT]
            .into_iter()
            .filter(|variant| variant.runs_on(self.gpu))
            .collect();
        if let [only] = field[..] {
            return Ok(only);
        }
        let tokens = SEQUENCES * TOKENS;
        let cu_seqlens: Vec<u32> = (0..=tokens as u32).step_by(TOKENS).collect();
        let tasks = attention::forward_tasks(&cu_seqlens, false);
        let tasks = attention::Tasks {
            buffer: self.gpu.buffer_of("tuning tasks", &tasks).await?,
            count: tasks.len(),
            scores: (tokens * TOKENS) as u64,
            window: None,
        };
        let width = HEADS.width();
        let qkv = Matrix::zeros(self.gpu, "tuning qkv", tokens, 3 * width, Storage::F16)?;
        let out = Matrix::zeros(self.gpu, "tuning attended", tokens, width, Storage::F16)?;
        let ranked = self.rank(&field, |variant| {
            attention::attention("tuning", variant, u64::MAX, HEADS, &tasks, &qkv, &out)
        });
        let (fastest, _) = ranked.await?[0];
        [&tasks.buffer, &qkv.buffer, &out.buffer].into_iter().for_each(Buffer::destroy);
        Ok(fastest)
    }

    /// Runs the steps of each of `field` in turn: all of them, and the operations a second of each, the
    /// fastest first.
    async fn rank<T: Copy>(
        &self,
        field: &[T],
        steps: impl Fn(&T) -> Result<Vec<Step>>,
    ) -> Result<Vec<(T, f64)>> {
        let mut lap = Vec::new();
        // The steps of each variant in a lap: one may have a step that lays out its input.
        let mut steps_of = Vec::new();
        for variant in field {
            let begin = lap.len();
            lap.extend(steps(variant)?);
            steps_of.push(begin..lap.len());
        }
        // The first run compiles.
        self.gpu.run_repeated(&Plan { steps: lap.clone() }, 1).await?;
        let flops = lap.iter().map(|step| step.work.flops).max().unwrap_or(0) as f64;
        let steps: Vec<_> = (0..ROUNDS).flat_map(|_| lap.clone()).collect();
        let plan = Plan { steps };
        let mut repeats = 1;
        loop {
            let times = self.gpu.run_repeated(&plan, repeats).await?;
            let fastest = |index: usize| {
                let laps = times.chunks(lap.len());
                laps.map(|lap| lap[steps_of[index].clone()].iter().sum()).fold(f64::MAX, f64::min)
            };
            let mut ranked: Vec<_> = (0..field.len()).map(|i| (field[i], fastest(i))).collect();
            ranked.sort_by(|(_, a), (_, b)| a.total_cmp(b));
            let shortest = ranked[0].1;
            if shortest >= LONG_ENOUGH || repeats >= MOST_REPEATS {
                let rate = |time: f64| flops * f64::from(repeats) / time.max(1e-9);
                return Ok(ranked.into_iter().map(|(v, time)| (v, rate(time))).collect());
            }
            let wanted = (1.5 * LONG_ENOUGH / shortest.max(1e-6) * f64::from(repeats)) as u32;
            repeats = wanted.clamp(repeats * 2, repeats * 64).min(MOST_REPEATS);
        }
    }
}

impl Tuned {
    /// One line for [`tune`] on the next load.
    pub fn to_text(&self, gpu: &Gpu) -> String {
        let Choice { many, few, few_rows, pairs, attention, .. } = self.choice;
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{} {} {few_rows} {} {} {} {}",
            many.name,
            few.name,
            pairs.name,
            attention.name,
            // As a whole number: reading fractions takes tables of 10 kB.
            self.flops_per_second as u64,
            key(gpu, self.format)
        );
        text
    }

    fn from_text(gpu: &Gpu, format: WeightFormat, text: &str) -> Option<Tuned> {
        let mut words = text.splitn(7, ' ');
        let variant = |word: Option<&str>| named(gpu, word?).ok();
        let (many, few) = (variant(words.next())?, variant(words.next())?);
        let few_rows = words.next()?.parse().ok()?;
        let pairs = variant(words.next())?;
        let attention = attention::named(words.next()?).filter(|found| found.runs_on(gpu))?;
        let flops_per_second = words.next()?.parse::<u64>().ok().filter(|rate| *rate > 0)? as f64;
        if words.next()? != key(gpu, format) || few.order != many.order {
            return None;
        }
        let most_flops = (flops_per_second * DISPATCH_SECONDS) as u64;
        let choice = Choice { many, few, few_rows, pairs, attention, most_flops, flops_per_second };
        Some(Tuned { format, choice, flops_per_second, seconds: 0.0 })
    }
}

/// What a remembered choice is valid for.
fn key(gpu: &Gpu, format: WeightFormat) -> String {
    let adapter = gpu.adapter();
    let version = env!("CARGO_PKG_VERSION");
    format!("{version} {format} {} {} {}", adapter.backend, adapter.name, adapter.driver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Dtype;

    const F16: WeightFormat = WeightFormat::F16;

    #[test]
    fn a_choice_is_made_remembered_and_forgotten_elsewhere() {
        pollster::block_on(async {
            let gpu = Gpu::open(Dtype::Auto).await.unwrap();
            let tuned = tune(&gpu, F16, None, None).await.unwrap();
            assert!(tuned.flops_per_second > 1e8 && tuned.seconds > 0.0, "{tuned:?}");
            let text = tuned.to_text(&gpu);
            let again = tune(&gpu, F16, None, Some(&text)).await.unwrap();
            assert_eq!(again.seconds, 0.0);
            assert_eq!(again.to_text(&gpu), text);
            let nonsense = "fast fast 1 fast tiles 5 elsewhere";
            for other in ["", "large", nonsense, &text.replace(&gpu.adapter().name, "other")] {
                assert!(Tuned::from_text(&gpu, F16, other).is_none(), "{other}");
            }
            assert!(Tuned::from_text(&gpu, WeightFormat::Q4, &text).is_none());
            // Variants of two orders must not be mixed.
            let mixed = format!("large rows 384 rows tiles 1000 {}", key(&gpu, F16));
            assert!(Tuned::from_text(&gpu, F16, &mixed).is_none());
            assert!(Tuned::from_text(&gpu, F16, &mixed.replacen(" rows", " medium", 1)).is_some());
            let half = mixed.replacen("large rows", "half_large half_medium", 1);
            let choice = Tuned::from_text(&gpu, F16, &half).unwrap().choice;
            assert!(choice.has_f16_sums() && !choice.in_f32().has_f16_sums());
            assert_eq!(choice.in_f32().describe(), "large, medium up to 384 rows, rows for <s>");
        });
    }

    #[test]
    fn a_forced_variant_runs_everything() {
        pollster::block_on(async {
            let gpu = Gpu::open(Dtype::Auto).await.unwrap();
            let tuned = tune(&gpu, F16, Some("medium"), None).await.unwrap();
            assert_eq!(tuned.choice.describe(), "medium");
            let error = tune(&gpu, F16, Some("fastest"), None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input);
            assert!(error.to_string().contains("large, medium, rows, lanes"), "{error}");
        });
    }

    #[test]
    fn variants_of_attention_are_ranked_by_their_time() {
        pollster::block_on(async {
            let gpu = Gpu::open(Dtype::Auto).await.unwrap();
            let bench = Bench::new(&gpu, F16).await.unwrap();
            let fastest = bench.race_attention().await.unwrap();
            assert!(["tiles", "shuffle"].contains(&fastest.name), "{}", fastest.name);
        });
    }

    #[test]
    fn the_fastest_comes_first() {
        pollster::block_on(async {
            let gpu = Gpu::open(Dtype::Auto).await.unwrap();
            let bench = Bench::new(&gpu, F16).await.unwrap();
            let ranked = bench.race(&[&large::VARIANT, &lanes::VARIANT], 32).await.unwrap();
            assert!(ranked[0].1 >= ranked[1].1 && ranked[1].1 > 0.0);
            // Workgroup memory and barriers are slow where a CPU runs the shaders. Which variant
            // wins elsewhere is for the measurement to say.
            if gpu.is_software() {
                assert_eq!(ranked[0].0.name, "lanes");
            } else {
                eprintln!(
                    "the winner is not checked: {} is no software adapter",
                    gpu.adapter().name
                );
            }
        });
    }
}
