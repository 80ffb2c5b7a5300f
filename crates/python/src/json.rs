//! Objects of Python that are read and written as JSON.

use pyo3::prelude::*;
use serde::Serialize;

use crate::errors::refuse;

/// `value`, called `name`, as Python's own `json` writes it.
pub fn write(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let json = value.py().import("json")?;
    let text = json.call_method1("dumps", (value,));
    let text = text.map_err(|error| refuse(name, format!("is not JSON: {error}")))?;
    text.extract()
}

/// What Python's own `json` makes of `value`.
pub fn read<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(value).map_err(|error| refuse("result", error.to_string()))?;
    py.import("json")?.call_method1("loads", (text,))
}
