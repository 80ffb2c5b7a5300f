//! What came out, as data.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::bootstrap::{Unit, intervals};
use super::questions::{Method, Protocol, Question, Questions};
use super::{Bin, Options, PairScore, calibration};
use cappy::{Error, ErrorKind, Result};

/// Values that differ by less are the same: sums in another order.
const SAME: f64 = 1e-12;

/// What choosing by score is worth, beside other ways of choosing. All values are 0 to 1; means of
/// datasets count each dataset once.
///
/// The methods are `scorer`; `X alone`, the first sample of decoding X; `self-score sum` and
/// `self-score mean`, the candidate that the language model itself found likeliest; `random`, the
/// mean of all candidates; `longest`, by characters; `oracle`, the best there is; and the names of
/// other scorers whose scores a file has. A method is
/// missing where a file does not allow it. Ties go to the earlier candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which way of asking.
    pub protocol: Protocol,
    /// What values are: `accuracy` or `Rouge-L`.
    pub measure: String,
    /// The model that was asked.
    pub model: String,
    /// Questions that were asked.
    pub questions: usize,
    /// Questions left out because no line has the right answer.
    pub unlabelled: usize,
    /// Different pairs of instruction and candidate.
    pub pairs: usize,
    /// Those that are longer than the model reads and were cut.
    pub truncated: usize,
    /// The names of all methods, in the order in which tables have them.
    pub methods: Vec<String>,
    /// For each method the mean of datasets, where all datasets allow it.
    pub means: BTreeMap<String, f64>,
    /// The scorer against each of the others.
    pub differences: Vec<Difference>,
    /// How often the scorer chooses as well as the oracle, mean of datasets.
    pub oracle: Agreement,
    /// Mean score against mean worth of the different candidates of each question, in ten bins.
    pub calibration: Vec<Bin>,
    /// The mean distance between the two, each bin counted by its candidates.
    pub calibration_error: f64,
    /// What the bootstrap started from.
    pub seed: u64,
    /// How often it drew.
    pub resamples: usize,
    /// Each dataset, in the order of the files.
    pub datasets: Vec<DatasetReport>,
}

/// The scorer's mean less a baseline's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The baseline.
    pub method: String,
    /// The scorer's mean less its.
    pub difference: f64,
    /// The paired bootstrap's 95% interval: where it begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

/// How often a choice is worth as much as the best candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// The scorer's choice, as a share of questions.
    pub scorer: f64,
    /// A random choice.
    pub random: f64,
    /// Questions whose candidates are not all worth the same.
    pub contested: usize,
    /// The scorer's choice on these; `None` without any.
    pub scorer_contested: Option<f64>,
    /// A random choice on these.
    pub random_contested: Option<f64>,
}

/// One dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetReport {
    /// Its name.
    pub name: String,
    /// Its questions: for classification each wording of each example counts.
    pub questions: usize,
    /// Its examples, which the bootstrap draws.
    pub examples: usize,
    /// For each method the mean of its choices' worth.
    pub values: BTreeMap<String, f64>,
    /// How often the scorer chooses as well as the oracle.
    pub oracle: Agreement,
}

impl Questions {
    /// What `scores`, those of [`Questions::pairs`], choose. `model` is named in the report.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when there are not as many scores as pairs.
    pub fn report(&self, model: &str, scores: &[PairScore], options: &Options) -> Result<Report> {
        if scores.len() != self.pairs.texts.len() {
            let why = format!("{} for {} pairs", scores.len(), self.pairs.texts.len());
            return Err(Error::new(ErrorKind::Input, "scores", why));
        }
        let asked = Asked { questions: self, scores, methods: self.methods() };
        // Names stay where a file's only questions have no right answer; such datasets do not.
        let all = 0..self.datasets.list.len();
        let of_each = all.map(|dataset| asked.of(dataset)).filter(|of| !of.is_empty());
        let of_each: Vec<Vec<&Question>> = of_each.collect();
        let datasets: Vec<DatasetReport> =
            of_each.iter().map(|questions| asked.dataset(questions)).collect();

        let names: Vec<String> = asked.methods.iter().map(|m| self.name(*m)).collect();
        let mean_of = |name: &String| {
            let values = datasets.iter().map(|dataset| dataset.values.get(name).copied());
            Some((name.clone(), mean(values.collect::<Option<Vec<_>>>()?)?))
        };
        let means: BTreeMap<String, f64> = names.iter().filter_map(mean_of).collect();
        let calibration = calibration::bins(asked.candidates().into_iter());
        Ok(Report {
            protocol: self.protocol,
            measure: self.protocol.measure().into(),
            model: model.into(),
            questions: self.questions.len(),
            unlabelled: self.unlabelled,
            pairs: scores.len(),
            truncated: scores.iter().filter(|score| score.truncated > 0).count(),
            differences: asked.differences(&of_each, &means, options),
            methods: names.into_iter().filter(|name| means.contains_key(name)).collect(),
            means,
            oracle: mean_agreement(&datasets),
            calibration_error: calibration::error(&calibration),
            calibration,
            seed: options.seed,
            resamples: options.resamples,
            datasets,
        })
    }
}

/// Questions with their scores.
struct Asked<'a> {
    questions: &'a Questions,
    scores: &'a [PairScore],
    methods: Vec<Method>,
}

impl<'a> Asked<'a> {
    fn of(&self, dataset: usize) -> Vec<&'a Question> {
        self.questions.questions.iter().filter(|question| question.dataset == dataset).collect()
    }

    fn value(&self, question: &Question, method: Method) -> Option<f64> {
        question.value(method, |pair| self.scores[pair].score)
    }

    /// `questions` are all those of one dataset, at least one.
    fn dataset(&self, questions: &[&Question]) -> DatasetReport {
        let mut values = BTreeMap::new();
        for method in &self.methods {
            let of_all = questions.iter().map(|question| self.value(question, *method));
            if let Some(value) = of_all.collect::<Option<Vec<_>>>().and_then(mean) {
                values.insert(self.questions.name(*method), value);
            }
        }
        let examples: HashSet<usize> = questions.iter().map(|question| question.example).collect();
        DatasetReport {
            name: self.questions.datasets.list[questions[0].dataset].clone(),
            questions: questions.len(),
            examples: examples.len(),
            values,
            oracle: self.agreement(questions),
        }
    }

    fn agreement(&self, questions: &[&Question]) -> Agreement {
        let mut all = Vec::new();
        let mut contested = Vec::new();
        for question in questions {
            let best = self.value(question, Method::Oracle).unwrap_or_default();
            let is_best = |value: f64| value >= best - SAME;
            let count = question.candidates.iter().filter(|c| is_best(c.value)).count();
            let chosen = self.value(question, Method::Scorer).is_some_and(is_best);
            let pair =
                (f64::from(u8::from(chosen)), count as f64 / question.candidates.len() as f64);
            all.push(pair);
            if count < question.candidates.len() {
                contested.push(pair);
            }
        }
        let scorer = |pairs: &[(f64, f64)]| mean(pairs.iter().map(|pair| pair.0).collect());
        let random = |pairs: &[(f64, f64)]| mean(pairs.iter().map(|pair| pair.1).collect());
        Agreement {
            scorer: scorer(&all).unwrap_or_default(),
            random: random(&all).unwrap_or_default(),
            contested: contested.len(),
            scorer_contested: scorer(&contested),
            random_contested: random(&contested),
        }
    }

    /// Score and worth of each question's different candidates.
    fn candidates(&self) -> Vec<(f64, f64)> {
        let mut all = Vec::new();
        for question in &self.questions.questions {
            let mut seen = HashSet::new();
            let different = question.candidates.iter().filter(|c| seen.insert(c.pair));
            all.extend(different.map(|c| (f64::from(self.scores[c.pair].score), c.value)));
        }
        all
    }

    fn differences(
        &self,
        of_each: &[Vec<&Question>],
        means: &BTreeMap<String, f64>,
        options: &Options,
    ) -> Vec<Difference> {
        let named = self.methods[1..].iter().map(|method| (*method, self.questions.name(*method)));
        let baselines: Vec<(Method, String)> =
            named.filter(|(_, name)| means.contains_key(name)).collect();
        let units: Vec<Vec<Unit>> =
            of_each.iter().map(|questions| self.units(questions, &baselines)).collect();
        let scorer = means.get("scorer").copied().unwrap_or_default();
        let intervals = intervals(&units, baselines.len(), options);
        let one = |((_, method), (low, high)): ((Method, String), (f64, f64))| Difference {
            difference: scorer - means[&method],
            method,
            low,
            high,
        };
        baselines.into_iter().zip(intervals).map(one).collect()
    }

    /// The scorer's lead over each baseline, by example.
    fn units(&self, questions: &[&Question], baselines: &[(Method, String)]) -> Vec<Unit> {
        let mut units: BTreeMap<usize, Unit> = BTreeMap::new();
        for question in questions {
            let unit = units.entry(question.example).or_default();
            unit.questions += 1;
            unit.leads.resize(baselines.len(), 0.0);
            let scorer = self.value(question, Method::Scorer).unwrap_or_default();
            for (lead, (method, _)) in unit.leads.iter_mut().zip(baselines) {
                *lead += scorer - self.value(question, *method).unwrap_or_default();
            }
        }
        units.into_values().collect()
    }
}

/// `None` of nothing.
fn mean(values: Vec<f64>) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn mean_agreement(datasets: &[DatasetReport]) -> Agreement {
    let over = |of: fn(&Agreement) -> Option<f64>| {
        mean(datasets.iter().filter_map(|dataset| of(&dataset.oracle)).collect())
    };
    Agreement {
        scorer: over(|of| Some(of.scorer)).unwrap_or_default(),
        random: over(|of| Some(of.random)).unwrap_or_default(),
        contested: datasets.iter().map(|dataset| dataset.oracle.contested).sum(),
        scorer_contested: over(|of| of.scorer_contested),
        random_contested: over(|of| of.random_contested),
    }
}
