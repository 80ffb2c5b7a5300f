//! The arithmetic of both protocols against cases computed by hand, and scores kept in files.

use std::fs;

use super::{Options, PairScore, Questions, Report, ScoreFile};
use cappy::ErrorKind;

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-12, "{got}, expected {expected}");
}

fn scores(scores: &[f32]) -> Vec<PairScore> {
    scores.iter().map(|&score| PairScore { score, truncated: 0 }).collect()
}

fn report(questions: &Questions, by: &[f32]) -> Report {
    questions.report("by hand", &scores(by), &Options::default()).unwrap()
}

/// A line of promptsource_test.jsonl for the instruction `dataset template example`.
fn label_line(dataset: &str, template: &str, example: &str, response: &str, label: &str) -> String {
    let index = example.trim_matches('"');
    format!(
        r#"{{"dataset_name": "{dataset}", "template_name": "{template}", "example_idx": {example}, "instruction": "{dataset} {template} {index}", "response": "{response}", "label": {label}}}"#
    ) + "\n"
}

fn classification(lines: &[String]) -> Questions {
    Questions::read_classification([("c.jsonl", lines.concat().as_bytes())]).unwrap()
}

fn selection(lines: &str) -> Questions {
    Questions::read_selection([("some/task_validation.jsonl", lines.as_bytes())]).unwrap()
}

#[test]
fn accuracy_by_hand() {
    let questions = classification(&[
        // A question whose lines do not stand together, with a label in each notation.
        label_line("a", "t", "0", "yes", "1"),
        label_line("a", "u", "0", "no", "0"),
        label_line("a", "t", "0", "no", "0"),
        label_line("a", "u", "0", "yes", "1.0"),
        label_line("a", "t", "1", "yes", "false"),
        label_line("a", "t", "1", "no", "true"),
        // Two lines with the right text, and no number for an example.
        label_line("b", "t", "\"x\"", "east", "0"),
        label_line("b", "t", "\"x\"", "west", "1"),
        label_line("b", "t", "\"x\"", "north", "0"),
        label_line("b", "t", "\"x\"", "west", "0"),
        // Nothing is right.
        label_line("c", "t", "0", "yes", "0"),
    ]);
    assert_eq!(questions.len(), 4);
    // Questions come in the order of their first lines, candidates in that of theirs.
    let responses: Vec<&str> = questions.pairs().iter().map(|(_, response)| *response).collect();
    assert_eq!(responses, ["yes", "no", "no", "yes", "yes", "no", "east", "west", "north"]);
    // Right; a tie that goes to the earlier one, which is wrong; right; wrong.
    let report = report(&questions, &[0.9, 0.2, 0.5, 0.5, 0.1, 0.3, 0.8, 0.7, 0.1]);
    assert_eq!(report.measure, "accuracy");
    assert_eq!((report.questions, report.unlabelled, report.pairs), (4, 1, 9));
    let names: Vec<&str> = report.datasets.iter().map(|dataset| &*dataset.name).collect();
    assert_eq!(names, ["a", "b"]);
    close(report.datasets[0].values["scorer"], 2.0 / 3.0);
    close(report.datasets[1].values["scorer"], 0.0);
    close(report.means["scorer"], 1.0 / 3.0);
    // Half of two labels; two of the four lines.
    close(report.means["random"], 0.5);
    // "yes", "yes", "yes"; "north".
    close(report.means["longest"], 1.0 / 3.0);
    close(report.means["oracle"], 1.0);
    assert_eq!(report.methods, ["scorer", "random", "longest", "oracle"]);
    // Two wordings of one example are one unit of the bootstrap.
    assert_eq!((report.datasets[0].questions, report.datasets[0].examples), (3, 2));
    close(report.oracle.scorer, 1.0 / 3.0);
    assert_eq!(report.oracle.contested, 4);
}

/// A line with what other scorers gave it.
fn scored_line(example: &str, response: &str, label: &str, scores: &str) -> String {
    let line = label_line("a", "t", example, response, label);
    line.replace(r#", "label""#, &format!(r#", "scores": {scores}, "label""#))
}

#[test]
fn other_scorers_in_the_file_choose_as_well() {
    let questions = classification(&[
        scored_line("0", "yes", "1", r#"{"overlap": 0.2, "half": 1}"#),
        scored_line("0", "no", "0", r#"{"overlap": 0.1}"#),
        scored_line("1", "yes", "1", r#"{"overlap": 0.3, "half": 1}"#),
        scored_line("1", "no", "0", r#"{"overlap": 0.4, "half": 0}"#),
    ]);
    let report = report(&questions, &[0.0, 1.0, 0.0, 1.0]);
    // "half" has no score for one of the candidates, so nothing can be said of it.
    assert_eq!(report.methods, ["scorer", "overlap", "random", "longest", "oracle"]);
    close(report.means["overlap"], 0.5);
    close(report.means["scorer"], 0.0);
    let lead = report.differences.iter().find(|lead| lead.method == "overlap").unwrap();
    close(lead.difference, -0.5);
}

#[test]
fn scores_of_others_that_cannot_be_used_are_errors_that_name_them() {
    for (scores, says) in [
        (r#"{"overlap": "much"}"#, "line 1: scores.overlap is not a number"),
        ("[1]", "line 1: field 'scores' is not an object of numbers"),
        (r#"{"longest": 1}"#, "line 1: scores.longest has the name of another way of choosing"),
    ] {
        let lines = scored_line("0", "yes", "1", scores);
        let read = Questions::read_classification([("c.jsonl", lines.as_bytes())]);
        let error = read.err().unwrap();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Input, format!("c.jsonl: {says}"))
        );
    }
}

/// Four candidates, two of them alike, of Rouge-L 1, 0.5, 0.5 and 0.
const SAMPLES: &str = r#"{"dataset": "x", "instruction": "i", "references": ["red green", "blue"], "flan_samples": {
"z": [{"response": "red fox", "log_likelihood_sum": -9.0, "log_likelihood_mean": NaN}, {"response": "blue", "log_likelihood_sum": -4, "log_likelihood_mean": -4}],
"a": [{"response": "red fox", "log_likelihood_sum": -9.0, "log_likelihood_mean": -4.5}, {"response": "nothing like it", "log_likelihood_sum": -Infinity, "log_likelihood_mean": -1}]}}"#;

fn one_line(json: &str) -> String {
    json.replace('\n', " ") + "\n"
}

#[test]
fn rouge_l_by_hand() {
    let questions = selection(&one_line(SAMPLES));
    assert_eq!(questions.pairs(), [("i", "red fox"), ("i", "blue"), ("i", "nothing like it")]);
    let report = report(&questions, &[0.6, 0.4, 0.1]);
    assert_eq!(report.measure, "Rouge-L");
    assert_eq!(report.datasets[0].name, "x");
    // Decodings come in the order of the file.
    let methods = "scorer,z alone,a alone,self-score sum,self-score mean,random,longest,oracle";
    assert_eq!(report.methods.join(","), methods);
    let values = &report.datasets[0].values;
    for (method, value) in [
        ("scorer", 0.5),
        ("z alone", 0.5),
        ("a alone", 0.5),
        ("self-score sum", 1.0),
        // What is not a number is never the highest.
        ("self-score mean", 0.0),
        ("random", 0.5),
        ("longest", 0.0),
        ("oracle", 1.0),
    ] {
        close(values[method], value);
    }
    let lead = |method: &str| report.differences.iter().find(|d| d.method == method).unwrap();
    close(lead("self-score sum").difference, -0.5);
    // With one example every draw is the same.
    close(lead("self-score sum").low, -0.5);
    close(lead("longest").high, 0.5);
    close(report.oracle.scorer, 0.0);
    close(report.oracle.random, 0.25);
    // Candidates with the same text count once.
    let counts: Vec<usize> = report.calibration.iter().map(|bin| bin.candidates).collect();
    assert_eq!(counts, [0, 1, 0, 0, 1, 0, 1, 0, 0, 0]);
}

#[test]
fn baselines_that_a_file_does_not_allow_are_left_out() {
    let bare = r#"{"instruction": "j", "references": ["one"], "samples": {"z": ["one", "two"]}}"#;
    let questions = selection(&(one_line(SAMPLES) + bare + "\n"));
    let report = report(&questions, &[0.1, 0.2, 0.3, 0.9, 0.8]);
    let names: Vec<&str> = report.datasets.iter().map(|dataset| &*dataset.name).collect();
    assert_eq!(names, ["x", "task_validation"]);
    assert_eq!(report.methods.join(","), "scorer,z alone,random,longest,oracle");
    assert!(report.datasets[0].values.contains_key("self-score sum"));
    assert!(!report.datasets[1].values.contains_key("self-score sum"));
    close(report.means["scorer"], 0.5);
    close(report.means["z alone"], 0.75);
    assert_eq!(report.differences.len(), 4);
}

#[test]
fn equal_candidates_are_not_contested() {
    let alike = r#"{"instruction": "j", "references": ["one"], "samples": {"z": ["no", "two"]}}"#;
    let report = report(&selection(&format!("{alike}\n")), &[0.9, 0.8]);
    close(report.oracle.scorer, 1.0);
    assert_eq!(report.oracle.contested, 0);
    assert_eq!(report.oracle.scorer_contested, None);
    assert!(report.table().contains("as good as the oracle: 100.0%"), "{}", report.table());
    for (name, svg) in report.plots() {
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: {svg}");
    }
}

#[test]
fn reports_repeat_to_the_bit() {
    let lines: Vec<String> = (0..30)
        .flat_map(|i| {
            let line = |text: &str, right: bool| {
                label_line("a", "t", &i.to_string(), text, &u8::from(right).to_string())
            };
            [line("yes", i % 3 == 0), line("no", i % 3 != 0)]
        })
        .collect();
    let questions = classification(&lines);
    let by: Vec<f32> = (0..60).map(|i| (i as f32 * 1.7).sin()).collect();
    let of = |seed| {
        let options = Options { seed, resamples: 300 };
        questions.report("m", &scores(&by), &options).unwrap()
    };
    assert_eq!(serde_json::to_string(&of(5)).unwrap(), serde_json::to_string(&of(5)).unwrap());
    assert_ne!(of(5).differences, of(6).differences);
    for lead in of(5).differences {
        assert!(lead.low <= lead.difference && lead.difference <= lead.high, "{lead:?}");
    }
}

#[test]
fn broken_lines_are_named() {
    let good = label_line("a", "t", "0", "yes", "1");
    for (line, what) in [
        ("{}", "field 'dataset_name' is missing"),
        (&*good.replace("\"yes\"", "5"), "field 'response' is not a string"),
        (
            &*good.replace("\"example_idx\": 0", "\"example_idx\": [0]"),
            "field 'example_idx' is not",
        ),
        (&*good.replace("\"label\": 1", "\"label\": \"1\""), "field 'label' is not a number"),
        (&*good.replace("\"label\"", "\"labels\""), "field 'label' is missing"),
        ("[]", "is not a JSON object"),
        ("", "is empty"),
    ] {
        let text = format!("{good}{line}\n{good}");
        let said = Questions::read_classification([("c.jsonl", text.as_bytes())]).err().unwrap();
        let said = said.to_string();
        assert!(said.starts_with(&format!("c.jsonl: line 2: {what}")), "{line}: {said}");
    }
    let good = one_line(SAMPLES);
    for (line, what) in [
        ("{}", "field 'instruction' is missing"),
        (
            &*good.replace("[\"red green\", \"blue\"]", "\"red\""),
            "field 'references' is not a list",
        ),
        (&*good.replace("[\"red green\", \"blue\"]", "[]"), "field 'references' is empty"),
        (&*good.replace("\"blue\"]", "7]"), "field 'references' is not a list of strings"),
        (&*good.replace("flan_samples", "gens"), "field 'flan_samples' is missing"),
        (r#"{"instruction": "i", "references": ["r"], "samples": []}"#, "invalid type: sequence"),
        (r#"{"instruction": "i", "references": ["r"], "samples": {"z": []}}"#, "has no samples"),
        (r#"{"instruction": "i", "references": ["r"], "samples": {"z": 1}}"#, "the samples of 'z'"),
        (
            r#"{"instruction": "i", "references": ["r"], "samples": {"z": ["a", {"text": "b"}]}}"#,
            "'z'[1]: field 'response' is missing",
        ),
        (
            &*good.replace("\"log_likelihood_sum\": -4,", "\"log_likelihood_sum\": \"-4\","),
            "'z'[1]: field 'log_",
        ),
    ] {
        let text = format!("{good}{line}\n");
        let said = Questions::read_selection([("s.jsonl", text.trim_end().as_bytes())]).err();
        let said = said.unwrap_or_else(|| panic!("{line}")).to_string();
        assert!(said.starts_with(&format!("s.jsonl: line 2: {what}")), "{line}: {said}");
    }
}

#[test]
fn files_with_nothing_to_ask_are_refused() {
    let nothing = Questions::read_selection([("s.jsonl", &b""[..])]).err().unwrap();
    assert_eq!(nothing.to_string(), "s.jsonl: has no lines");
    let unlabelled = label_line("a", "t", "0", "yes", "0");
    let nothing = Questions::read_classification([("c.jsonl", unlabelled.as_bytes())]).err();
    assert_eq!(nothing.unwrap().to_string(), "c.jsonl: no line has the label 1");
    let questions = classification(&[label_line("a", "t", "0", "yes", "1")]);
    let error = questions.report("m", &[], &Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "scores: 0 for 1 pairs");
}

#[test]
fn scores_are_kept_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.txt");
    let questions = selection(&one_line(SAMPLES));
    let all = [0.1f32, -1.0e-7, f32::MAX].map(|score| PairScore { score, truncated: 3 });
    let (mut file, kept) = ScoreFile::open(&path, "m", &questions).unwrap();
    assert_eq!(kept, []);
    file.add(&all[..2]).unwrap();
    drop(file);

    let (mut file, kept) = ScoreFile::open(&path, "m", &questions).unwrap();
    assert_eq!(kept, all[..2]);
    file.add(&all[2..]).unwrap();
    drop(file);
    assert_eq!(ScoreFile::open(&path, "m", &questions).unwrap().1, all);

    // Whatever part of the file a killed run has written, whole lines of it count.
    let whole = fs::read(&path).unwrap();
    for bytes in 0..=whole.len() {
        fs::write(&path, &whole[..bytes]).unwrap();
        let lines = whole[..bytes].iter().filter(|byte| **byte == b'\n').count();
        let (mut file, kept) = ScoreFile::open(&path, "m", &questions).unwrap();
        assert_eq!(kept, all[..lines.saturating_sub(1)]);
        file.add(&all[kept.len()..]).unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), whole, "after {bytes} bytes");
    }
}

#[test]
fn scores_of_something_else_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.txt");
    let questions = selection(&one_line(SAMPLES));
    ScoreFile::open(&path, "m", &questions).unwrap().0.add(&scores(&[0.5])).unwrap();
    let ours = fs::read_to_string(&path).unwrap();
    let refused = |model: &str, questions: &Questions, what: &str| {
        let before = fs::read(&path).unwrap();
        let error = ScoreFile::open(&path, model, questions).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.at_fault().ends_with("scores.txt"), "{error}");
        assert!(error.what().contains(what), "{what}: {error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    };
    refused("other", &questions, "has scores of the model m, not of other");
    let moved = selection(&one_line(&SAMPLES.replace("red fox", "redfox")));
    refused("m", &moved, "has scores of other input");
    for (text, what) in [
        (ours.replace(":1,", ":2,"), "another version"),
        (ours.replace("0.5 0", "NaN 0"), "line 2 is no score"),
        (ours.replace("0.5 0", "0.5"), "line 2 is no score"),
        (ours.clone() + &"0.5 0\n".repeat(3), "line 5 is no score"),
        ("my notes\n".into(), "is no file of scores"),
        ("my notes".into(), "is no file of scores"),
    ] {
        fs::write(&path, text).unwrap();
        refused("m", &questions, what);
    }
}
