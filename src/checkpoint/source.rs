//! Where bytes come from: a file, memory, and later HTTP ranges.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use crate::error::Result;

/// A boxed future that need not be `Send`, because a browser's are not.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Random access to the bytes of one file.
pub trait ByteSource {
    /// The file's name, for error messages.
    fn name(&self) -> &str;

    /// Its size in bytes.
    fn size(&self) -> u64;

    /// Reads exactly `range`, or fails naming this file.
    fn read(&self, range: Range<u64>) -> LocalFuture<'_, Result<Vec<u8>>>;
}

/// A folder with a model's files in it, wherever that is.
pub trait Files {
    /// What to call the folder in messages, such as its path.
    fn describe(&self) -> String;

    /// Opens `name`; `None` when the folder has no such file.
    fn open<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<Box<dyn ByteSource>>>>;
}
