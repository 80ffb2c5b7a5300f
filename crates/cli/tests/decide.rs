//! `cappy decide`: the real binary on cappy-mini.

#[path = "../../../tests/mini/mod.rs"]
mod mini;

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cappy"));
    command.arg("decide").args(mini::unless_named(&[&["decide"], arguments].concat()));
    command.args(arguments).env("HF_HUB_OFFLINE", "1");
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that ends early closes the pipe; the tests look at what it said instead.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn good(output: &Output) -> &str {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""));
    std::str::from_utf8(&output.stdout).unwrap()
}

fn assert_refused(output: &Output, what: &str) {
    let said = std::str::from_utf8(&output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.lines().count() == 1 && said.contains(what), "{what}: {said}");
}

fn ticket(message: &str) -> Value {
    json!({
        "state": { "message": message },
        "questions": {
            "team": { "type": "choice", "instructions": "Which team should handle this?",
                      "criteria": { "billing": "Payments and refunds", "support": null } },
            "urgency": { "type": "score", "instructions": "How urgent is it?",
                         "criteria": ["Low", "High"] },
            "refund": { "type": "boolean", "instructions": "Is a refund asked for?" },
        },
    })
}

/// Tickets with answers that are right by turns, so that nothing can be learned from them.
fn labelled(count: usize) -> String {
    let line = |i: usize| {
        let mut line = ticket(&format!("Order {i} did not arrive."));
        let team = if i.is_multiple_of(3) { "billing" } else { "support" };
        line["answers"] = json!({ "team": team, "urgency": i % 2 });
        line.to_string() + "\n"
    };
    (0..count).map(line).collect()
}

#[test]
fn each_line_gets_its_answers_in_order_from_a_file_or_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tickets.jsonl");
    let lines = format!("{}\n{}\n", ticket("I was charged twice."), ticket("The app crashes."));
    fs::write(&file, &lines).unwrap();
    let output = run(&[file.to_str().unwrap()], "");
    let written: Vec<Value> =
        good(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(written.len(), 2);
    for decided in &written {
        assert_eq!(decided["truncated"], 0);
        let team = &decided["answers"]["team"];
        let of = |option: &str| team["probabilities"][option].as_f64().unwrap();
        assert!((of("billing") + of("support") - 1.0).abs() < 1e-6, "{decided}");
        let best = if of("billing") >= of("support") { "billing" } else { "support" };
        assert_eq!(team["choice"], best);
        let urgency = &decided["answers"]["urgency"];
        assert_eq!(urgency["score"], urgency["probabilities"]["1"]);
        let refund = decided["answers"]["refund"]["probability"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&refund));
    }
    // A line does not depend on its neighbours, to the bit.
    let second = run(&["-"], &(ticket("The app crashes.").to_string() + "\n"));
    assert_eq!(good(&second).lines().next(), good(&output).lines().nth(1));
}

#[test]
fn the_table_has_every_option_with_its_probability() {
    let output = run(&["--table", "-"], &ticket("I was charged twice.").to_string());
    let table = good(&output);
    for part in ["team: ", "urgency: ", "refund: ", "billing", "support", "%"] {
        assert!(table.contains(part), "{table}");
    }
    assert_eq!(table.lines().count(), 10, "{table}");
}

#[test]
fn bad_lines_are_named_and_with_keep_going_answered_in_their_place() {
    let mut bad = ticket("x");
    bad["questions"]["team"]["criteria"] = json!({});
    let input = format!("{}\n{bad}\n{}\n", ticket("a"), ticket("b"));
    let stopped = run(&["-"], &input);
    assert_refused(
        &stopped,
        "line 2: questions.team.criteria: has 0; a choice has 2 to 256 options",
    );
    assert_eq!(std::str::from_utf8(&stopped.stdout).unwrap().lines().count(), 1);

    let kept = run(&["--keep-going", "-"], &input);
    assert_eq!(kept.status.code(), Some(1));
    let lines: Vec<&str> = std::str::from_utf8(&kept.stdout).unwrap().lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with(r#"{"error":"line 2: questions.team.criteria"#), "{}", lines[1]);

    assert_refused(&run(&["no-such-file.jsonl"], ""), "no-such-file.jsonl: ");
    let keys = r#"{"state": "", "questions": {"q": {"type": "box"}}}"#;
    assert_refused(&run(&["-"], keys), "line 1: decision: q: unknown variant `box`");
}

#[test]
fn calibrating_reports_before_and_after_and_writes_what_a_model_is_asked_with() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let lines = labelled(30);
    let output = run(&["--calibrate", "--out", out.to_str().unwrap(), "-"], &lines);
    let table = good(&output);
    assert!(table.contains("before") && table.contains("after"), "{table}");
    assert!(
        table.lines().any(|line| line.starts_with("choice after") && line.contains(" 30 ")),
        "{table}"
    );
    assert!(table.contains("All lines together give the temperatures choice "), "{table}");
    assert_eq!(fs::read_to_string(out.join("results.txt")).unwrap(), table);
    assert!(fs::read_to_string(out.join("calibration.svg")).unwrap().starts_with("<svg"));
    let results: Value =
        serde_json::from_slice(&fs::read(out.join("results.json")).unwrap()).unwrap();
    let fitted: Value =
        serde_json::from_slice(&fs::read(out.join("decide.json")).unwrap()).unwrap();
    assert_eq!(fitted["temperature"], results["temperature"]);
    // No yes-or-no question has an answer there.
    assert_eq!(fitted["temperature"]["boolean"], 0.2);
    assert_ne!(fitted["temperature"]["choice"], 0.2);

    // The file takes the place of the model's own rendering.
    let rendering = out.join("decide.json");
    let one = ticket("I was charged twice.").to_string();
    let calibrated = run(&["--rendering", rendering.to_str().unwrap(), "-"], &one);
    assert_ne!(good(&calibrated), good(&run(&["-"], &one)));

    assert_refused(&run(&["--calibrate", "-"], &one), "standard input: has no line with answers");
    let wrong = lines.replacen("\"support\"},\"questions\"", "", 1).replacen(
        "\"team\":\"support\"",
        "\"team\":\"nobody\"",
        1,
    );
    assert_refused(
        &run(&["--calibrate", "-"], &wrong),
        "answers.team: is \"nobody\", which is none of billing, support",
    );
}

#[test]
fn a_folders_own_rendering_is_used_and_goes_along_when_it_is_converted() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    let mini = mini::folder();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(mini.join(name), model.join(name)).unwrap();
    }
    let one = ticket("I was charged twice.").to_string();
    let path = model.to_str().unwrap();
    let by_default = good(&run(&["--model", path, "-"], &one)).to_owned();
    fs::write(model.join("decide.json"), r#"{ "temperature": 7.5 }"#).unwrap();
    let own = good(&run(&["--model", path, "-"], &one)).to_owned();
    assert_ne!(own, by_default);

    let converted = folder.path().join("q8");
    let status = Command::new(env!("CARGO_BIN_EXE_cappy"))
        .args(["convert", path, converted.to_str().unwrap(), "--dtype", "q8"])
        .status()
        .unwrap();
    assert!(status.success());
    assert!(converted.join("decide.json").exists());

    fs::write(model.join("decide.json"), r#"{ "temperature": -1 }"#).unwrap();
    let refused = run(&["--model", path, "-"], &one);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("decide.json: temperature: is not a number above 0"), "{said}");
}
