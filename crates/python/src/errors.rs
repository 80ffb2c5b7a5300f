//! How errors cross to Python: as `CappyError`, which `python/cappy/_errors.py` declares.

use std::error::Error as _;

use cappy::{Error, ErrorKind};
use pyo3::prelude::*;

pyo3::import_exception!(cappy._errors, CappyError);

/// What Python is given of an error.
pub fn raise(error: &Error) -> PyErr {
    CappyError::new_err((in_full(error), error.kind().code(), error.at_fault().to_owned()))
}

/// That what Python gave, called `at_fault`, is not usable.
pub fn refuse(at_fault: impl Into<String>, what: impl Into<String>) -> PyErr {
    raise(&Error::new(ErrorKind::Input, at_fault, what))
}

/// That the scorer was closed.
pub fn closed() -> PyErr {
    CappyError::new_err(("scorer: was closed", "disposed", "scorer"))
}

/// The error and its causes, leaving out what an outer message has said already.
pub fn in_full(error: &Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = inner.source();
    }
    message
}

/// The same error, named by what Python calls that which is at fault.
pub fn at(place: impl Into<String>, error: Error) -> Error {
    let place = place.into();
    let what = match error.at_fault().starts_with("pair ") {
        true => error.what().to_owned(),
        false => error.to_string(),
    };
    let named = Error::new(error.kind(), place, what);
    match error.source() {
        None => named,
        Some(_) => named.with_source(error),
    }
}
