//! What ends a command, how it is said in one line, and which exit code it gets.

use std::error::Error as StdError;
use std::io::{self, Write};
use std::process::ExitCode;

use cappy::{Error, ErrorKind};

use crate::output;

/// How a command that ran to its end ended.
pub enum Outcome {
    /// Everything was done.
    Done,
    /// `--keep-going` wrote an error in the place of at least one line.
    SomeLinesFailed,
}

/// Why a command could not run to its end.
#[derive(Debug)]
pub enum Failure {
    /// The library refused or failed.
    Cappy(Error),
    /// Standard input could not be read, or is not what it should be.
    Input(String),
    /// Standard output could not be written.
    Output(io::Error),
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Cappy(error)
    }
}

impl Failure {
    /// Says on standard error what happened and gives the exit code.
    ///
    /// A reader that closed our output has what it wanted (`cappy score | head`), so that is no
    /// failure.
    pub fn report(&self) -> ExitCode {
        if matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(io::stderr(), "error: {}", self.line());
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Input(_) => 2,
            Failure::Cappy(error) if error.kind() == ErrorKind::Input => 2,
            Failure::Cappy(_) | Failure::Output(_) => 1,
        }
    }

    fn line(&self) -> String {
        match self {
            Failure::Cappy(error) => chain(error),
            Failure::Input(message) => one_line(message),
            Failure::Output(error) => one_line(&format!("standard output: {error}")),
        }
    }
}

/// The error and its causes in one line, leaving out what an outer message has said already.
pub fn chain(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    one_line(&line)
}

fn one_line(message: &str) -> String {
    output::one_line(message.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_once_and_stay_on_one_line() {
        let cause = Error::new(ErrorKind::Io, "disk", "is\nfull")
            .with_source(io::Error::other("out of space"));
        let error = Error::new(ErrorKind::Io, "weights", "cannot be read").with_source(cause);
        assert_eq!(chain(&error), "weights: cannot be read: disk: is⏎full: out of space");

        let said = Error::new(ErrorKind::Io, "weights", "out of space")
            .with_source(io::Error::other("out of space"));
        assert_eq!(chain(&said), "weights: out of space");
    }

    #[test]
    fn bad_input_is_2_and_the_rest_is_1() {
        let of = |kind| Failure::from(Error::new(kind, "x", "y")).code();
        assert_eq!(of(ErrorKind::Input), 2);
        assert_eq!(of(ErrorKind::Checkpoint), 1);
        assert_eq!(Failure::Input("line 3".into()).code(), 2);
        assert_eq!(Failure::Output(io::Error::other("full")).code(), 1);
    }
}
