//! The one error type of the crate.

use std::error::Error as StdError;
use std::fmt;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong and what was at fault: the file, tensor, line, option or kernel by name.
///
/// ```
/// use cappy::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Checkpoint, "model.safetensors", "ends after 12 bytes");
/// assert_eq!(error.to_string(), "model.safetensors: ends after 12 bytes");
/// assert_eq!(error.kind().code(), "checkpoint");
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    at_fault: String,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The sort of failure, for programs that react to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `config.json` is missing something or asks for what this crate does not compute.
    Config,
    /// The tokenizer files are broken or do not fit the model.
    Tokenizer,
    /// Weights are truncated, malformed, of the wrong shape, or not finite.
    Checkpoint,
    /// A file or stream could not be read or written.
    Io,
    /// A file or model that was asked for does not exist.
    NotFound,
    /// The hub could not be reached or answered with an error.
    Network,
    /// The hub wants a token, or a better one.
    Unauthorized,
    /// The caller's text, JSON or option is not usable.
    Input,
    /// No GPU adapter, not even a software one, was found.
    NoAdapter,
    /// The adapter's limits or features do not suffice.
    AdapterTooSmall,
    /// The GPU has no memory left for what was asked.
    OutOfMemory,
    /// The GPU device was lost.
    DeviceLost,
    /// A shader, pipeline, binding or readback failed on the GPU.
    Gpu,
    /// A score came out as NaN or infinite.
    NotFinite,
    /// The caller stopped the work.
    Aborted,
}

impl ErrorKind {
    /// A short name that does not change between versions.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::Config => "config",
            ErrorKind::Tokenizer => "tokenizer",
            ErrorKind::Checkpoint => "checkpoint",
            ErrorKind::Io => "io",
            ErrorKind::NotFound => "not-found",
            ErrorKind::Network => "network",
            ErrorKind::Unauthorized => "unauthorized",
            ErrorKind::Input => "input",
            ErrorKind::NoAdapter => "no-adapter",
            ErrorKind::AdapterTooSmall => "adapter-too-small",
            ErrorKind::OutOfMemory => "out-of-memory",
            ErrorKind::DeviceLost => "device-lost",
            ErrorKind::Gpu => "gpu",
            ErrorKind::NotFinite => "not-finite",
            ErrorKind::Aborted => "aborted",
        }
    }
}

impl Error {
    /// An error of `kind` that names what is `at_fault` (a file, tensor, line, option or kernel)
    /// and says in `message` what is wrong with it.
    pub fn new(kind: ErrorKind, at_fault: impl Into<String>, message: impl Into<String>) -> Self {
        Error { kind, at_fault: at_fault.into(), message: message.into(), source: None }
    }

    /// The same error with the lower-level error that caused it.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is wrong with it.
    pub fn what(&self) -> &str {
        &self.message
    }

    /// The name of the file, tensor, line, option or kernel at fault.
    pub fn at_fault(&self) -> &str {
        &self.at_fault
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at_fault, self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
