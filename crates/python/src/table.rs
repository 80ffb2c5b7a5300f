//! Tables in Arrow's memory, in and out: what `Scorer.score_arrow` takes and gives.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use cappy::{Error, ErrorKind, Result, Score, Scorer};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::PyTable;

use crate::columns::Texts;
use crate::errors::{at, in_full, raise};
use crate::worker;

/// The columns that are appended.
const APPENDED: [&str; 3] = ["score", "tokens", "truncated"];

/// The most failures that are told in words.
const MOST_FAILURES: usize = 20;

/// A table of Arrow, for whatever reads its PyCapsule interface.
#[pyclass(frozen, module = "cappy")]
pub struct Table {
    batches: Vec<RecordBatch>,
    schema: SchemaRef,
    failed: u64,
    failures: Vec<String>,
}

/// Which columns of a table are scored, and how.
#[derive(Clone)]
pub struct Task {
    pub instruction: String,
    pub response: String,
    /// Whether a row that cannot be scored gets nulls instead of ending it all.
    pub nulls: bool,
    /// The labels of the model.
    pub labels: usize,
}

/// What becomes of a table's batches, one after another.
pub struct Scoring {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    failed: u64,
    failures: Vec<String>,
    /// The number of the next row.
    row: u64,
}

impl Task {
    /// Begins with a table of this schema, whose first row has the number `row`.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming a column that is in the way.
    pub fn begin(&self, schema: &SchemaRef, row: u64) -> Result<Scoring> {
        let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
        for name in APPENDED {
            if schema.column_with_name(name).is_some() {
                let what = "is there already, and would be written; rename it";
                return Err(Error::new(ErrorKind::Input, format!("column '{name}'"), what));
            }
            let kind = match (name, self.labels) {
                ("score", 1) => DataType::Float32,
                ("score", _) => DataType::new_list(DataType::Float32, true),
                _ => DataType::Int32,
            };
            fields.push(Arc::new(Field::new(name, kind, true)));
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        Ok(Scoring { schema, batches: Vec::new(), failed: 0, failures: Vec::new(), row })
    }

    /// Scores a batch whose first row has the number `row`: for each row its score, or why it has none.
    ///
    /// # Errors
    /// Names the column, or the row that cannot be scored where those don't get nulls.
    pub fn score(
        &self,
        scorer: &Scorer,
        batch: &RecordBatch,
        row: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Result<Score>>> {
        let instructions = Texts::of(batch, &self.instruction)?;
        let responses = Texts::of(batch, &self.response)?;
        let mut results: Vec<Option<Result<Score>>> = Vec::with_capacity(batch.num_rows());
        let (mut pairs, mut rows) = (Vec::new(), Vec::new());
        for index in 0..batch.num_rows() {
            let number = row + index as u64;
            let both = instructions
                .get(index, number)
                .and_then(|instruction| Ok((instruction, responses.get(index, number)?)));
            results.push(match both {
                Ok(pair) => {
                    pairs.push(pair);
                    rows.push(index);
                    None
                }
                Err(error) if self.nulls => Some(Err(error)),
                Err(error) => return Err(error),
            });
        }
        let mut first = 0;
        while first < pairs.len() {
            let mut scores = Vec::new();
            let scored = worker::score(scorer, &pairs[first..], stop, &mut scores);
            for score in scores {
                results[rows[first]] = Some(Ok(score));
                first += 1;
            }
            if let Err(error) = scored {
                let of_the_row = matches!(error.kind(), ErrorKind::Input | ErrorKind::NotFinite);
                let error = at(format!("row {}", row + rows[first] as u64), error);
                if !(self.nulls && of_the_row) {
                    return Err(error);
                }
                results[rows[first]] = Some(Err(error));
                first += 1;
            }
        }
        Ok(results.into_iter().flatten().collect())
    }
}

impl Scoring {
    /// The number of the next row.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// Takes the next batch with what became of its rows.
    pub fn add(&mut self, batch: &RecordBatch, results: &[Result<Score>]) -> PyResult<()> {
        let (mut tokens, mut truncated) = (Int32Builder::new(), Int32Builder::new());
        for result in results {
            let score = result.as_ref().ok();
            tokens.append_option(score.map(|score| score.tokens as i32));
            truncated.append_option(score.map(|score| score.truncated as i32));
            if let Err(error) = result {
                self.failed += 1;
                if self.failures.len() < MOST_FAILURES {
                    self.failures.push(in_full(error));
                }
            }
        }
        let kind = self.schema.field(batch.num_columns()).data_type();
        let mut columns = batch.columns().to_vec();
        columns.push(logits(kind, results));
        columns.push(Arc::new(tokens.finish()));
        columns.push(Arc::new(truncated.finish()));
        let batch = RecordBatch::try_new(self.schema.clone(), columns);
        self.batches.push(batch.map_err(|error| broken(&error.to_string()))?);
        self.row += results.len() as u64;
        Ok(())
    }

    /// The table with all that was added.
    pub fn finish(self) -> Table {
        let Scoring { schema, batches, failed, failures, .. } = self;
        Table { batches, schema, failed, failures }
    }
}

/// What is wrong with what another program calls a table.
pub fn broken(what: &str) -> PyErr {
    raise(&Error::new(ErrorKind::Input, "data", what))
}

/// A number for each row, or for a model with several labels a list of them.
fn logits(kind: &DataType, results: &[Result<Score>]) -> ArrayRef {
    let of = |result: &Result<Score>| result.as_ref().ok().map(|score| score.logits.clone());
    if *kind == DataType::Float32 {
        let mut column = Float32Builder::new();
        results.iter().for_each(|result| column.append_option(of(result).map(|logits| logits[0])));
        return Arc::new(column.finish());
    }
    let mut column = ListBuilder::new(Float32Builder::new());
    for result in results {
        column.append_option(of(result).map(|logits| logits.into_iter().map(Some)));
    }
    Arc::new(column.finish())
}

#[pymethods]
impl Table {
    /// Rows that have no score, because they could not be scored.
    #[getter]
    fn failed(&self) -> u64 {
        self.failed
    }

    /// What was wrong with the first 20 of them.
    #[getter]
    fn failures(&self) -> Vec<String> {
        self.failures.clone()
    }

    /// The names of the columns, in order.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn __repr__(&self) -> String {
        let (rows, names) = (self.__len__(), self.column_names().join(", "));
        format!("<cappy.Table: {rows} rows of {names}; {} failed>", self.failed)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.exported(py)?.call_method0("__arrow_c_schema__")
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.exported(py)?.call_method1("__arrow_c_stream__", (requested_schema,))
    }
}

impl Table {
    /// The same memory as a table of the crate that knows how to hand it on.
    fn exported<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTable>> {
        Bound::new(py, PyTable::try_new(self.batches.clone(), self.schema.clone())?)
    }
}
