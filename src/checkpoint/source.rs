//! Where bytes come from: a folder on disk, memory, or what a web page reads.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use serde_json::Value;

use super::modules::folders;
use crate::config::quote_constants;
use crate::error::{Error, ErrorKind, Result};

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

/// Reads the whole of a small file such as `config.json`; `None` when the folder has no such file.
///
/// # Errors
/// [`ErrorKind::Input`] when the file is larger than `most` bytes, and whatever reading it gives.
pub async fn read_all(files: &dyn Files, name: &str, most: u64) -> Result<Option<Vec<u8>>> {
    let Some(source) = files.open(name).await? else {
        return Ok(None);
    };
    let size = source.size();
    if size > most {
        let message = format!("is {size} bytes long, at most {most} are expected");
        return Err(Error::new(ErrorKind::Input, source.name(), message));
    }
    read_exact(&*source, 0..size).await.map(Some)
}

/// Lists the modules of a model of sentence-transformers.
pub(crate) const MODULES: &str = "modules.json";
/// Prompts, the function of the logits, and what kind of model it is.
pub(crate) const SETTINGS: &str = "config_sentence_transformers.json";
/// How the transformer among the modules is loaded.
pub(crate) const TRANSFORMER: &str = "sentence_bert_config.json";

/// None of these three is near this size.
const MOST_JSON_BYTES: u64 = 16 << 20;

/// The content of a small JSON file, in which Python may have written its constants; `None` where the
/// folder has no such file.
///
/// # Errors
/// [`ErrorKind::Config`] when it is not JSON, and as [`read_all`].
pub(crate) async fn read_json(files: &dyn Files, name: &str) -> Result<Option<Value>> {
    let json = read_all(files, name, MOST_JSON_BYTES).await?;
    let parse = |json: Vec<u8>| {
        serde_json::from_slice(&quote_constants(&json)).map_err(|error| {
            Error::new(ErrorKind::Config, name, format!("cannot be read: {error}"))
        })
    };
    json.map(parse).transpose()
}

/// The files that a model may have besides its weights.
const SMALL_FILES: [&str; 13] = [
    "config.json",
    MODULES,
    SETTINGS,
    TRANSFORMER,
    "decide.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "sentencepiece.bpe.model",
];

/// The most bytes that any of them has.
const MOST_SMALL_BYTES: u64 = 64 << 20;

/// The files of a model besides its weights, as far as the folder has them: those beside the weights,
/// and the settings of modules that have folders of their own.
///
/// # Errors
/// As [`read_all`].
pub async fn small_files(files: &dyn Files) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut names = VecDeque::from(SMALL_FILES.map(String::from));
    while let Some(name) = names.pop_front() {
        if let Some(bytes) = read_all(files, &name, MOST_SMALL_BYTES).await? {
            if name == MODULES {
                let folders = folders(&bytes).into_iter();
                names.extend(folders.map(|(folder, _)| format!("{folder}/config.json")));
            }
            found.push((name, bytes));
        }
    }
    Ok(found)
}

/// Reads `range` after checking that the file reaches that far, so that a length found in a file
/// never makes memory be reserved that the file cannot fill.
pub(super) async fn read_exact(source: &dyn ByteSource, range: Range<u64>) -> Result<Vec<u8>> {
    let refuse = |message| Error::new(ErrorKind::Checkpoint, source.name(), message);
    if range.start > range.end || range.end > source.size() {
        let size = source.size();
        return Err(refuse(format!(
            "is truncated: bytes {} to {} were expected, it has {size}",
            range.start, range.end
        )));
    }
    let length = range.end - range.start;
    let bytes = source.read(range.clone()).await?;
    if bytes.len() as u64 != length {
        return Err(refuse(format!(
            "gave {} bytes for the {length} from {} on",
            bytes.len(),
            range.start
        )));
    }
    Ok(bytes)
}
