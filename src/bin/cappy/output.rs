//! Writing to standard output without panicking when it is closed.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::{Failure, Outcome, Result};

/// Writes all of `text`, which ends the command well.
pub fn print(text: &str) -> Result<Outcome> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)?;
    Ok(Outcome::Done)
}

/// `value` over several lines.
pub fn pretty(value: &impl Serialize) -> Result<String> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::Output(error.into()))?;
    text.push('\n');
    Ok(text)
}

/// `values` as an array with one of them a line.
pub fn array(values: &[impl Serialize]) -> Result<String> {
    let mut rows = Vec::new();
    for value in values {
        rows.push(serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))?);
    }
    Ok(format!("[\n{}\n]\n", rows.join(",\n")))
}
