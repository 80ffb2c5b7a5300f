//! Quantised models through the public API: files, scores, and how far they are from f16's.

#[path = "../../../tests/mini/mod.rs"]
mod mini;

use cappy::checkpoint::{Directory, Files, MemoryFiles, Rounding, WeightFormat};
use cappy::{Conversion, Dtype, LoadOptions, ModelSource, Progress, Scorer};
use pollster::block_on;

const FORMATS: [WeightFormat; 2] = [WeightFormat::Q8, WeightFormat::Q4];

/// cappy-mini, converted.
fn converted(format: WeightFormat) -> MemoryFiles {
    let conversion =
        block_on(Conversion::open(ModelSource::Directory(mini::folder()), &mut |_| {})).unwrap();
    let weights = block_on(conversion.write(Vec::new(), format, &mut |_| {})).unwrap();
    with_small_files(&conversion, weights)
}

fn with_small_files(conversion: &Conversion, weights: Vec<u8>) -> MemoryFiles {
    let small = block_on(conversion.small_files()).unwrap();
    let files = MemoryFiles::new("converted").with("model.safetensors", weights);
    small.into_iter().fold(files, |files, (name, bytes)| files.with(name, bytes))
}

fn load(source: ModelSource, dtype: Dtype, weights: Option<WeightFormat>) -> Scorer {
    // The size of a batch and the kernel are given, because otherwise both follow from a
    // measurement, and the bytes on the GPU with them.
    let (batch_tokens, kernel) = (Some(2000), Some("lanes"));
    let options = LoadOptions { dtype, weights, batch_tokens, kernel, ..LoadOptions::default() };
    block_on(Scorer::load(source, options)).unwrap()
}

/// Instructions, each with candidates.
fn groups() -> Vec<(String, Vec<String>)> {
    let path = mini::folder().join("examples.json");
    let examples: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let group = |example: &serde_json::Value| {
        let candidates = example["candidates"].as_array().unwrap();
        (text(&example["instruction"]), candidates.iter().map(text).collect())
    };
    examples.as_array().unwrap().iter().map(group).collect()
}

fn scores(scorer: &Scorer) -> Vec<f32> {
    let groups = groups();
    let pairs: Vec<(&str, &str)> = groups
        .iter()
        .flat_map(|(instruction, candidates)| {
            candidates.iter().map(|candidate| (instruction.as_str(), candidate.as_str()))
        })
        .collect();
    let scores = block_on(scorer.score(&pairs)).unwrap();
    scores.iter().map(|score| score.logits[0]).collect()
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |x: &[f32]| x.iter().map(|x| f64::from(*x)).sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let products = |x: &[f32], mean_x: f64, y: &[f32], mean_y: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (f64::from(*x) - mean_x) * (f64::from(*y) - mean_y)).sum()
    };
    let together = products(a, mean_a, b, mean_b);
    together / (products(a, mean_a, a, mean_a) * products(b, mean_b, b, mean_b)).sqrt()
}

#[test]
fn files_score_as_the_model_rounded_while_it_loads_and_as_what_they_expand_to() {
    for format in FORMATS {
        for dtype in [Dtype::F16, Dtype::F32] {
            let file = load(ModelSource::Files(Box::new(converted(format))), dtype, None);
            assert_eq!(file.info().weights, format);
            let streamed = load(ModelSource::Directory(mini::folder()), dtype, Some(format));
            assert_eq!(streamed.info().weights, format);
            let files = Box::new(converted(format));
            let expanded = load(ModelSource::Files(files), dtype, Some(WeightFormat::F16));
            assert_eq!(expanded.info().weights, WeightFormat::F16);
            let scores = [&file, &streamed, &expanded].map(|scorer| {
                scores(scorer).iter().map(|score| score.to_bits()).collect::<Vec<_>>()
            });
            assert!(scores[0] == scores[1], "{format} {dtype:?}: streamed");
            assert!(scores[0] == scores[2], "{format} {dtype:?}: expanded");
            assert!(file.gpu_bytes() < expanded.gpu_bytes());
        }
    }
}

#[test]
fn scores_stay_near_those_of_f16() {
    let exact = scores(&load(ModelSource::Directory(mini::folder()), Dtype::F16, None));
    // How near is the matter of docs/quantisation.md; this tells that nothing is broken.
    for (format, least) in [(WeightFormat::Q8, 0.999), (WeightFormat::Q4, 0.9)] {
        let rounded =
            scores(&load(ModelSource::Directory(mini::folder()), Dtype::F16, Some(format)));
        let correlation = correlation(&exact, &rounded);
        println!("{format}: {correlation}");
        assert!(correlation >= least, "{format}: {correlation}");
        assert!(exact != rounded);
    }
}

#[test]
fn calibration_keeps_scores_nearer() {
    let lines = std::fs::read_to_string(mini::folder().join("calibration.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().take(60).map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let pairs: Vec<(String, String)> = lines
        .iter()
        .flat_map(|line| {
            let responses = line["responses"].as_array().unwrap();
            responses.iter().map(|response| (text(&line["instruction"]), text(response)))
        })
        .collect();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let exact = scores(&load(ModelSource::Directory(mini::folder()), Dtype::F16, None));
    let conversion =
        block_on(Conversion::open(ModelSource::Directory(mini::folder()), &mut |_| {})).unwrap();
    for (format, finer_layers, least) in
        [(WeightFormat::Q8, 2, 0.9999), (WeightFormat::Q4, 0, 0.975), (WeightFormat::Q4, 2, 0.999)]
    {
        let rounding = Rounding { format, finer_layers };
        let mut last = 0;
        let mut progress = |progress| {
            let Progress::Load { bytes, total } = progress else { panic!("{progress:?}") };
            assert!(last <= bytes && bytes <= total);
            last = bytes;
        };
        let write = cappy_cpu::calibrate::convert_calibrated(
            &conversion,
            Vec::new(),
            rounding,
            &pairs,
            &mut progress,
        );
        let files = with_small_files(&conversion, block_on(write).unwrap());
        let scorer = load(ModelSource::Files(Box::new(files)), Dtype::F16, None);
        assert_eq!(scorer.info().weights, format);
        let correlation = correlation(&exact, &scores(&scorer));
        println!("{format}, {finer_layers} layers finer: {correlation}");
        assert!(correlation >= least, "{format}, {finer_layers} layers finer: {correlation}");
    }
    let mut quiet = |_| {};
    let write = cappy_cpu::calibrate::convert_calibrated(
        &conversion,
        Vec::new(),
        WeightFormat::Q4,
        &pairs[..1],
        &mut quiet,
    );
    assert!(block_on(write).unwrap_err().to_string().contains("at least two pairs"));
}

#[test]
fn a_score_does_not_depend_on_other_pairs_of_its_batch() {
    for format in FORMATS {
        let scorer = load(ModelSource::Directory(mini::folder()), Dtype::F16, Some(format));
        let together = scores(&scorer);
        let mut at = 0;
        for (instruction, candidates) in groups() {
            for candidate in &candidates {
                let alone = block_on(scorer.score(&[(&instruction, candidate)])).unwrap();
                assert_eq!(alone[0].logits[0].to_bits(), together[at].to_bits(), "{format}");
                at += 1;
            }
        }
    }
}

#[test]
fn the_command_line_converts_and_takes_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/q4");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cappy"));
        command.env("XDG_CACHE_HOME", folder.path());
        command.args(arguments).args(mini::unless_named(arguments)).output().unwrap()
    };
    let path = out.to_str().unwrap();
    let model = mini::folder();
    let model = model.to_str().unwrap();
    let converted = run(&["convert", model, path, "--dtype", "q4"]);
    assert!(converted.status.success(), "{converted:?}");
    let files = Directory::new(&out);
    assert!(block_on(files.open("tokenizer.json")).unwrap().is_some());
    let rank = |more: &[&str]| {
        let arguments =
            [&["rank", "--device=gpu", "--json", "Name an animal.", "dog", "blue paint"], more];
        let output = run(&arguments.concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(rank(&["--model", path]), rank(&["--dtype", "q4"]));
    assert_ne!(rank(&["--model", path]), rank(&[]));
    // A second time nothing is overwritten.
    let again = run(&["convert", model, path, "--dtype", "q8"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8(again.stderr).unwrap().contains("is not empty"));

    // What is wrong with calibration is said by its place, and leaves nothing behind.
    let lines = folder.path().join("pairs.jsonl");
    std::fs::write(&lines, "{\"instruction\": \"a\", \"response\": \"b\"}\n{}\n").unwrap();
    let lines = lines.to_str().unwrap();
    let one = folder.path().join("one.jsonl");
    std::fs::write(&one, "{\"instruction\": \"a\", \"response\": \"b\"}\n").unwrap();
    let one = one.to_str().unwrap();
    let out = folder.path().join("calibrated");
    let out = out.to_str().unwrap();
    for (options, message) in [
        (vec!["--calibrate", lines], "pairs.jsonl: line 2: field 'instruction' is missing"),
        (vec!["--calibrate", "nowhere"], "nowhere: No such file"),
        (vec!["--calibrate", one], "calibration: needs at least two pairs and has 1"),
        (vec!["--dtype", "f16", "--calibrate", lines], "--calibrate: is for q8 and q4"),
        (vec!["--dtype", "f16", "--finer-layers", "1"], "--finer-layers: is for q8 and q4"),
    ] {
        let output = run(&[&["convert", model, out][..], &options].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains(message), "{stderr}");
        assert!(std::fs::read_dir(out).map_or(0, Iterator::count) == 0);
    }
    let finer = run(&["convert", model, out, "--finer-layers", "1"]);
    assert!(finer.status.success(), "{finer:?}");
}
