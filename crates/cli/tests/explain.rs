//! `cappy explain`: the real binary on cappy-mini.

#[path = "../../../tests/mini/mod.rs"]
mod mini;

use std::process::{Command, Output};

use serde_json::Value;

fn run(command: &str, arguments: &[&str]) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_cappy"));
    process.arg(command).args(mini::unless_named(&[&[command], arguments].concat()));
    process.args(arguments).env("HF_HUB_OFFLINE", "1");
    process.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    process.output().unwrap()
}

fn good(output: &Output) -> &str {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""));
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn effects_are_what_scores_say_of_the_shorter_texts() {
    let question = "Name the animal that barks.";
    let explained = run("explain", &["--json", question, "The dog barks."]);
    let explained: Value = serde_json::from_str(good(&explained)).unwrap();
    assert_eq!(explained["unit"], "word");
    let ranked = run(
        "rank",
        &["--json", question, "The dog barks.", "dog barks.", "The barks.", "The dog."],
    );
    let mut ranked: Vec<Value> = serde_json::from_str(good(&ranked)).unwrap();
    ranked.sort_by_key(|row| row["index"].as_u64());
    let scores: Vec<f32> = ranked.iter().map(|row| row["score"].as_f64().unwrap() as f32).collect();
    assert_eq!(explained["score"].as_f64().unwrap() as f32, scores[0]);
    let units = explained["units"].as_array().unwrap();
    assert_eq!((units.len(), scores.len()), (3, 4));
    for (unit, (text, rest)) in units.iter().zip(["The", "dog", "barks"].iter().zip(&scores[1..])) {
        assert_eq!(unit["text"], *text);
        assert_eq!(unit["effect"].as_f64().unwrap() as f32, scores[0] - rest, "{text}");
    }
    assert_eq!((units[2]["start"].as_u64(), units[2]["end"].as_u64()), (Some(8), Some(13)));
    // Leaving out the one word that names the animal must not go unnoticed.
    assert!(units[1]["effect"].as_f64().unwrap().abs() > 1e-3, "{units:?}");
}

#[test]
fn the_cpu_finds_the_same_effects_within_its_rounding() {
    let of = |device: &str| -> Value {
        let output =
            run("explain", &["--device", device, "--json", "Name a pet.", "The dog barks."]);
        serde_json::from_str(good(&output)).unwrap()
    };
    let units = ["gpu", "cpu"].map(|device| of(device)["units"].as_array().unwrap().clone());
    assert_eq!(units.each_ref().map(Vec::len), [3, 3]);
    let [gpu, cpu] = units;
    for (gpu, cpu) in gpu.iter().zip(&cpu) {
        assert_eq!(gpu["text"], cpu["text"]);
        let [one, other] = [gpu, cpu].map(|unit| unit["effect"].as_f64().unwrap());
        assert!((one - other).abs() < 4e-3, "{gpu} {cpu}");
    }
}

#[test]
fn people_read_a_line_for_each_unit() {
    let output = run("explain", &["--of", "instruction", "Name a pet. Be short.", "dog"]);
    let lines: Vec<&str> = good(&output).lines().collect();
    assert!(lines[0].starts_with("score "), "{lines:?}");
    let words: Vec<&str> =
        lines[1..].iter().map(|l| l.split_whitespace().last().unwrap()).collect();
    assert_eq!(words, ["Name", "a", "pet", "Be", "short"]);
    let output = run(
        "explain",
        &["--of", "instruction", "--unit", "sentence", "Name a pet. Be short.", "dog"],
    );
    assert!(good(&output).lines().nth(2).unwrap().ends_with("Be short."));
}

#[test]
fn what_cannot_be_explained_is_named() {
    for (arguments, what) in [
        (&["Name a pet.", "..."][..], "response: has no words"),
        (
            &["--at-most", "2", "Name a pet.", "a dog or a cat"],
            "response: has 5 words, and at most 2",
        ),
        (&["--unit", "letter", "Name a pet.", "dog"], "possible values: word, sentence"),
    ] {
        let output = run("explain", arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(what), "{said}");
    }
}
