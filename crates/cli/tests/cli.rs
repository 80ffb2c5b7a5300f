//! The real binary on cappy-mini: what it prints, refuses, and ends with.

#[path = "../../../tests/mini/mod.rs"]
mod mini;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const QUESTION: &str = "Is the sentiment of this review positive or negative?\nReview: I loved it.";
const CANDIDATES: [&str; 3] = ["positive", "negative", "blue paint"];

/// The binary with no network and no settings of this machine, on the GPU: left to choose, it would
/// take the CPU here, and no shader would be tested.
fn cappy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cappy"));
    let (name, rest) = arguments.split_at(arguments.len().min(1));
    let scores = matches!(name, ["rank" | "score" | "info"]);
    command.args(name).args(scores.then_some("--device=gpu"));
    command.args(mini::unless_named(arguments)).args(rest);
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", "no-such-folder");
    // What these runs remember of the adapter is not to be found by the user's own.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it does with `input` on standard input. Feeding it from a thread keeps both pipes moving.
fn run(arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut child = cappy(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.as_ref().to_vec();
    let feeder = std::thread::spawn(move || {
        // A command that ends early closes the pipe; the tests look at what it said instead.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Standard output of a run that ended well and had nothing to complain about.
fn good(output: &Output) -> &str {
    assert_eq!((output.status.code(), stderr(output)), (Some(0), ""), "{}", stdout(output));
    stdout(output)
}

/// Asserts the exit code and that all of standard error is one line `error: ...` with `what`.
fn assert_fails(output: &Output, code: i32, what: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.starts_with("error: ") && said.ends_with('\n'), "{said}");
    assert!(said.lines().count() == 1 && said.contains(what), "{what}: {said}");
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn line(instruction: &str, response: &str) -> String {
    serde_json::json!({ "instruction": instruction, "response": response }).to_string() + "\n"
}

fn ranked(arguments: &[&str], input: &str) -> Vec<Value> {
    let output = run(&[&["rank", "--json"], arguments].concat(), input);
    serde_json::from_str(good(&output)).unwrap()
}

#[test]
fn rank_prints_a_line_for_each_candidate() {
    let output = run(&[&["rank", QUESTION], &CANDIDATES[..]].concat(), "");
    let table = good(&output);
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(!table.contains('\x1b'), "no colours in a pipe: {table}");
    for (line, rank) in table.lines().zip(1..) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[0], rank.to_string());
        cells[1].parse::<f32>().unwrap();
        assert!(CANDIDATES.iter().any(|candidate| line.ends_with(candidate)), "{line}");
    }
}

#[test]
fn rank_json_is_sorted_and_has_every_field() {
    let rows = ranked(&[&[QUESTION], &CANDIDATES[..]].concat(), "");
    let mut indices = Vec::new();
    let mut last = f64::INFINITY;
    for (row, rank) in rows.iter().zip(1..) {
        let index = row["index"].as_u64().unwrap() as usize;
        assert_eq!(row["rank"], rank);
        assert_eq!(row["text"], CANDIDATES[index]);
        assert_eq!(row["truncated"], 0);
        let score = row["score"].as_f64().unwrap();
        assert!(score <= last, "{rows:?}");
        (last, _) = (score, indices.push(index));
    }
    indices.sort_unstable();
    assert_eq!(indices, [0, 1, 2]);

    let best = ranked(&[&["--top-k", "1", QUESTION], &CANDIDATES[..]].concat(), "");
    assert_eq!(best, rows[..1]);
}

#[test]
fn rank_breaks_ties_in_favour_of_the_earlier() {
    let rows = ranked(&[QUESTION, "same", "same", "same"], "");
    let indices: Vec<&Value> = rows.iter().map(|row| &row["index"]).collect();
    assert_eq!(indices, [0, 1, 2]);
}

#[test]
fn rank_reads_candidates_from_standard_input() {
    let from_arguments = ranked(&[QUESTION, "first", "positive", "", "日本"], "");
    let from_stdin = ranked(&[QUESTION, "first", "-"], "positive\r\n\n日本\n");
    assert_eq!(from_stdin, from_arguments);
}

#[test]
fn rank_refuses_what_it_cannot_use() {
    for (arguments, input, what) in [
        (&["rank", QUESTION, "-"][..], &b""[..], "has no candidates"),
        (&["rank", QUESTION, "-"], b"good\nbad \xff\n", "line 2: is not UTF-8 at byte 5"),
        (&["rank", QUESTION, "-", "-"], b"", "only once"),
    ] {
        assert_fails(&run(arguments, input), 2, what);
    }
}

#[test]
fn usage_errors_are_2_and_say_what_is_missing() {
    for (arguments, what) in [
        (&["rank"][..], "<INSTRUCTION>"),
        (&["rank", QUESTION], "<CANDIDATE>"),
        (&["rank", "--top-k", "0", QUESTION, "a"], "--top-k"),
        (&["score", "--dtype", "f64"], "--dtype"),
        (&["paint"], "paint"),
        (&[], "Usage"),
    ] {
        let output = run(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(what), "{what}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn the_licences_of_others_work_are_in_the_program_with_the_models_attributions() {
    let output = run(&["notices"], "");
    let notices = good(&output);
    assert_eq!(notices, include_str!("../src/notices.txt"));
    assert!(notices.contains(include_str!("../../../models/cappy-small/NOTICE.txt").trim()));
    assert!(notices.contains("\noption-ext 0.2.0: MPL-2.0, https://"), "where its source is");
}

#[test]
fn version_and_help_are_printed() {
    assert_eq!(good(&run(&["--version"], "")), format!("cappy {}\n", env!("CARGO_PKG_VERSION")));
    assert!(good(&run(&["--help"], "")).contains("Exit codes:"));
}

#[test]
fn score_keeps_the_order_and_both_forms_agree_with_rank() {
    let mut input = String::new();
    for candidate in CANDIDATES {
        input += &line(QUESTION, candidate);
    }
    let list = serde_json::json!({ "responses": CANDIDATES, "instruction": QUESTION, "id": 7 });
    input += &list.to_string();
    let output = run(&["score"], input);
    let results = json_lines(good(&output));
    assert_eq!(results.len(), 4);

    let rows = ranked(&[&[QUESTION], &CANDIDATES[..]].concat(), "");
    for (i, one) in results[..3].iter().enumerate() {
        let row = rows.iter().find(|row| row["index"] == i).unwrap();
        // Equal to the last digit: a score does not depend on other pairs.
        assert_eq!(one["score"], row["score"]);
        assert_eq!(one["truncated"], 0);
        assert!(one["tokens"].as_u64().unwrap() > 4);
        for (field, many) in [("score", "scores"), ("tokens", "tokens"), ("truncated", "truncated")]
        {
            assert_eq!(results[3][many][i], one[field], "{results:?}");
        }
    }
}

#[test]
fn score_takes_a_long_stream_in_order() {
    let texts: Vec<String> = (0..1500).map(|i| "word ".repeat(i % 7)).collect();
    let input: String = texts.iter().map(|text| line("Count.", text)).collect();
    let output = run(&["score"], input);
    let results = json_lines(good(&output));
    assert_eq!(results.len(), texts.len());
    for (i, result) in results.iter().enumerate() {
        assert_eq!(result, &results[i % 7], "line {}", i + 1);
    }
    assert_ne!(results[0], results[6]);
}

#[test]
fn score_answers_a_line_before_the_next_one_is_written() {
    let mut child = cappy(&["score"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for response in ["positive", "negative"] {
        stdin.write_all(line(QUESTION, response).as_bytes()).unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert!(answer["score"].is_f64(), "{answer}");
    }
    drop(stdin);
    assert!(answers.next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn score_reports_what_was_cut() {
    let long = "word ".repeat(2000);
    let output = run(&["score"], line("Summarise.", &long));
    let result = &json_lines(good(&output))[0];
    assert!(result["truncated"].as_u64().unwrap() > 500, "{result}");
    let table = run(&["rank", "Summarise.", &long, "short"], "");
    assert!(good(&table).contains("note: the pair of rank "), "{}", stdout(&table));
}

#[test]
fn a_bad_line_ends_the_run_with_nothing_lost_before_it() {
    for (bad, what) in [
        (&b"nonsense"[..], "line 3: is not a JSON object"),
        (br#"{"instruction": "a", "response": "b""#, "line 3: is not JSON: EOF"),
        (br#"{"response": "b"}"#, "line 3: field 'instruction' is missing"),
        (br#"{"instruction": "a"}"#, "line 3: field 'response' or 'responses' is missing"),
        (br#"{"instruction": "a", "response": 1}"#, "line 3: field 'response' is not a string"),
        (b"{\"instruction\": \"a\", \"response\": \"\xff\"}", "line 3: is not UTF-8 at byte 35"),
        (b"", "line 3: is empty"),
    ] {
        let before = line(QUESTION, "positive") + &line(QUESTION, "negative");
        let input = [before.as_bytes(), bad, b"\n", line(QUESTION, "late").as_bytes()].concat();
        let output = run(&["score"], input);
        assert_fails(&output, 2, what);
        let results = json_lines(stdout(&output));
        assert_eq!(results.len(), 2, "{what}");
        assert!(results.iter().all(|result| result["score"].is_f64()));
    }
}

#[test]
fn keep_going_puts_errors_in_their_place() {
    let input = [
        line(QUESTION, "positive").as_bytes(),
        b"\n{\"instruction\": \"\xff\"}\n",
        line(QUESTION, "negative").as_bytes(),
    ]
    .concat();
    let output = run(&["score", "--keep-going"], input);
    assert_eq!((output.status.code(), stderr(&output)), (Some(1), ""));
    let results = json_lines(stdout(&output));
    assert_eq!(results.len(), 4);
    assert!(results[0]["score"].is_f64() && results[3]["score"].is_f64());
    assert_eq!(results[1], serde_json::json!({ "error": "line 2: is empty" }));
    assert!(results[2]["error"].as_str().unwrap().starts_with("line 3: is not UTF-8"));
}

#[test]
fn a_text_that_cannot_be_scored_is_a_bad_line_too() {
    // A text that could grow too long when the tokenizer normalizes it.
    let folder = tempfile::tempdir().unwrap();
    let cases = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/cases"));
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(cases.join("w-gamma-bert").join(name), folder.path().join(name)).unwrap();
    }
    let weights = folder.path().join("model.safetensors");
    fs::copy(cases.join("weights/bert.safetensors"), weights).unwrap();
    let model = folder.path().to_str().unwrap();

    let input = line(QUESTION, "positive")
        + &line(QUESTION, &"\u{fdfa}".repeat(4_000_000))
        + &line(QUESTION, "negative");
    let output = run(&["score", "--model", model], &input);
    assert_fails(&output, 2, "line 2: ");
    assert_eq!(json_lines(stdout(&output)).len(), 1);

    let output = run(&["score", "--model", model, "--keep-going"], &input);
    assert_eq!((output.status.code(), stderr(&output)), (Some(1), ""));
    let results = json_lines(stdout(&output));
    assert!(results[1]["error"].as_str().unwrap().starts_with("line 2: "), "{results:?}");
    assert!(results[0]["score"].is_f64() && results[2]["score"].is_f64());
}

#[test]
fn score_of_nothing_is_nothing() {
    assert_eq!(good(&run(&["score"], "")), "");
}

#[test]
fn a_closed_output_ends_quietly() {
    let mut child = cappy(&["score"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    drop(child.stdout.take());
    stdin.write_all(line(QUESTION, "positive").as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

#[test]
fn info_tells_shape_adapter_and_path() {
    let output = run(&["info"], "");
    for name in ["model", "layers", "parameters", "adapter", "path taken"] {
        assert!(good(&output).contains(name), "{name}: {}", stdout(&output));
    }
    let output = run(&["info", "--json", "--dtype", "f32"], "");
    let info: Value = serde_json::from_str(good(&output)).unwrap();
    assert_eq!(info["dtype"], "f32");
    assert!(info["config"]["hidden_size"].is_u64() && info["adapter"]["f16"].is_boolean());
    assert!(info["parameters"].as_u64().unwrap() > 0 && info["file_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn both_dtypes_give_nearly_the_same_score() {
    let score = |dtype| {
        let output = run(&["score", "--dtype", dtype], line(QUESTION, "positive"));
        json_lines(good(&output))[0]["score"].as_f64().unwrap()
    };
    let (f16, f32) = (score("f16"), score("f32"));
    assert!((f16 - f32).abs() <= 2e-3, "{f16} {f32}");
}

/// A copy of cappy-mini's files that tests may spoil.
fn copy_of_the_model(folder: &Path) -> PathBuf {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(mini::folder().join(name), folder.join(name)).unwrap();
    }
    folder.to_path_buf()
}

#[test]
fn a_model_of_several_labels_gives_lists_and_cannot_rank() {
    let folder = tempfile::tempdir().unwrap();
    let model = copy_of_the_model(folder.path());
    two_labels(&model);
    let model = model.to_str().unwrap();
    let output = run(&["score", "--model", model], line(QUESTION, "positive"));
    let result = &json_lines(good(&output))[0];
    let scores = result["score"].as_array().unwrap();
    assert_eq!(scores.len(), 2);
    assert_eq!(scores[0].as_f64().unwrap(), -scores[1].as_f64().unwrap(), "{result}");

    let input = serde_json::json!({ "instruction": QUESTION, "responses": ["positive"] });
    let output = run(&["score", "--model", model], input.to_string());
    assert_eq!(json_lines(good(&output))[0]["scores"][0], result["score"]);

    assert_fails(&run(&["rank", "--model", model, QUESTION, "a"], ""), 2, "2 labels");
}

/// Gives the model a second output that is the negative of the first.
fn two_labels(model: &Path) {
    let path = model.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["id2label"] = serde_json::json!({ "0": "GOOD", "1": "BAD" });
    config.as_object_mut().unwrap().remove("num_labels");
    fs::write(&path, config.to_string()).unwrap();

    let path = model.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut changed: Vec<(String, safetensors::Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, view) in tensors.tensors() {
        let (mut shape, mut data) = (view.shape().to_vec(), view.data().to_vec());
        if name.contains("classifier.out_proj") {
            shape[0] = 2;
            // Numbers are little-endian: the sign is the highest bit of the last byte.
            let size = data.len() / view.shape().iter().product::<usize>();
            let mut negative = data.clone();
            negative.chunks_exact_mut(size).for_each(|number| number[size - 1] ^= 0x80);
            data.extend(negative);
        }
        changed.push((name, view.dtype(), shape, data));
    }
    let views: Vec<_> = changed
        .iter()
        .map(|(name, dtype, shape, data)| {
            let view = safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap();
            (name.as_str(), view)
        })
        .collect();
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn broken_models_are_named_and_end_with_1() {
    for (spoil, what) in [
        (
            (|model| fs::remove_file(model.join("tokenizer.json")).unwrap()) as fn(&Path),
            "tokenizer.json",
        ),
        (|model| fs::remove_file(model.join("config.json")).unwrap(), "config.json"),
        (|model| fs::remove_file(model.join("model.safetensors")).unwrap(), "model.safetensors"),
        (
            |model| fs::write(model.join("model.safetensors"), b"short").unwrap(),
            "model.safetensors",
        ),
        (|model| fs::write(model.join("config.json"), b"{}").unwrap(), "config.json: "),
        (|model| fs::write(model.join("tokenizer.json"), b"{").unwrap(), "tokenizer.json"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let model = copy_of_the_model(folder.path());
        spoil(&model);
        for command in ["score", "info"] {
            let output = run(&[command, "--model", model.to_str().unwrap()], "");
            assert_fails(&output, 1, what);
            assert_eq!(stdout(&output), "");
        }
    }
}

#[test]
fn a_model_that_is_nowhere_is_named() {
    let output = run(&["rank", "--model", "no-such/model", QUESTION, "a"], "");
    assert_fails(&output, 1, "no-such/model");
    let output = run(&["info", "--model", "./no-such-folder"], "");
    assert_fails(&output, 1, "./no-such-folder");
}

#[test]
fn bench_refuses_a_baseline_before_it_measures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.json");
    let file = path.to_str().unwrap();
    let compare = || run(&["bench", "--shape", "mini", "--compare", file], "");
    assert_fails(&compare(), 2, "old.json: cannot be read");
    for (json, what) in [
        ("{", "old.json: is no JSON"),
        ("{\"shape\": \"mini\"}", "old.json: is no report of cappy bench"),
        ("{\"cappy_bench\": 1}", "old.json: field peaks.multiply_add.samples is not a list"),
    ] {
        fs::write(&path, json).unwrap();
        assert_fails(&compare(), 2, what);
    }
}

#[test]
fn bench_prints_a_report_that_is_compared_with_its_like_only() {
    let output = run(&["bench", "--shape", "mini", "--tokens", "128", "--json"], "");
    let report: Value = serde_json::from_str(good(&output)).unwrap();
    for workload in report["workloads"].as_array().unwrap() {
        assert!(workload["seconds"].as_f64() > Some(0.0), "{workload}");
        assert!(workload["kernels"].as_array().unwrap().len() > 10, "{workload}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.json");
    fs::write(&path, stdout(&output)).unwrap();
    let base = ["bench", "--shape", "base", "--compare", path.to_str().unwrap()];
    assert_fails(&run(&base, ""), 2, "field shape is \"mini\", and this run's is \"base\"");
}

/// Other systems have their cache folder elsewhere.
#[cfg(target_os = "linux")]
#[test]
fn kernels_are_measured_once_and_remembered_and_a_nameless_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let info = |more: &[&str]| {
        let arguments: Vec<&str> = ["info", "--json"].iter().chain(more).copied().collect();
        cappy(&arguments).env("XDG_CACHE_HOME", folder.path()).output().unwrap()
    };
    let seconds = |output: &Output| -> f64 {
        let info: Value = serde_json::from_str(good(output)).unwrap();
        info["tuning_seconds"].as_f64().unwrap()
    };
    assert!(seconds(&info(&[])) > 0.0);
    assert_eq!(seconds(&info(&[])), 0.0);
    assert!(seconds(&info(&["--kernel", "rows"])) > 0.0);
    assert_fails(&info(&["--kernel", "fastest"]), 2, "there are large, medium, rows, lanes");
}
