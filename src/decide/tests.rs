//! Decisions as a whole: what is refused, what is asked of the model, and what comes out.

use std::ops::ControlFlow;

use super::*;
use crate::{LoadOptions, ModelSource};

const TICKET: &str = r#"{
    "state": { "message": "I was charged twice {option}.", "channel": "web" },
    "questions": {
        "team": { "type": "choice", "instructions": "Which team?",
                  "criteria": { "billing": "Payments", "support": null, "sales": null } },
        "urgency": { "type": "score", "instructions": "How urgent?", "criteria": ["Low", null, "High"] },
        "refund": { "type": "boolean", "instructions": "Is a refund asked for?" },
        "angry": { "type": "boolean", "criteria": { "true": "The writer is angry" } }
    }
}"#;

fn config(labels: &str, model_type: (&str, &str)) -> Config {
    let json = format!(
        r#"{{ "architectures": ["{}ForSequenceClassification"], "model_type": "{}",
            "vocab_size": 8, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 96, "hidden_act": "gelu", "max_position_embeddings": 12,
            "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1, "id2label": {labels} }}"#,
        model_type.0, model_type.1
    );
    Config::from_json("config.json", json.as_bytes()).unwrap()
}

fn cappy() -> Config {
    config(r#"{ "0": "LABEL_0" }"#, ("Roberta", "roberta"))
}

fn plan(json: &str, config: &Config) -> Result<Plan> {
    Plan::new(&Decision::from_json(json)?, &Rendering::of(config), config)
}

fn question(json: &str) -> String {
    format!(r#"{{ "state": "s", "questions": {{ "q": {json} }} }}"#)
}

#[test]
fn each_fault_of_a_decision_is_named() {
    for (json, expected) in [
        ("[]", "decision: is not a JSON object"),
        (r#"{"state": "#, "decision: is not JSON: EOF while parsing a value at column"),
        (r#"{"questions": {}}"#, "state: is missing"),
        (r#"{"state": ""}"#, "questions: are missing"),
        (r#"{"state": "", "questions": {}}"#, "questions: are none"),
        (
            r#"{"state": "", "questions": 5}"#,
            "decision: invalid type: integer `5`, expected an object",
        ),
        (
            &question(r#"{"type": "box"}"#),
            "decision: q: unknown variant `box`, expected one of `choice`",
        ),
        (&question(r#"{"instructions": "?"}"#), "decision: q: missing field `type`"),
        (&question(r#"{"type": "choice"}"#), "decision: q: missing field `criteria`"),
        (
            &question(r#"{"type": "choice", "criteria": {}}"#),
            "questions.q.criteria: has 0; a choice has 2 to 256 options",
        ),
        (
            &question(r#"{"type": "choice", "criteria": {"a": null, "a": null}}"#),
            "decision: q: duplicate field `a`",
        ),
        (
            &question(r#"{"type": "score", "criteria": ["only"]}"#),
            "questions.q.criteria: has 1; a score has 2 to 256 levels",
        ),
        (
            &question(r#"{"type": "boolean", "criteria": {"true": null}}"#),
            "questions.q.instructions: is missing, and criteria describes neither answer",
        ),
        (
            &question(r#"{"type": "boolean", "instructions": "?", "criterion": 1}"#),
            "decision: q: unknown field `criterion`",
        ),
    ] {
        let error = plan(json, &cappy()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{json}");
        assert!(error.to_string().starts_with(expected), "{json}: {error}");
    }
    let options: Vec<String> = (0..257).map(|i| format!(r#""{i}": null"#)).collect();
    let many = question(&format!(r#"{{"type": "choice", "criteria": {{{}}}}}"#, options.join(",")));
    assert!(plan(&many, &cappy()).unwrap_err().to_string().contains("has 257; a choice"));
}

/// The package's tests read the same file: pages must ask models in the same words.
#[test]
fn questions_become_pairs_by_the_rendering() {
    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        decision: question::Fields,
        pairs: Vec<(String, String)>,
    }
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../tests/fixtures/decide/pairs.json")).unwrap();
    assert!(cases.len() >= 3);
    for Case { name, decision, pairs } in cases {
        let decision = decision.decision().unwrap();
        let plan = Plan::new(&decision, &Rendering::default(), &cappy()).unwrap();
        assert_eq!(plan.pairs, pairs, "{name}");
    }
}

#[test]
fn labels_of_inference_make_statements_and_other_labels_are_refused() {
    let labels = r#"{ "0": "CONTRADICTION", "1": "NEUTRAL", "2": "ENTAILMENT" }"#;
    let nli = config(labels, ("Roberta", "roberta"));
    let json = question(r#"{"type": "boolean", "instructions": "Is it raining?"}"#);
    let plan_of_nli = plan(&json, &nli).unwrap();
    assert_eq!(plan_of_nli.pairs[0], ("s".to_owned(), "Is it raining? yes".to_owned()));
    let score = |logit| Score { logits: vec![9.0, 9.0, logit], tokens: 5, truncated: 2 };
    let decided = plan_of_nli.answers(&[score(1.0), score(-1.0)]);
    let Answer::Boolean { probability } = decided.answers[0].1 else { panic!("{decided:?}") };
    assert!((probability - 1.0 / (1.0 + (-2.0f64).exp())).abs() < 1e-9);
    assert_eq!(decided.truncated, 2);

    let other = config(r#"{ "0": "good", "1": "bad" }"#, ("Roberta", "roberta"));
    let error = plan(&json, &other).unwrap_err().to_string();
    assert!(error.starts_with("model: has the labels good, bad; decisions need"), "{error}");
}

#[test]
fn answers_are_what_the_contract_says() {
    let plan = plan(TICKET, &cappy()).unwrap();
    let logits = [0.9f32, 0.1, 0.1, 0.0, 0.0, 0.4, 0.7, 0.2, 0.3, 0.3];
    let scores: Vec<Score> =
        logits.iter().map(|l| Score { logits: vec![*l], tokens: 9, truncated: 0 }).collect();
    let json = serde_json::to_value(plan.answers(&scores)).unwrap();
    let p = probabilities(&logits[3..6], 0.2);
    assert_eq!(json["answers"]["team"]["type"], "choice");
    assert_eq!(json["answers"]["team"]["choice"], "billing");
    assert_eq!(json["answers"]["urgency"]["score"], p[1] + 2.0 * p[2]);
    assert_eq!(json["answers"]["urgency"]["probabilities"]["2"], p[2]);
    assert_eq!(json["answers"]["refund"]["probability"], probabilities(&logits[6..8], 0.2)[0]);
    assert_eq!(json["answers"]["angry"]["probability"], 0.5);
    assert_eq!(json["truncated"], 0);
}

#[test]
fn known_answers_are_found_among_the_options() {
    let plan = plan(TICKET, &cappy()).unwrap();
    let right = |json: &str| plan.right(&serde_json::from_str(json).unwrap());
    let known = right(r#"{"refund": false, "team": "support", "urgency": 2}"#).unwrap();
    assert_eq!(known, [Some(1), Some(2), Some(1), None]);
    for (json, expected) in [
        (r#"{"colour": "red"}"#, "answers.colour: is no question"),
        (
            r#"{"team": "nobody"}"#,
            "answers.team: is \"nobody\", which is none of billing, support, sales",
        ),
        (r#"{"urgency": 3}"#, "answers.urgency: is 3, which is none of 0, 1, 2"),
        (r#"{"refund": "yes"}"#, "answers.refund: is \"yes\", which is none of true, false"),
    ] {
        assert_eq!(right(json).unwrap_err().to_string(), expected);
    }
}

#[test]
fn of_equal_options_the_first_by_name_is_chosen() {
    for criteria in [r#"{"b": null, "a": null}"#, r#"{"a": null, "b": null}"#] {
        let json = question(&format!(r#"{{"type": "choice", "criteria": {criteria}}}"#));
        let same = Score { logits: vec![0.5], tokens: 5, truncated: 0 };
        let decided = plan(&json, &cappy()).unwrap().answers(&[same.clone(), same]);
        let Answer::Choice { choice, .. } = &decided.answers[0].1 else { panic!("{decided:?}") };
        assert_eq!(choice, "a");
    }
}

#[test]
fn a_rendering_is_read_over_the_models_default_and_its_faults_are_named() {
    let read = |json: &str| Rendering::from_json(json.as_bytes(), &cappy());
    let warm = read(r#"{"temperature": 2}"#).unwrap();
    assert_eq!(warm, Rendering { temperature: 2.0.into(), ..Rendering::default() });
    let each = read(r#"{"temperature": {"boolean": 3, "choice": 1, "score": 2}}"#).unwrap();
    assert_eq!(each.temperature, Temperature { choice: 1.0, score: 2.0, boolean: 3.0 });
    let text = serde_json::to_string(&each).unwrap();
    assert_eq!(read(&text).unwrap(), each);
    for (json, expected) in [
        ("5", "decide.json: is not a JSON object"),
        (r#"{"temperature": 0}"#, "decide.json: temperature: is not a number above 0"),
        (
            r#"{"temperature": "warm"}"#,
            "decide.json: temperature: is neither a number nor an object",
        ),
        (
            r#"{"temperature": {"choice": 1, "score": 2}}"#,
            "decide.json: temperature: is neither a number nor an object",
        ),
        (
            r#"{"temperature": {"choice": 1, "score": -2, "boolean": 1}}"#,
            "decide.json: temperature: is not a number above 0",
        ),
        (r#"{"instruction": "x"}"#, "decide.json: instruction: has no {state}"),
        (r#"{"instruction": "{state}"}"#, "decide.json: instruction: has no {question}"),
        (r#"{"response": "x"}"#, "decide.json: response: has no {option}"),
        (r#"{"described": "{name}"}"#, "decide.json: described: lacks"),
        (r#"{"yes": "no"}"#, "decide.json: yes: is the same as no"),
        (r#"{"instructions": ""}"#, "decide.json: unknown field `instructions`"),
    ] {
        let error = read(json).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{json}: {error}");
    }
}

#[test]
fn the_order_of_options_and_questions_changes_no_bit() {
    pollster::block_on(async {
        let scorer = Scorer::load(ModelSource::Embedded, LoadOptions::default()).await.unwrap();
        let forward = Decision::from_json(TICKET).unwrap();
        let mut backward = forward.clone();
        backward.questions.reverse();
        for (_, question) in &mut backward.questions {
            if let Question::Choice { criteria, .. } = question {
                criteria.reverse();
            }
        }
        let one = scorer.decide(&forward, None).await.unwrap();
        let other = scorer.decide(&backward, None).await.unwrap();
        for (name, answer) in &one.answers {
            let (_, again) = other.answers.iter().find(|(other, _)| other == name).unwrap();
            match (answer, again) {
                (
                    Answer::Choice { choice, probabilities },
                    Answer::Choice { choice: again, probabilities: reversed },
                ) => {
                    assert_eq!(choice, again);
                    let mut reversed = reversed.clone();
                    reversed.reverse();
                    assert_eq!(*probabilities, reversed);
                    let sum: f64 = probabilities.iter().map(|(_, p)| p).sum();
                    assert!((sum - 1.0).abs() < 1e-6);
                }
                (answer, again) => assert_eq!(answer, again),
            }
        }
        // In order, as they finish, and stopped when the caller has enough.
        let mut seen = Vec::new();
        let mut done = |name: &str, answer: &Answer| {
            seen.push((name.to_owned(), answer.clone()));
            if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let stopped = scorer.decide_each(&forward, None, &mut done).await.unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Aborted);
        assert_eq!(seen, one.answers[..2]);
    });
}

#[test]
fn a_long_state_is_cut_at_its_end_and_the_answer_says_so() {
    pollster::block_on(async {
        let scorer = Scorer::load(ModelSource::Embedded, LoadOptions::default()).await.unwrap();
        let decide = async |state: String| {
            let mut decision = Decision::from_json(TICKET).unwrap();
            decision.state = Content::Text(state);
            scorer.decide(&decision, None).await.unwrap()
        };
        let long = "word ".repeat(3000);
        let cut = decide(long.clone()).await;
        assert!(cut.truncated > 1000, "{}", cut.truncated);
        assert_eq!(cut.answers, decide(long + "and more").await.answers);
        assert_eq!(decide("short".into()).await.truncated, 0);
    });
}
