//! What is asked and what each answer is worth, whichever file it came from.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::lines::Place;

/// Which way of asking the files follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Choose among label texts; what counts is accuracy.
    Classification,
    /// Choose among generated texts; what counts is Rouge-L.
    Selection,
}

impl Protocol {
    /// What a choice is measured in.
    pub fn measure(self) -> &'static str {
        match self {
            Protocol::Classification => "accuracy",
            Protocol::Selection => "Rouge-L",
        }
    }
}

/// Questions with their candidates, read from files by [`Questions::read_classification`] or
/// [`Questions::read_selection`].
pub struct Questions {
    pub(super) protocol: Protocol,
    /// The names of what `Question::dataset` counts.
    pub(super) datasets: Names,
    /// The names of what [`Method::Alone`] counts.
    pub(super) decodings: Names,
    pub(super) questions: Vec<Question>,
    pub(super) pairs: Pairs,
    /// The names of what [`Method::Other`] counts.
    pub(super) others: Names,
    /// Questions in the files that have no right answer and are left out.
    pub(super) unlabelled: usize,
}

/// One question. It has at least one candidate.
pub(super) struct Question {
    pub(super) dataset: usize,
    /// Questions of a dataset with the same number are about the same example, and the bootstrap
    /// draws them together.
    pub(super) example: usize,
    /// In the order of the file.
    pub(super) candidates: Vec<Candidate>,
    /// What baselines of the file choose, as places in `candidates`.
    pub(super) picks: Vec<(Method, usize)>,
}

pub(super) struct Candidate {
    /// Its place in [`Pairs`]. Candidates with the same text have the same one.
    pub(super) pair: usize,
    /// What choosing it is worth, 0 to 1.
    pub(super) value: f64,
    /// Its length in characters.
    pub(super) length: usize,
}

/// A way of choosing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// The highest score.
    Scorer,
    /// What this decoding gave first.
    Alone(usize),
    /// The highest log-likelihood.
    SelfScoreSum,
    /// The highest log-likelihood a token.
    SelfScoreMean,
    /// The highest score of another scorer, whose scores are in the file.
    Other(usize),
    /// Any candidate; its worth is the mean.
    Random,
    /// The one with most characters.
    Longest,
    /// The one that is worth most.
    Oracle,
}

impl Question {
    /// What the choice of `method` is worth; `None` where the file does not allow it. Of equal
    /// candidates the first is chosen.
    pub(super) fn value(&self, method: Method, score: impl Fn(usize) -> f32) -> Option<f64> {
        let values = || self.candidates.iter().map(|candidate| candidate.value);
        let chosen = match method {
            Method::Scorer => first_best(self.candidates.iter().map(|c| score(c.pair))),
            Method::Longest => first_best(self.candidates.iter().map(|c| c.length)),
            Method::Oracle => first_best(values()),
            Method::Random => return Some(values().sum::<f64>() / self.candidates.len() as f64),
            pick => self.picks.iter().find(|(method, _)| *method == pick)?.1,
        };
        Some(self.candidates[chosen].value)
    }
}

/// The place of the largest; of equal ones the first.
pub(super) fn first_best<T: PartialOrd>(items: impl Iterator<Item = T>) -> usize {
    let mut best: Option<(usize, T)> = None;
    for (place, item) in items.enumerate() {
        if best.as_ref().is_none_or(|(_, largest)| item > *largest) {
            best = Some((place, item));
        }
    }
    best.map_or(0, |(place, _)| place)
}

impl Questions {
    /// The different pairs of instruction and candidate, in the order of the files. These are to
    /// be scored.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.pairs.texts.iter().map(|(a, b)| (&**a, &**b)).collect()
    }

    /// How many questions there are.
    pub fn len(&self) -> usize {
        self.questions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// All ways of choosing, the scorer first and the oracle last.
    pub(super) fn methods(&self) -> Vec<Method> {
        let mut methods = vec![Method::Scorer];
        methods.extend((0..self.decodings.list.len()).map(Method::Alone));
        if self.protocol == Protocol::Selection {
            methods.extend([Method::SelfScoreSum, Method::SelfScoreMean]);
        }
        methods.extend((0..self.others.list.len()).map(Method::Other));
        methods.extend([Method::Random, Method::Longest, Method::Oracle]);
        methods
    }

    pub(super) fn name(&self, method: Method) -> String {
        match method {
            Method::Alone(decoding) => return format!("{} alone", self.decodings.list[decoding]),
            Method::Other(other) => return self.others.list[other].clone(),
            Method::Scorer => "scorer",
            Method::SelfScoreSum => "self-score sum",
            Method::SelfScoreMean => "self-score mean",
            Method::Random => "random",
            Method::Longest => "longest",
            Method::Oracle => "oracle",
        }
        .into()
    }
}

/// Names by number, in the order in which they came.
#[derive(Default)]
pub(super) struct Names {
    pub(super) list: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Names {
    pub(super) fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.numbers.insert(name.to_owned(), self.list.len());
        self.list.push(name.to_owned());
        self.list.len() - 1
    }
}

/// Pairs of texts, each once.
#[derive(Default)]
pub(super) struct Pairs {
    pub(super) texts: Vec<(Arc<str>, Arc<str>)>,
    /// Where each stands first.
    pub(super) places: Vec<Place>,
    numbers: HashMap<(Arc<str>, Arc<str>), usize>,
}

impl Pairs {
    pub(super) fn number(
        &mut self,
        instruction: &Arc<str>,
        response: &Arc<str>,
        place: &Place,
    ) -> usize {
        let pair = (instruction.clone(), response.clone());
        let next = self.texts.len();
        let number = *self.numbers.entry(pair.clone()).or_insert(next);
        if number == next {
            self.texts.push(pair);
            self.places.push(place.clone());
        }
        number
    }
}
