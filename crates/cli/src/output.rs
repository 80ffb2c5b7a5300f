//! Writing to standard output without panicking when it is closed, and without characters that a
//! terminal would obey: labels, names and texts come from anywhere.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::{Failure, Outcome, Result};
use crate::table::printable;

/// Writes all of `text`, which ends the command well. Of control characters only line ends remain.
pub fn print(text: &str) -> Result<Outcome> {
    print_styled(&clean(text))
}

/// The text with a symbol for each character that a terminal would obey, but for line ends.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { printable(c) }).collect()
}

/// The text on one line without such characters.
pub fn one_line(text: &str) -> String {
    text.chars().map(printable).collect()
}

/// Writes what has been cleaned and then been given colours.
pub fn print_styled(text: &str) -> Result<Outcome> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)?;
    Ok(Outcome::Done)
}

/// `value` over several lines.
pub fn pretty(value: &impl Serialize) -> Result<String> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::Output(error.into()))?;
    Ok(escaped(&text) + "\n")
}

/// `values` as an array with one of them a line.
pub fn array(values: &[impl Serialize]) -> Result<String> {
    let mut rows = Vec::new();
    for value in values {
        rows.push(line(value).map_err(Failure::Output)?);
    }
    Ok(format!("[\n{}\n]\n", rows.join(",\n")))
}

/// `value` on one line, without its end.
pub fn line(value: &impl Serialize) -> io::Result<String> {
    Ok(escaped(&serde_json::to_string(value)?))
}

/// The JSON object `json` with `fields` before its own: JSON with a comma after each of them.
pub fn with_fields_before(fields: &str, json: &str) -> String {
    format!("{{{}{}", escaped(fields), json.strip_prefix('{').unwrap_or(json))
}

/// The same JSON with escapes for what serde leaves as it is in strings though a terminal would obey
/// it, such as the control characters from 128 on. Outside of strings JSON has no such characters.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => out.push(c),
            c if printable(c) != c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clears the screen in two ways, turns the reading direction, rubs out.
    const EVIL: &str = "a\u{1b}[2J\u{9b}2J\u{202e}\u{7f}\r\nb";

    #[test]
    fn texts_keep_their_lines_and_nothing_else_that_a_terminal_obeys() {
        assert_eq!(clean(EVIL), "a␛[2J\u{fffd}2J\u{fffd}␡␍\nb");
        assert_eq!(one_line(EVIL), "a␛[2J\u{fffd}2J\u{fffd}␡␍⏎b");
    }

    #[test]
    fn json_says_the_same_in_escapes() {
        for json in [pretty(&[EVIL]).unwrap(), array(&[EVIL]).unwrap(), line(&[EVIL]).unwrap()] {
            assert!(json.chars().all(|c| c == '\n' || printable(c) == c), "{json:?}");
            let read: Vec<String> = serde_json::from_str(&json).unwrap();
            assert_eq!(read, [EVIL]);
        }
        // Characters beyond the first 65,536 and those that nobody obeys stay as they are.
        assert_eq!(line(&"é日🦆").unwrap(), "\"é日🦆\"");
    }
}
