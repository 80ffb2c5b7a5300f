//! Texts that Python gives, one by one or in any iterable.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors::refuse;

/// The text `value`, called `name`.
pub fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let Ok(text) = value.cast::<PyString>() else {
        return Err(refuse(name, format!("is {}, and text is needed", type_of(value))));
    };
    let whole = text.to_str().map_err(|_| refuse(name, "has half of a character in it"))?;
    Ok(whole.to_owned())
}

/// The texts of an iterable called `name`; each is called `one` and its number, from 0.
pub fn texts(name: &str, one: &str, values: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    items(name, "texts", values)?
        .enumerate()
        .map(|(index, value)| text(&format!("{one} {index}"), &value?))
        .collect()
}

/// The (instruction, response) of each item of an iterable.
pub fn pairs(values: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let pair = |(index, value): (usize, PyResult<Bound<'_, PyAny>>)| {
        let name = format!("pair {index}");
        let value = value?;
        let both: Vec<Bound<'_, PyAny>> =
            items(&name, "an instruction and a response", &value)?.collect::<PyResult<_>>()?;
        let [instruction, response] = &both[..] else {
            let what =
                format!("has {} items, and an instruction and a response are needed", both.len());
            return Err(refuse(name, what));
        };
        Ok((
            text(&format!("{name}: instruction"), instruction)?,
            text(&format!("{name}: response"), response)?,
        ))
    };
    items("pairs", "pairs of texts", values)?.enumerate().map(pair).collect()
}

/// The items of an iterable. A text is none here: its characters are never what is meant.
fn items<'py>(
    name: &str,
    wanted: &str,
    values: &Bound<'py, PyAny>,
) -> PyResult<impl Iterator<Item = PyResult<Bound<'py, PyAny>>> + use<'py>> {
    let refused = || refuse(name, format!("is {}, and {wanted} are needed", type_of(values)));
    match values.is_instance_of::<PyString>() {
        true => Err(refused()),
        false => values.try_iter().map_err(|_| refused()),
    }
}

/// What Python calls the type of `value`.
fn type_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "something else".into(), |name| name.to_string())
}
