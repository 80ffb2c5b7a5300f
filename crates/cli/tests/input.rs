//! Texts as editors, shells and other programs really write them, and what a terminal gets to see of
//! them: the real binary on cappy-mini.

#[path = "../../../tests/mini/mod.rs"]
mod mini;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn case(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/fixtures/io").join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The binary with no network and no settings of this machine, and a file on standard input.
fn run(arguments: &[&str], input: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cappy"));
    command.args(arguments).args(mini::unless_named(arguments));
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", "no-such-folder");
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.stdin(input.map_or(Stdio::null(), |path| File::open(path).unwrap().into()));
    command.output().unwrap()
}

fn stdout(output: &Output) -> &str {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    std::str::from_utf8(&output.stdout).unwrap()
}

fn assert_refused(output: &Output, what: &str) {
    let said = std::str::from_utf8(&output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.lines().count() == 1 && said.contains(what), "{what}: {said}");
}

#[test]
fn candidates_are_the_same_with_a_mark_and_with_windows_line_ends() {
    let rank = |name: &str| {
        let arguments = ["rank", "--json", "Name the animal that barks.", "-"];
        let rows: Value =
            serde_json::from_str(stdout(&run(&arguments, Some(&case(name))))).unwrap();
        assert_eq!(rows.as_array().unwrap().len(), 3);
        rows
    };
    assert_eq!(rank("candidates-bom.txt"), rank("candidates.txt"));
}

#[test]
fn lines_score_the_same_with_a_mark_and_with_windows_line_ends() {
    let score = |name: &str| stdout(&run(&["score"], Some(&case(name)))).to_owned();
    let plain = score("plain.jsonl");
    assert_eq!(plain.lines().count(), 2);
    for name in ["bom.jsonl", "crlf.jsonl"] {
        assert_eq!(score(name), plain, "{name}");
    }
}

#[test]
fn utf_16_is_refused_by_name_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).display().to_string();
    let (lines, candidates) = (case("utf16.jsonl"), case("candidates-utf16.txt"));
    let file = text(&lines);
    let what = "is UTF-16 (little-endian); save the file as UTF-8";
    for arguments in [
        &["score"][..],
        &["rank", "Which?", "-"],
        &["eval", "classification", file],
        &["eval", "selection", file],
        &["adapt", "--train", file, "--out", &out("taught")],
        &[
            "convert",
            text(&mini::folder()),
            &out("converted"),
            "--dtype",
            "q8",
            "--calibrate",
            file,
        ],
        &["bench", "--shape", "mini", "--compare", file],
    ] {
        assert_refused(&run(arguments, Some(&lines)), what);
    }
    assert_refused(&run(&["rank", "Which?", "-"], Some(&candidates)), what);
    let kept = run(&["score", "--keep-going"], Some(&lines));
    assert_eq!(kept.status.code(), Some(1));
    for line in std::str::from_utf8(&kept.stdout).unwrap().lines() {
        assert!(line.contains(what), "{line}");
    }
}

/// The file with a byte order mark before it.
fn marked(folder: &Path, from: &Path) -> PathBuf {
    let path = folder.join(from.file_name().unwrap());
    fs::write(&path, [b"\xef\xbb\xbf", &fs::read(from).unwrap()[..]].concat()).unwrap();
    path
}

#[test]
fn a_mark_is_no_text_in_files_that_are_named_either() {
    let folder = tempfile::tempdir().unwrap();
    let out = |name: &str| folder.path().join(name).display().to_string();
    let fixtures =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/fixtures/eval");
    let labels = fixtures.join("promptsource_test.jsonl");
    let eval = |file: &Path| {
        let arguments = ["eval", "classification", "--json", "--resamples", "5", text(file)];
        stdout(&run(&arguments, None)).to_owned()
    };
    assert_eq!(eval(&marked(folder.path(), &labels)), eval(&labels));

    let calibrate = |lines: &Path, name: &str| {
        let model = mini::folder();
        let arguments = ["convert", text(&model), &out(name), "--calibrate", text(lines)];
        stdout(&run(&arguments, None));
        fs::read(folder.path().join(name).join("model.safetensors")).unwrap()
    };
    assert!(calibrate(&case("bom.jsonl"), "marked") == calibrate(&case("plain.jsonl"), "plain"));

    let adapt = |train: &Path, name: &str| {
        stdout(&run(
            &["adapt", "--train", text(train), "--out", &out(name), "--epochs", "1"],
            None,
        ));
        fs::read(folder.path().join(name).join("adapter_model.safetensors")).unwrap()
    };
    assert!(adapt(&case("adapt-bom.jsonl"), "a") == adapt(&case("a.jsonl"), "b"));
}

#[test]
fn half_of_an_emoji_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("taught").display().to_string();
    let path = case("surrogate.jsonl");
    let what = "line 1: has half of a character at column ";
    for arguments in [
        &["score"][..],
        &["eval", "classification", text(&path)],
        &["adapt", "--train", text(&path), "--out", &out],
    ] {
        assert_refused(&run(arguments, Some(&path)), what);
    }
}

/// Clears the screen, in both of the ways in which control characters are written, and turns the
/// reading direction.
const EVIL: &str = "\u{1b}[2J\u{9b}2J\u{202e}\u{7f}\u{7}";

fn assert_harmless(output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        let said = std::str::from_utf8(stream).unwrap();
        let bad = said.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{said:?}");
    }
}

#[test]
fn nothing_that_is_printed_moves_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join(format!("model{EVIL}"));
    fs::create_dir(&model).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(mini::folder().join(name), model.join(name)).unwrap();
    }
    let config = model.join("config.json");
    let mut changed: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    changed["id2label"] = json!({ "0": format!("good{EVIL}\nlabel") });
    fs::write(&config, changed.to_string()).unwrap();

    let row = |label: u8, response: &str| {
        json!({
            "dataset_name": format!("data{EVIL}\nset"), "template_name": "a", "example_idx": 0,
            "instruction": "Which?", "response": format!("{response}{EVIL}"), "label": label,
        })
        .to_string()
    };
    let questions = folder.path().join("questions.jsonl");
    fs::write(&questions, format!("{}\n{}\n", row(1, "a"), row(0, "b"))).unwrap();
    let out = folder.path().join("out");

    let model = text(&model);
    let candidate = format!("an answer{EVIL}\nof two lines");
    let option = format!("--{EVIL}");
    for (arguments, code) in [
        (&["rank", "--model", model, "Which?", &candidate, "b"][..], 0),
        (&["rank", "--model", model, "--json", "Which?", &candidate, "b"], 0),
        (&["info", "--model", model], 0),
        (&["info", "--model", model, "--json"], 0),
        (&["eval", "classification", "--model", model, "--out", text(&out), text(&questions)], 0),
        (&["eval", "classification", "--model", model, "--json", text(&questions)], 0),
        (&["info", "--model", EVIL], 1),
        (&["info", "--adapter", EVIL], 1),
        (&["rank", "Which?", &option], 2),
        (&["rank", "--dtype", EVIL, "Which?", "a"], 2),
    ] {
        let output = run(arguments, None);
        let said = String::from_utf8_lossy(&output.stderr);
        let tolerated = if code == 1 { [1, 2] } else { [code, code] };
        assert!(tolerated.contains(&output.status.code().unwrap()), "{arguments:?}: {said}");
        assert_harmless(&output);
    }
    // A label with a line end stays in its row, and what is kept can be shown, too.
    let info = run(&["info", "--model", model], None);
    assert!(
        stdout(&info).lines().any(|line| line.starts_with("labels") && line.contains("⏎label"))
    );
    let kept = fs::read_to_string(out.join("results.txt")).unwrap();
    assert!(kept.chars().all(|c| !c.is_control() || c == '\n'), "{kept:?}");
    // What programs read is what it was.
    let rows = run(&["rank", "--model", model, "--json", "Which?", &candidate], None);
    let rows: Value = serde_json::from_str(stdout(&rows)).unwrap();
    assert_eq!(rows[0]["text"], candidate);
}

#[test]
fn a_folder_with_checkpoints_inside_is_its_own_files() {
    let folder = tempfile::tempdir().unwrap();
    for inside in ["", "checkpoint-500", "onnx"] {
        fs::create_dir_all(folder.path().join(inside)).unwrap();
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            fs::copy(mini::folder().join(name), folder.path().join(inside).join(name)).unwrap();
        }
    }
    fs::write(folder.path().join("checkpoint-500/config.json"), "{}").unwrap();
    fs::write(folder.path().join("onnx/model.safetensors"), "nonsense").unwrap();
    let score = |more: &[&str]| {
        let arguments = [&["score"], more].concat();
        stdout(&run(&arguments, Some(&case("plain.jsonl")))).to_owned()
    };
    assert_eq!(score(&["--model", text(folder.path())]), score(&[]));
}
