//! Adaptation from the outside: the library against PyTorch, and `cappy adapt` with runs that are
//! stopped, killed and gone on with.

#[path = "../../../tests/mini/mod.rs"]
mod mini;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use cappy::adapt::{Adaptation, Depth, Plan, Prepared, Recipe, Settings, examples};
use cappy::checkpoint::{
    self, ADAPTER_CONFIG, ADAPTER_WEIGHTS, Checkpoint, Directory, MemoryFiles, WeightFormat,
    Writer, read_all, write_model, write_quantised,
};
use cappy::{Config, Dtype, ErrorKind, LoadOptions, ModelSource, Module, RandomProfile, Scorer};
use pollster::block_on;
use serde_json::Value;

/// A model's weights.
const MODEL: &str = "model.safetensors";

/// Of scores between 0 and 1 and of losses.
const BOUND: f64 = 1e-3;

/// A path in the repository.
fn path(relative: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(relative)
}

fn golden_of(file: &str) -> Value {
    serde_json::from_slice(&fs::read(path("tests/golden").join(file)).unwrap()).unwrap()
}

fn golden() -> Value {
    golden_of("training-texts.json")
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The largest difference; NaN where there is one.
fn furthest(got: &[f64], expected: &[f64]) -> f64 {
    assert!(got.len() == expected.len() && !expected.is_empty());
    let differences = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs());
    differences.fold(0.0, |most, error| if error <= most { most } else { error + most * 0.0 })
}

#[test]
fn the_comparison_fails_on_nan_and_swapped_numbers() {
    assert!(furthest(&[1.0, f64::NAN, 2.0], &[1.0, 1.0, 2.0]).is_nan());
    assert_eq!(furthest(&[2.0, 1.0], &[1.0, 2.0]), 1.0);
}

/// The examples of the golden run, and how it was made.
fn golden_run(golden: &Value) -> (Prepared, Settings) {
    let lines: Vec<String> =
        golden["examples"].as_array().unwrap().iter().map(Value::to_string).collect();
    let lessons = examples::read("golden", lines.join("\n").as_bytes()).unwrap();
    let told = &golden["settings"];
    let size = told["size"].as_u64().map(|size| size as usize);
    let set = Recipe { seed: 0, size, held_out: 0.0 }.prepare(&lessons, &|_, _| 0.0);
    let settings = Settings {
        learning_rate: told["learning_rate"].as_f64().unwrap(),
        warm_up: told["warm_up"].as_f64().unwrap(),
        batch: told["batch"].as_u64().unwrap() as usize,
        most_norm: told["most_norm"].as_f64().unwrap() as f32,
        ..Settings::new(Depth::Full)
    };
    (set, settings)
}

/// The golden run's model: random weights, with the last matrix made smaller.
fn golden_model(golden: &Value) -> MemoryFiles {
    let json = golden["config"].to_string();
    let config = Config::from_json("config.json", json.as_bytes()).unwrap();
    let seed = golden["weights_seed"].as_u64().unwrap() as u32;
    let random = Checkpoint::random(&config, seed, RandomProfile::Plain);
    let shapes: Vec<(String, Vec<usize>)> =
        random.names().map(|name| (name.into(), random.shape(name).unwrap().to_vec())).collect();
    let stored = checkpoint::Dtype::F32;
    let mut writer = Writer::new(Vec::new(), "golden", &shapes, stored).unwrap();
    for (name, shape) in &shapes {
        let tensor = random.get(name, shape).unwrap();
        let mut numbers = Vec::new();
        block_on(tensor.read_rows(0..tensor.rows(), &mut numbers)).unwrap();
        if *name == Module::Project.weight(config.family) {
            let scale = golden["out_scale"].as_f64().unwrap() as f32;
            numbers.iter_mut().for_each(|number| *number *= scale);
        }
        writer.write(&numbers).unwrap();
    }
    let tokenizer = golden["tokenizer"].as_str().unwrap_or("tokenizer.json");
    MemoryFiles::new("golden")
        .with("config.json", json.into_bytes())
        .with("tokenizer.json", fs::read(path("tests/golden").join(tokenizer)).unwrap())
        .with("model.safetensors", writer.finish().unwrap())
}

/// With one kernel and one batch size: what is measured instead may differ between two loads, whose results are
/// then compared to the bit.
fn load(set: &Prepared, settings: Settings, dtype: Dtype) -> cappy::Result<Adaptation> {
    load_by("medium", set, settings, dtype)
}

fn load_by(
    kernel: &str,
    set: &Prepared,
    settings: Settings,
    dtype: Dtype,
) -> cappy::Result<Adaptation> {
    let (kernel, batch_tokens) = (Some(kernel), Some(2000));
    let options = LoadOptions { dtype, kernel, batch_tokens, ..LoadOptions::default() };
    block_on(Adaptation::load(
        ModelSource::Directory(mini::folder()),
        set,
        settings,
        options,
        &mut |_| {},
    ))
}

fn finish(adaptation: &mut Adaptation) {
    while block_on(adaptation.step(&|| false)).unwrap().is_some() {}
}

#[test]
fn texts_are_learned_as_in_pytorch() {
    learned_as_in_pytorch("training-texts.json");
}

#[test]
fn bert_learns_texts_as_in_pytorch() {
    learned_as_in_pytorch("training-bert-texts.json");
}

#[test]
fn xlm_roberta_learns_texts_as_in_pytorch() {
    learned_as_in_pytorch("training-xlm-roberta-texts.json");
}

#[test]
fn modernbert_learns_texts_as_in_pytorch() {
    learned_as_in_pytorch("training-modernbert-texts.json");
}

/// What `cappy adapt` writes is applied to the model while it is loaded, and scores as PyTorch's run did.
#[test]
fn an_adapter_of_modernbert_scores_as_in_pytorch() {
    let golden = golden_of("training-modernbert-texts.json");
    let (set, settings) = golden_run(&golden);
    let rank = golden["rank"].as_u64().unwrap() as usize;
    let alpha = golden["alpha"].as_f64().unwrap() as f32;
    let seed = golden["lora_seed"].as_u64().unwrap();
    for (name, depth) in [("head", Depth::Head), ("lora", Depth::Lora { rank, alpha })] {
        let run = &golden["runs"][name];
        let learning_rate = run["learning_rate"].as_f64().unwrap();
        let settings = Settings { depth, learning_rate, seed, ..settings.clone() };
        let source = ModelSource::Files(Box::new(golden_model(&golden)));
        let mut silent = |_: &Plan| {};
        let load = Adaptation::load(source, &set, settings, LoadOptions::default(), &mut silent);
        let mut adaptation = block_on(load).unwrap();
        finish(&mut adaptation);
        let mut weights = Vec::new();
        block_on(adaptation.write_adapter(&mut weights)).unwrap();
        let mut files = MemoryFiles::new("adapter").with(ADAPTER_WEIGHTS, weights);
        if depth != Depth::Head {
            let config = adaptation.adapter_config(None).to_string().into_bytes();
            files = files.with(ADAPTER_CONFIG, config);
        }
        let source = ModelSource::Files(Box::new(golden_model(&golden)));
        let options = LoadOptions { adaptation: Some(Box::new(files)), ..LoadOptions::default() };
        let scorer = block_on(Scorer::load(source, options)).unwrap();
        let pairs: Vec<(&str, &str)> =
            set.train.iter().map(|pair| (&*pair.instruction, &*pair.response)).collect();
        let scores = block_on(scorer.score(&pairs)).unwrap();
        let scores: Vec<f64> = scores.iter().map(|score| f64::from(score.logits[0])).collect();
        let error = furthest(&scores, &numbers(&run["after"]));
        assert!(error <= BOUND, "{name}: scores are off by {error}");
        assert!(furthest(&scores, &numbers(&run["before"])) > 0.1, "{name} learned nothing");
    }
}

fn learned_as_in_pytorch(file: &str) {
    let golden = golden_of(file);
    let (set, settings) = golden_run(&golden);
    for dtype in [Dtype::F16, Dtype::F32] {
        let options = LoadOptions { dtype, ..LoadOptions::default() };
        let source = ModelSource::Files(Box::new(golden_model(&golden)));
        let mut silent = |_: &Plan| {};
        let load = Adaptation::load(source, &set, settings.clone(), options, &mut silent);
        let mut adaptation = block_on(load).unwrap();
        finish(&mut adaptation);
        let steps = &adaptation.history().steps;
        let losses: Vec<f64> = steps.iter().map(|step| f64::from(step.loss)).collect();
        let error = furthest(&losses, &numbers(&golden["losses"]));
        assert!(error <= BOUND, "{dtype:?}: losses are off by {error}");

        let mut weights = Vec::new();
        block_on(adaptation.write_checkpoint(&mut weights, checkpoint::Dtype::F32)).unwrap();
        let mut files = MemoryFiles::new("taught").with("model.safetensors", weights);
        for (name, bytes) in block_on(adaptation.small_files()).unwrap() {
            files = files.with(name, bytes);
        }
        let options = LoadOptions { dtype, ..LoadOptions::default() };
        let source = ModelSource::Files(Box::new(files));
        let scorer = block_on(Scorer::load(source, options)).unwrap();
        let pairs: Vec<(&str, &str)> =
            set.train.iter().map(|pair| (&*pair.instruction, &*pair.response)).collect();
        let scores = block_on(scorer.score(&pairs)).unwrap();
        let scores: Vec<f64> = scores.iter().map(|score| f64::from(score.logits[0])).collect();
        let error = furthest(&scores, &numbers(&golden["after"]));
        assert!(error <= BOUND, "{dtype:?}: scores are off by {error}");
    }
}

/// Writes a model's weights once more, by `write`, beside its other files.
fn rewritten(
    files: &MemoryFiles,
    write: impl AsyncFn(&Checkpoint, &Config) -> cappy::Result<Vec<u8>>,
) -> MemoryFiles {
    block_on(async {
        let json = read_all(files, "config.json", 1 << 20).await?.unwrap();
        let config = Config::from_json("config.json", &json)?;
        let weights = write(&Checkpoint::open(files).await?, &config).await?;
        let tokenizer = read_all(files, "tokenizer.json", 1 << 24).await?.unwrap();
        let files = MemoryFiles::new("rewritten").with("config.json", json);
        Ok::<_, cappy::Error>(files.with("tokenizer.json", tokenizer).with(MODEL, weights))
    })
    .unwrap()
}

/// A model in q4 is trained from the numbers that its integers stand for, and scores with what came
/// of it as it did in training.
#[test]
fn a_rounded_bert_learns_from_what_it_stands_for() {
    let golden = golden_of("training-bert-texts.json");
    let (set, settings) = golden_run(&golden);
    let original = golden_model(&golden);
    let rounded = || {
        rewritten(&original, async |checkpoint, config| {
            let rounding = WeightFormat::Q4.into();
            write_quantised(checkpoint, config, Vec::new(), MODEL, rounding, &mut |_| {}).await
        })
    };
    let expanded = || {
        rewritten(&rounded(), async |checkpoint, config| {
            assert_eq!(checkpoint.weight_format(), WeightFormat::Q4);
            let stored = checkpoint::Dtype::F32;
            write_model(checkpoint, config, Vec::new(), MODEL, stored, &mut |_| {}).await
        })
    };
    for depth in [Depth::Head, Depth::Lora { rank: 3, alpha: 6.0 }, Depth::Full] {
        let learned = |files: MemoryFiles| {
            let settings = Settings { depth, learning_rate: 2e-3, ..settings.clone() };
            // The first eight pairs once more are held out, so that training says what they score.
            let set = Prepared { held_out: set.train.clone(), ..set.clone() };
            let source = ModelSource::Files(Box::new(files));
            let options = LoadOptions { dtype: Dtype::F32, ..LoadOptions::default() };
            let mut silent = |_: &Plan| {};
            let load = Adaptation::load(source, &set, settings, options, &mut silent);
            let mut adaptation = block_on(load).unwrap();
            finish(&mut adaptation);
            adaptation
        };
        let [ours, theirs] = [learned(rounded()), learned(expanded())];
        assert_eq!(ours.history(), theirs.history(), "{depth:?}");

        // What is written is applied to the rounded model, or stands for itself.
        let mut weights = Vec::new();
        let mut options = LoadOptions { dtype: Dtype::F32, ..LoadOptions::default() };
        let source = if ours.makes_adapter() {
            block_on(ours.write_adapter(&mut weights)).unwrap();
            let config = ours.adapter_config(None).to_string().into_bytes();
            let mut files = MemoryFiles::new("adapter").with(ADAPTER_WEIGHTS, weights);
            if depth != Depth::Head {
                files = files.with(ADAPTER_CONFIG, config);
            }
            options.adaptation = Some(Box::new(files));
            ModelSource::Files(Box::new(rounded()))
        } else {
            assert_eq!(ours.dtype().unwrap(), checkpoint::Dtype::F16);
            let write = ours.write_checkpoint(&mut weights, checkpoint::Dtype::F16);
            block_on(write).unwrap();
            ModelSource::Files(Box::new(rewritten(&original, async |_, _| Ok(weights.clone()))))
        };
        let scorer = block_on(Scorer::load(source, options)).unwrap();
        let mut error = 0.0;
        for pair in &set.train {
            let scores = block_on(scorer.score(&[(&pair.instruction, &pair.response)])).unwrap();
            error += f64::from(scores[0].logits[0] - pair.label).powi(2) / set.train.len() as f64;
        }
        let history = ours.history();
        let best = history.best.filter(|&best| best > 0).expect("it learned nothing");
        let told = f64::from(history.steps[best - 1].held_out.unwrap());
        assert!((error - told).abs() <= BOUND, "{depth:?}: {error}, in training {told}");
        assert!(told < 0.8 * f64::from(history.held_out_before.unwrap()), "{depth:?}");
    }
}

#[test]
fn a_step_that_was_stopped_can_be_taken_again() {
    let (set, settings) = golden_run(&golden());
    let adapter = |stops: bool| {
        let depth = Depth::Lora { rank: 2, alpha: 4.0 };
        let settings = Settings { depth, batch: 4, ..settings.clone() };
        let set = Prepared { order: set.order[..24].to_vec(), ..set.clone() };
        let mut adaptation = load(&set, settings, Dtype::F32).unwrap();
        if stops {
            for after in [0, 1, 3] {
                let asked = Cell::new(0);
                let stop = || asked.replace(asked.get() + 1) >= after;
                let steps = adaptation.history().steps.len();
                match block_on(adaptation.step(&stop)) {
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Aborted),
                    Ok(step) => assert!(asked.get() <= after && step.is_some(), "{after}"),
                }
                assert!(adaptation.history().steps.len() - steps <= 1);
            }
        }
        finish(&mut adaptation);
        let mut bytes = Vec::new();
        block_on(adaptation.write_adapter(&mut bytes)).unwrap();
        bytes
    };
    assert!(adapter(true) == adapter(false));
}

#[test]
fn training_sums_in_f32_where_scoring_sums_in_f16() {
    let (set, settings) = golden_run(&golden());
    let steps = |kernel| {
        let settings = Settings { batch: 4, ..settings.clone() };
        let set = Prepared { order: set.order[..8].to_vec(), ..set.clone() };
        let mut adaptation = load_by(kernel, &set, settings, Dtype::F16).unwrap();
        finish(&mut adaptation);
        let steps = adaptation.history().steps.iter();
        steps.map(|step| (step.loss.to_bits(), step.norm.to_bits())).collect::<Vec<_>>()
    };
    let by_medium = steps("medium");
    assert_eq!(by_medium.len(), 2);
    assert_eq!(steps("half_medium"), by_medium);
}

#[test]
fn less_memory_is_made_do_with_and_told_before() {
    let (set, settings) = golden_run(&golden());
    let plan = |memory: u64| {
        let mut told: Option<Plan> = None;
        let settings = Settings { memory, ..settings.clone() };
        // One kernel for every load: which one is the fastest is measured, and their buffers differ.
        let options = LoadOptions {
            batch_tokens: Some(2000),
            kernel: Some("medium"),
            ..LoadOptions::default()
        };
        let planned = &mut |plan: &Plan| told = Some(plan.clone());
        let load = Adaptation::load(
            ModelSource::Directory(mini::folder()),
            &set,
            settings,
            options,
            planned,
        );
        block_on(load).map(|_| told.unwrap())
    };
    let large = plan(u64::MAX).unwrap();
    assert_eq!((large.batch_tokens, large.recompute), (2000, false));
    let less = plan(large.gpu_bytes - 1).unwrap();
    assert!(less.gpu_bytes < large.gpu_bytes && less.batch_tokens < 2000, "{less:?}");
    assert!(!less.recompute, "{less:?}");
    let mut least = less;
    while let Ok(plan) = plan(least.gpu_bytes - 1) {
        assert!(plan.gpu_bytes < least.gpu_bytes);
        least = plan;
    }
    assert!(least.recompute);
    let error = plan(1 << 20).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::OutOfMemory, "memory"));
    let needed = format!("takes {} MiB", least.gpu_bytes.div_ceil(1 << 20));
    assert!(error.what().contains(&needed), "{error}");
}

#[test]
fn what_cannot_be_set_is_named() {
    let (set, settings) = golden_run(&golden());
    let fault = |settings: Settings| {
        let error = load(&set, settings, Dtype::F32).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        error.at_fault().to_owned()
    };
    let usual = || settings.clone();
    assert_eq!(fault(Settings { learning_rate: f64::NAN, ..usual() }), "learning rate");
    assert_eq!(fault(Settings { batch: 0, ..usual() }), "batch");
    assert_eq!(fault(Settings { warm_up: 1.5, ..usual() }), "warm-up");
    assert_eq!(fault(Settings { most_norm: f32::NAN, ..usual() }), "gradient norm");
    assert_eq!(fault(Settings { weight_decay: -1.0, ..usual() }), "weight decay");
    assert_eq!(fault(Settings { depth: Depth::Lora { rank: 0, alpha: 1.0 }, ..usual() }), "rank");
    let nothing = Prepared { order: Vec::new(), ..set.clone() };
    let error = load(&nothing, usual(), Dtype::F32).map(drop).unwrap_err();
    assert_eq!(error.at_fault(), "the training set");
}

/// The binary with no network and no settings of this machine.
fn cappy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cappy"));
    command.args(arguments).args(mini::unless_named(arguments)).stdin(Stdio::null());
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", "no-such-folder");
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run(arguments: &[&str]) -> Output {
    cappy(arguments).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// 24 messages of the worked example, in a file of `folder`.
fn train_file(folder: &Path) -> String {
    let all = concat!(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."), "/examples/adapt/train.jsonl");
    let lines: Vec<String> =
        fs::read_to_string(all).unwrap().lines().take(24).map(str::to_owned).collect();
    let path = folder.join("train.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    text(&path).to_owned()
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let train = train_file(folder.path());
    for (depth, file) in [("head", "adapter_model"), ("lora", "adapter_model"), ("full", "model")] {
        let out = |name: &str| folder.path().join(format!("{depth}-{name}"));
        let arguments = |out: &Path| {
            let usual = ["adapt", "--train", &train, "--depth", depth, "--patience", "0"];
            let more = ["--keep-every", "0", "--epochs", "2", "--out", text(out)];
            usual.into_iter().chain(more).map(str::to_owned).collect::<Vec<_>>()
        };
        let go = |out: &Path| {
            let arguments = arguments(out);
            cappy(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let unbroken = go(&out("unbroken")).output().unwrap();
        assert!(unbroken.status.success(), "{}", stderr(&unbroken));
        assert!(!out("unbroken").join("state").exists());

        let broken = out("broken");
        let mut child = go(&broken).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let kept = |step: usize| broken.join(format!("state/step-{step:08}/kept.json"));
        for _ in 0..12_000 {
            if (3..9).any(|step| kept(step).exists()) || child.try_wait().unwrap().is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it was too fast to be killed");
        assert!(!broken.join(format!("{file}.safetensors")).exists());

        let other = run(&["adapt", "--train", &train, "--out", text(&broken), "--seed", "9"]);
        assert_eq!(other.status.code(), Some(2));
        assert!(stderr(&other).contains("--restart begins anew"), "{}", stderr(&other));

        let resumed = go(&broken).output().unwrap();
        assert!(resumed.status.success(), "{}", stderr(&resumed));
        assert!(stderr(&resumed).contains("going on after step"), "{}", stderr(&resumed));
        let bytes = |name: &str| fs::read(out(name).join(format!("{file}.safetensors"))).unwrap();
        assert!(bytes("unbroken") == bytes("broken"), "{depth}");
        assert!(!broken.join("state").exists());
    }
}

#[cfg(unix)]
#[test]
fn control_c_keeps_what_was_learned() {
    let folder = tempfile::tempdir().unwrap();
    let train = train_file(folder.path());
    let out = folder.path().join("out");
    let arguments = ["adapt", "--train", &train, "--out", text(&out), "--depth", "full"];
    let arguments = [&arguments[..], &["--epochs", "40", "--patience", "0"]].concat();
    let child = cappy(&arguments).stderr(Stdio::piped()).spawn().unwrap();
    // Loading and the first steps; where it is still loading it stops before the first one.
    thread::sleep(Duration::from_secs(6));
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let stopped = child.wait_with_output().unwrap();
    assert_eq!(stopped.status.code(), Some(1), "{}", stderr(&stopped));
    assert!(
        stderr(&stopped).contains("the same command goes on from there"),
        "{}",
        stderr(&stopped)
    );
    assert!(fs::read_dir(out.join("state")).unwrap().count() == 1);
}

#[test]
fn adapter_and_merged_model_score_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let train = train_file(folder.path());
    let [adapter, merged] = ["adapter", "merged"].map(|name| folder.path().join(name));
    let usual = ["adapt", "--train", &train, "--depth", "lora", "--learning-rate", "0.003"];
    for (out, merge) in [(&adapter, &[][..]), (&merged, &["--merge"])] {
        let output = run(&[&usual[..], &["--out", text(out)], merge].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let pairs = [
        (
            "Which team should answer this message: billing, delivery, repairs or returns? My lamp \
          has not arrived yet.",
            "delivery",
        ),
        ("Name the animal that barks.", "dog"),
        ("", "billing"),
    ];
    let scores = |source: ModelSource, files: Option<&Path>| {
        let adaptation = files.map(|path| Box::new(Directory::new(path)) as _);
        let options = LoadOptions { adaptation, ..LoadOptions::default() };
        let scorer = block_on(Scorer::load(source, options)).unwrap();
        let scores = block_on(scorer.score(&pairs)).unwrap();
        scores.iter().map(|score| f64::from(score.logits[0])).collect::<Vec<_>>()
    };
    let before = scores(ModelSource::Directory(mini::folder()), None);
    let adapted = scores(ModelSource::Directory(mini::folder()), Some(&adapter));
    let whole = scores(ModelSource::Directory(merged), None);
    // Weights of the merged model were rounded to f16 once more.
    assert!(furthest(&adapted, &whole) <= 4.0 * BOUND, "{adapted:?} {whole:?}");
    assert!(furthest(&adapted, &before) > 20.0 * BOUND, "nothing was learned: {before:?}");
}

#[test]
fn the_best_check_is_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let train = train_file(folder.path());
    let out = folder.path().join("out");
    let usual = ["adapt", "--json", "--train", &train, "--out", text(&out), "--epochs", "12"];
    let output = run(&[&usual[..], &["--learning-rate", "0.05", "--patience", "2"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let history = &summary["history"];
    let checks: Vec<(u64, f64)> = history["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| Some((step["step"].as_u64()?, step["held_out"].as_f64()?)))
        .chain([(0, history["held_out_before"].as_f64().unwrap())])
        .collect();
    let best = checks.iter().min_by(|one, other| one.1.total_cmp(&other.1)).unwrap();
    assert_eq!(history["best"], best.0, "{checks:?}");
    assert!(summary["plan"]["gpu_bytes"].as_u64().unwrap() > 1 << 20);
    assert!(stderr(&output).contains("MiB of GPU memory"), "{}", stderr(&output));
}

#[test]
fn broken_input_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let train = folder.path().join("train.jsonl");
    let out = text(folder.path()).to_owned();
    let refused = |lines: &str, more: &[&str], what: &str| {
        fs::write(&train, lines).unwrap();
        let usual = ["adapt", "--train", text(&train), "--out", &out];
        let output = run(&[&usual[..], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(what), "{what}: {}", stderr(&output));
    };
    refused("{\"instruction\": \"a\"", &[], "train.jsonl: line 1: is not JSON");
    refused("\n{\"instruction\": \"a\"}", &[], "train.jsonl: line 2");
    refused("", &[], "the training set: has no examples");
    let good = "{\"instruction\": \"a\", \"response\": \"b\", \"label\": 1}";
    refused(good, &["--learning-rate", "0"], "learning rate");
    refused(good, &["--held-out", "nan"], "held-out share: is NaN");
    refused(good, &["--held-out", "1"], "held-out share: is 1");
    refused(good, &["--size", "0"], "size: must be at least 1");
    refused(good, &["--adapter", "some-folder"], "--adapter: is what this would learn on top of");
    refused(good, &["--rank", "0", "--depth", "lora"], "rank: must be from 1 to 256");
    let missing = run(&["adapt", "--train", "no-such-file", "--out", &out]);
    assert!(stderr(&missing).contains("no-such-file"), "{}", stderr(&missing));
}
