//! Scoring a file that many processes share, or that takes longer than a process lives: the real binary on
//! cappy-mini.

#[path = "../../../tests/mini/mod.rs"]
mod mini;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

fn score(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cappy"));
    command.args(["score", "--device", "cpu"]).args(mini::unless_named(&["score"])).args(arguments);
    command.env("HF_HUB_OFFLINE", "1").env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run that reads `input`.
fn fed(arguments: &[&str], input: &str) -> Child {
    let mut child = score(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A run that ends early or is killed closes the pipe.
    std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    child
}

fn run(arguments: &[&str], input: &str) -> Output {
    fed(arguments, input).wait_with_output().unwrap()
}

fn good(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(what), "{what}: {said}");
}

/// Lines of different lengths.
fn lines(count: usize) -> String {
    let line = |i| {
        let more = "and again ".repeat(i % 7);
        let source = format!(r#"{{"file": "a.txt", "at": {i}.50}}"#);
        format!(
            "{{\"id\": {i}, \"instruction\": \"Say {more}\", \"source\": {source}, \"response\": \"It is {i}.\"}}\n"
        )
    };
    (0..count).map(line).collect()
}

#[test]
fn kept_fields_go_with_results_and_with_errors() {
    let input = format!("{}{}", lines(2), "{\"id\": \"third\", \"source\": [], \"response\": 5}\n");
    let output = run(&["--keep", "source,id", "--keep-going"], &input);
    assert_eq!(output.status.code(), Some(1));
    let written = String::from_utf8(output.stdout).unwrap();
    let written: Vec<&str> = written.lines().collect();
    let plain = good(&run(&[], &lines(2)));
    for (place, result) in plain.lines().enumerate() {
        let kept = format!("{{\"source\":{{\"file\":\"a.txt\",\"at\":{place}.50}},\"id\":{place},");
        assert_eq!(written[place], format!("{kept}{}", &result[1..]));
    }
    assert_eq!(
        written[2],
        r#"{"source":[],"id":"third","error":"line 3: field 'instruction' is missing"}"#
    );
    refused(&run(&["--keep", "id,nothing"], &lines(1)), "line 1: field 'nothing' is missing");
    refused(&run(&["--keep", "id,score"], ""), "'score' is the name of a field that cappy writes");
    refused(&run(&["--keep", "id,id"], ""), "'id' stands there twice");
}

#[test]
fn shards_score_each_line_once_and_name_lines_by_their_place_in_the_whole() {
    let input = lines(20) + "nonsense\n";
    let whole = run(&["--keep", "id", "--keep-going"], &input);
    let whole = String::from_utf8(whole.stdout).unwrap();
    let mut shards = ["1/3", "2/3", "3/3"].map(|shard| {
        let output = run(&["--keep", "id", "--keep-going", "--shard", shard], &input);
        // Only the shard that has the bad line says so.
        assert_eq!(output.status.code(), Some(i32::from(shard == "3/3")));
        let written = String::from_utf8(output.stdout).unwrap();
        written.lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
    });
    for (place, line) in whole.lines().enumerate() {
        assert_eq!(shards[place % 3].next().as_deref(), Some(line));
    }
    assert!(shards.iter_mut().all(|rest| rest.next().is_none()));
    assert!(whole.lines().last().unwrap().contains("line 21: "));
    refused(&run(&["--shard", "0/3"], ""), "is not I/N");
    refused(&run(&["--shard", "4/3"], ""), "is not I/N");
}

/// Waits until a run has written so many lines, and kills it.
fn kill_after(mut child: Child, out: &Path, lines: usize) {
    let start = Instant::now();
    while fs::read_to_string(out).map_or(0, |text| text.lines().count()) < lines {
        assert!(start.elapsed() < Duration::from_secs(120), "it has not written {lines} lines");
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_run_that_was_killed_goes_on_with_no_line_twice_or_missing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    let path = out.to_str().unwrap();
    // Far more lines than a run can write before it is seen and killed.
    let input = lines(4000) + "{\"id\": 4000}\n";
    let arguments = ["--keep", "id", "--keep-going", "--shard", "1/2"];
    let expected = run(&arguments, &input);
    assert_eq!(expected.status.code(), Some(1));

    let resumed = [&arguments[..], &["--out", path, "--resume"]].concat();
    let mut before = 0;
    for (wanted, half) in [(1, "{\"id\": 1, \"sco"), (500, ""), (1000, "{\"id\":0,\"score\":0.5}")]
    {
        kill_after(fed(&resumed, &input), &out, wanted);
        let written = fs::read_to_string(&out).unwrap();
        let count = written.lines().count();
        assert!(before < count && count < 2001, "killed after {count} lines");
        before = count;
        // What a kill in the middle of writing leaves, or a full disk.
        fs::write(&out, written + half).unwrap();
    }
    let last = run(&resumed, &input);
    assert_eq!((last.status.code(), &*last.stdout), (Some(1), &b""[..]));
    assert!(fs::read(&out).unwrap() == expected.stdout, "it differs from a run in one go");

    // Once more changes nothing, and the bad line from before still counts.
    assert_eq!(run(&resumed, &input).status.code(), Some(1));
    assert!(fs::read(&out).unwrap() == expected.stdout, "a run that was done wrote something");
}

#[test]
fn results_are_not_mixed_with_those_of_another_input() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    let path = out.to_str().unwrap();
    let keeping = ["--keep", "id", "--out", path];
    good(&run(&keeping, &lines(5)));
    let written = fs::read_to_string(&out).unwrap();
    let first: Value = serde_json::from_str(written.lines().next().unwrap()).unwrap();
    assert!(first["id"] == 0 && first["score"].is_f64(), "{first}");

    refused(&run(&keeping, &lines(5)), "is there already; --resume goes on with it");
    let resumed = [&keeping[..], &["--resume"]].concat();
    refused(&run(&resumed, &lines(4)), "they are of another input");
    let other: String = lines(9).lines().skip(3).map(|line| format!("{line}\n")).collect();
    refused(&run(&resumed, &other), "line 5: its results there are of a line with other fields");
    refused(&run(&["--resume"], ""), "--out");
    assert_eq!(fs::read_to_string(&out).unwrap(), written);
    good(&run(&resumed, &lines(6)));
    let more = fs::read_to_string(&out).unwrap();
    assert!(more.starts_with(&written) && more.lines().count() == 6);
}
