//! `cappy eval` on cappy-mini: both published layouts, and runs that are killed.

#[path = "../../../tests/mini/mod.rs"]
mod mini;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The binary with no network and no settings of this machine.
fn cappy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cappy"));
    command.arg("eval").args(arguments).args(mini::unless_named(arguments));
    command.arg("--device=gpu").stdin(Stdio::null());
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", "no-such-folder");
    // What these runs remember of the adapter is not to be found by the user's own.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run(arguments: &[&str]) -> Output {
    cappy(arguments).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Standard output of a run that ended well, and whose standard error is `note`.
fn good<'a>(output: &'a Output, note: &str) -> &'a str {
    let stdout = std::str::from_utf8(&output.stdout).unwrap();
    assert_eq!((output.status.code(), stderr(output)), (Some(0), note), "{stdout}");
    stdout
}

/// Asserts that the run was refused in one line with `what`.
fn assert_refused(output: &Output, what: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "{said}");
    assert!(said.contains(what), "{what}: {said}");
}

fn fixture(path: &str) -> String {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .join("tests/fixtures/eval")
        .join(path)
        .display()
        .to_string()
}

fn labels() -> String {
    fixture("promptsource_test.jsonl")
}

fn generations(task: &str) -> String {
    fixture(&format!("bigbench_flan_gens/made-up/{task}_validation.jsonl"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let name = |item: &Value| item[field].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn the_layout_of_promptsource_is_read() {
    let report = json(good(&run(&["classification", "--json", &labels()]), ""));
    assert_eq!(names(&report["datasets"], "name"), ["sentiment", "feelings", "entailment"]);
    for (field, value) in [("questions", 120), ("pairs", 360), ("unlabelled", 0), ("truncated", 0)]
    {
        assert_eq!(report[field], value, "{field}");
    }
    assert_eq!(report["datasets"][0]["examples"], 20);
    // One right label of two, of five, of two.
    let random = report["means"]["random"].as_f64().unwrap();
    assert!((random - (0.5 + 0.2 + 0.5) / 3.0).abs() <= 1e-12, "{random}");
    // It was trained on these families; a scorer that is read wrongly is at a third.
    assert!(report["means"]["scorer"].as_f64().unwrap() > 0.8, "{report}");
    let lead = &report["differences"][0];
    assert_eq!(lead["method"], "random");
    assert!(lead["low"].as_f64().unwrap() > 0.2, "{lead}");
}

#[test]
fn the_layout_of_the_generations_is_read_and_results_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new").join("out");
    let files = [generations("summary"), generations("paraphrase")];
    let output =
        run(&["selection", &files[0], "--out", out.to_str().unwrap(), &files[1], "--seed", "7"]);
    let table = good(&output, "");
    let model = mini::folder();
    let title = format!("Rouge-L in percent, of {}: 40 questions, 2 ", model.display());
    assert!(table.starts_with(&title), "{table}");
    assert_eq!(fs::read_to_string(out.join("results.txt")).unwrap(), table);

    let report = json(&fs::read_to_string(out.join("results.json")).unwrap());
    let methods: Vec<&str> =
        report["methods"].as_array().unwrap().iter().map(|m| m.as_str().unwrap()).collect();
    assert_eq!(
        methods.join(","),
        "scorer,beam4 alone,sampling alone,temp0.9 alone,topk40 alone,topp0.95 alone,\
         self-score sum,self-score mean,random,longest,oracle"
    );
    let mean = |method: &str| report["means"][method].as_f64().unwrap();
    assert!(mean("scorer") > mean("random") && mean("scorer") <= mean("oracle"), "{table}");
    assert_eq!(names(&report["differences"], "method"), methods[1..]);
    assert_eq!(report["calibration"].as_array().unwrap().len(), 10);
    assert_eq!(report["seed"], 7);
    for plot in ["means.svg", "leads.svg", "oracle.svg", "calibration.svg"] {
        let svg = fs::read_to_string(out.join(plot)).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("prefers-color-scheme: dark"), "{plot}");
    }
}

/// The files of a run that is killed once it has kept scores, but not all of `pairs`.
fn killed(arguments: &[&str], scores: &Path, pairs: usize) -> usize {
    for _ in 0..5 {
        let _ = fs::remove_file(scores);
        let mut child =
            cappy(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let kept = || fs::read_to_string(scores).unwrap_or_default().lines().count();
        while kept() < 2 && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let kept = kept() - 1;
        if (1..pairs).contains(&kept) {
            return kept;
        }
    }
    panic!("no run could be killed halfway");
}

#[test]
fn a_killed_run_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (broken, whole) = (folder.path().join("broken"), folder.path().join("whole"));
    let tasks = ["summary", "paraphrase", "what_did_they_do"].map(generations);
    let with = |out: &PathBuf| {
        // Measuring on a busy machine may find other kernels fastest, which round differently.
        let fixed = ["selection", "--kernel", "lanes", "--out"].map(str::to_owned);
        let mut arguments = fixed.to_vec();
        arguments.push(out.display().to_string());
        arguments.extend(tasks.clone());
        arguments
    };
    let (of_broken, of_whole) = (with(&broken), with(&whole));
    let of_broken: Vec<&str> = of_broken.iter().map(String::as_str).collect();
    let of_whole: Vec<&str> = of_whole.iter().map(String::as_str).collect();

    let table = run(&of_whole);
    let table = good(&table, "");
    let scores = broken.join("scores.txt");
    let all = fs::read_to_string(whole.join("scores.txt")).unwrap();
    let pairs = all.lines().count() - 1;
    let kept = killed(&of_broken, &scores, pairs);
    // A line that was cut short, as when the machine went down.
    let mut torn = fs::read_to_string(&scores).unwrap();
    torn.push_str("0.12");
    fs::write(&scores, &torn).unwrap();

    let note = format!("note: {kept} of {pairs} pairs were scored by an earlier run\n");
    assert_eq!(good(&run(&of_broken), &note), table);
    for file in ["scores.txt", "results.json", "means.svg"] {
        let [broken, whole] = [&broken, &whole].map(|out| fs::read(out.join(file)).unwrap());
        assert_eq!(broken, whole, "{file}");
    }

    // Other input is refused, unless what is there is to be thrown away.
    let out = broken.to_str().unwrap();
    let other = ["classification", "--out", out, &labels()];
    assert_refused(&run(&other), "scores.txt: has scores of other input");
    good(&run(&[&other[..], &["--restart"]].concat()), "");
}

#[test]
fn another_model_is_refused_by_its_name_and_by_its_scores() {
    let folder = tempfile::tempdir().unwrap();
    let [model, out] = ["model", "out"].map(|name| folder.path().join(name));
    fs::create_dir(&model).unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(mini::folder().join(file), model.join(file)).unwrap();
    }
    let (model_name, out, file) =
        (model.to_str().unwrap(), out.to_str().unwrap(), generations("summary"));
    let with = ["selection", "--out", out, &file, "--model", model_name];
    good(&run(&with), "");
    let other = format!("not of {}", mini::folder().display());
    assert_refused(&run(&with[..4]), &other);

    // The same folder with something else in it.
    let config = fs::read_to_string(model.join("config.json")).unwrap();
    let changed = config.replace("\"layer_norm_eps\": 1e-05", "\"layer_norm_eps\": 0.1");
    assert_ne!(changed, config);
    fs::write(model.join("config.json"), changed).unwrap();
    let output = run(&with);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).ends_with("that was another model\n"), "{}", stderr(&output));
}

#[test]
fn what_is_broken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.jsonl");
    let path_name = path.to_str().unwrap();
    let lines = fs::read_to_string(labels()).unwrap();
    fs::write(&path, lines.replacen("\"label\": 1", "\"label\": one", 1)).unwrap();
    let said = format!("{path_name}: line 2: is not JSON: ");
    assert_refused(&run(&["classification", &labels(), path_name]), &said);
    assert_refused(&run(&["selection", &labels()]), "line 1: field 'references' is missing");
    assert_refused(&run(&["classification", "no-such-file"]), "no-such-file: No such file");
    fs::write(&path, "").unwrap();
    assert_refused(&run(&["selection", path_name]), "broken.jsonl: has no lines");
}
