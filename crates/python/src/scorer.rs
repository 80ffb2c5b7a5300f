//! `cappy.Scorer`. What each method takes and gives is said for Python in `_native.pyi`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use cappy::decide::{Decision, Plan as DecisionPlan, Rendering};
use cappy::explain::{ExplainOptions, Explanation, Part, Plan as ExplainPlan, Unit};
use cappy::{Error, Info, Score};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3_arrow::input::AnyRecordBatch;

use crate::arguments::Arguments;
use crate::errors::{raise, refuse};
use crate::json;
use crate::table::{Table, Task, broken};
use crate::texts::{text, texts};
use crate::worker::{Worker, score_all};

/// A loaded model.
#[pyclass(frozen, module = "cappy")]
pub struct Scorer {
    worker: Worker,
    info: Info,
    arguments: Arguments,
}

/// Loads what a pickle says.
#[pyfunction(name = "_load_again")]
pub fn load_again(py: Python<'_>, arguments: &str) -> PyResult<Scorer> {
    let arguments: Arguments = serde_json::from_str(arguments)
        .map_err(|error| refuse("pickle", format!("is of another version: {error}")))?;
    Scorer::start(py, arguments, None, None)
}

impl Scorer {
    fn start(
        py: Python<'_>,
        arguments: Arguments,
        token: Option<String>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Scorer> {
        let arguments = arguments.checked(token.as_deref()).map_err(|error| raise(&error))?;
        let (worker, info) = Worker::start(py, arguments.clone(), token, progress)?;
        Ok(Scorer { worker, info, arguments })
    }

    /// An array of the raw logits: `[pairs]`, or `[pairs, labels]` where there are several labels.
    fn array<'py>(
        &self,
        py: Python<'py>,
        pairs: Vec<(Arc<str>, String)>,
        name: &'static str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let count = pairs.len();
        let scored = self.worker.run(py, move |scorer, stop| {
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
            score_all(scorer, &pairs, name, stop)
        })?;
        let scores: Vec<Score> = scored.map_err(|error| raise(&error))?;
        let logits = scores.into_iter().flat_map(|score| score.logits).collect();
        let flat = PyArray1::<f32>::from_vec(py, logits);
        match self.info.config.labels.len() {
            1 => Ok(flat.into_any()),
            labels => Ok(flat.reshape([count, labels])?.into_any()),
        }
    }
}

#[pymethods]
impl Scorer {
    /// Loads a model: a folder, a hub id, or without one the model that comes along.
    ///
    /// Raises CappyError naming the argument, file, tensor, adapter limit or the hub's answer at fault.
    #[staticmethod]
    #[pyo3(signature = (model=None, *, device="auto", compute="auto", weights="auto", adapter=None,
                        revision=None, token=None, progress=None))]
    #[allow(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn load(
        py: Python<'_>,
        model: Option<PathBuf>,
        device: &str,
        compute: &str,
        weights: &str,
        adapter: Option<PathBuf>,
        revision: Option<String>,
        token: Option<String>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Scorer> {
        let text = |path: PathBuf| {
            let text = path.into_os_string().into_string();
            text.map_err(|path| refuse("model", format!("is no text: {}", path.display())))
        };
        let arguments = Arguments {
            model: model.map(text).transpose()?,
            device: device.to_owned(),
            compute: compute.to_owned(),
            weights: weights.to_owned(),
            adapter,
            revision,
        };
        Scorer::start(py, arguments, token, progress)
    }

    /// The score of each response.
    ///
    /// Returns the raw logits in the order of the responses: float32 of shape (responses,), or (responses, labels)
    /// for a model with several labels. Raises CappyError naming the response at fault by its number from 0.
    fn score<'py>(
        &self,
        py: Python<'py>,
        instruction: &Bound<'py, PyAny>,
        responses: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let instruction: Arc<str> = text("instruction", instruction)?.into();
        let responses = texts("responses", "response", responses)?;
        let pairs = responses.into_iter().map(|response| (Arc::clone(&instruction), response));
        self.array(py, pairs.collect(), "response")
    }

    /// The score of each (instruction, response).
    ///
    /// Returns float32 of shape (pairs,), or (pairs, labels) for a model with several labels. Raises CappyError naming
    /// the pair at fault by its number from 0.
    fn score_pairs<'py>(
        &self,
        py: Python<'py>,
        pairs: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let pairs = crate::texts::pairs(pairs)?.into_iter();
        self.array(py, pairs.map(|(a, b)| (a.into(), b)).collect(), "pair")
    }

    /// The best ``top_k`` of the candidates, or all, best first. Ties go to the earlier one.
    ///
    /// Returns dictionaries of rank (from 1), index, score, text and truncated (tokens that were cut). Raises
    /// CappyError as score does, and for a model with several labels.
    #[pyo3(signature = (instruction, candidates, top_k=None))]
    fn rank<'py>(
        &self,
        py: Python<'py>,
        instruction: &Bound<'py, PyAny>,
        candidates: &Bound<'py, PyAny>,
        top_k: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let instruction = text("instruction", instruction)?;
        let candidates = texts("candidates", "candidate", candidates)?;
        let ranked = self.worker.run(py, move |scorer, stop| {
            let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
            let mut go_on = |_: usize, _: &Score| flow(stop);
            pollster::block_on(scorer.rank_each(&instruction, &candidates, top_k, &mut go_on))
        })?;
        json::read(py, &ranked.map_err(|error| raise(&error))?)
    }

    /// Answers typed questions about a state, with probabilities.
    ///
    /// Returns a dictionary of answers (by the questions' names) and truncated. Raises CappyError naming the question and
    /// field at fault.
    #[pyo3(signature = (state, questions, *, rendering=None))]
    fn decide<'py>(
        &self,
        py: Python<'py>,
        state: &Bound<'py, PyAny>,
        questions: &Bound<'py, PyAny>,
        rendering: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let asked = PyDict::new(py);
        asked.set_item("state", state)?;
        asked.set_item("questions", questions)?;
        let raised = |error: Error| raise(&error);
        let decision = Decision::from_json(&json::write("state and questions", &asked)?);
        let decision = decision.map_err(raised)?;
        let rendering = match rendering {
            None => None,
            Some(given) => {
                let json = json::write("rendering", given)?;
                Some(Rendering::from_json(json.as_bytes(), &self.info.config).map_err(raised)?)
            }
        };
        let decided = self.worker.run(py, move |scorer, stop| {
            let rendering = rendering.as_ref().unwrap_or(scorer.rendering());
            let plan = DecisionPlan::new(&decision, rendering, &scorer.info().config)?;
            let pairs: Vec<(&str, &str)> = plan.pairs.iter().map(|(a, b)| (&**a, &**b)).collect();
            let scores = score_all(scorer, &pairs, "option", stop)?;
            Ok(plan.answers(&scores))
        })?;
        json::read(py, &decided.map_err(raised)?)
    }

    /// What each word or sentence does to the score of a pair, by leaving it out.
    ///
    /// Returns a dictionary of score, truncated, unit and units (text, start, end, effect). Raises CappyError naming the
    /// text that has no units or too many.
    #[pyo3(signature = (instruction, response, *, unit=None, of="response", at_most=None))]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        instruction: &Bound<'py, PyAny>,
        response: &Bound<'py, PyAny>,
        unit: Option<&str>,
        of: &str,
        at_most: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let usual = ExplainOptions::default();
        let options = ExplainOptions {
            unit: match unit {
                None => None,
                Some("word") => Some(Unit::Word),
                Some("sentence") => Some(Unit::Sentence),
                Some(other) => {
                    let what = format!("is {other:?}; word and sentence are known");
                    return Err(refuse("unit", what));
                }
            },
            of: match of {
                "response" => Part::Response,
                "instruction" => Part::Instruction,
                other => {
                    let what = format!("is {other:?}; response and instruction are known");
                    return Err(refuse("of", what));
                }
            },
            at_most: at_most.unwrap_or(usual.at_most),
        };
        let (instruction, response) =
            (text("instruction", instruction)?, text("response", response)?);
        let plan = ExplainPlan::new(&instruction, &response, &options);
        let plan = plan.map_err(|error| raise(&error))?;
        let explained = self.worker.run(py, move |scorer, stop| {
            let mut go_on = |_: usize, _: &Score| flow(stop);
            pollster::block_on(scorer.explain_each(plan, &mut go_on))
        })?;
        let explained = explained.map_err(|error| raise(&error))?;
        let of = if options.of == Part::Response { &response } else { &instruction };
        json::read(py, &in_characters(explained, of))
    }

    /// What was loaded and how it runs: ``model``, ``config``, ``adapter``, ``kernels`` and more.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json::read(py, &self.info)
    }

    /// Scores the rows of a table.
    ///
    /// Takes whatever has Arrow's PyCapsule interface. Returns a Table with the columns score (float32), tokens and
    /// truncated (int32) appended. Raises CappyError naming the column or row at fault, or with on_error="null" gives
    /// such a row nulls and counts it.
    #[pyo3(signature = (data, instruction="instruction", response="response", *, on_error="raise", first_row=0))]
    fn score_arrow(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        instruction: &str,
        response: &str,
        on_error: &str,
        first_row: u64,
    ) -> PyResult<Table> {
        let nulls = match on_error {
            "raise" => false,
            "null" => true,
            other => {
                return Err(refuse("on_error", format!("is {other:?}; raise and null are known")));
            }
        };
        let task = Task {
            instruction: instruction.to_owned(),
            response: response.to_owned(),
            nulls,
            labels: self.info.config.labels.len(),
        };
        let data: AnyRecordBatch = data.extract().map_err(|error: PyErr| {
            broken(&format!("is no table of Arrow's PyCapsule interface: {error}"))
        })?;
        let mut batches = data.into_reader()?;
        let raised = |error: Error| raise(&error);
        let mut scoring = task.begin(&batches.schema(), first_row).map_err(raised)?;
        // Another program may compute its batches on threads that wait for Python.
        while let Some(batch) = py.detach(|| batches.next()) {
            let batch = batch.map_err(|error| broken(&error.to_string()))?;
            let (task, again, row) = (task.clone(), batch.clone(), scoring.row());
            let work =
                self.worker.run(py, move |scorer, stop| task.score(scorer, &again, row, stop));
            scoring.add(&batch, &work?.map_err(raised)?)?;
        }
        Ok(scoring.finish())
    }

    /// Gives back the model's memory. Calls after this are errors; closing twice is none.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.worker.close(py)
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let json = serde_json::to_string(&self.arguments);
        let json = json.map_err(|error| refuse("pickle", error.to_string()))?;
        Ok((py.import("cappy._native")?.getattr("_load_again")?, (json,)))
    }

    fn __repr__(&self) -> String {
        let Info { model, adapter, .. } = &self.info;
        format!("<cappy.Scorer: {model} on {} ({})>", adapter.name, adapter.backend)
    }
}

/// Whether to go on, in the words of the scorer.
fn flow(stop: &dyn Fn() -> bool) -> ControlFlow<()> {
    if stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The explanation with places counted in characters, as Python counts them, instead of bytes.
fn in_characters(mut explained: Explanation, text: &str) -> Explanation {
    let count = |bytes: usize| text[..bytes].chars().count();
    for unit in &mut explained.units {
        (unit.start, unit.end) = (count(unit.start), count(unit.end));
    }
    explained
}
