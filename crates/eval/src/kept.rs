//! Scores in a file, so that a killed run goes on where it stopped.
//!
//! A line of JSON that says of what, then a line for each pair: its score, in as many digits as
//! give the same bits back, and how many tokens were cut.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{PairScore, Questions};
use cappy::{Error, ErrorKind, Result};

/// Another number: another format.
const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    cappy_scores: u32,
    model: String,
    pairs: usize,
    /// A checksum of the pairs.
    input: String,
}

/// A file that scores are added to as they come.
pub struct ScoreFile {
    path: PathBuf,
    file: File,
}

impl ScoreFile {
    /// Opens or makes the file at `path` for the scores that `model` gives to `questions`, and
    /// reads those that it has. A line that a killed run left half written is taken off.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where the file has scores of another model or of other questions, or
    /// is something else; [`ErrorKind::Io`].
    pub fn open(
        path: &Path,
        model: &str,
        questions: &Questions,
    ) -> Result<(ScoreFile, Vec<PairScore>)> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| io(path, error))?;
        let mut kept = ScoreFile { path: path.to_owned(), file };
        let ours = Header {
            cappy_scores: VERSION,
            model: model.to_owned(),
            pairs: questions.pairs.texts.len(),
            input: checksum(&questions.pairs()),
        };
        let mut text = String::new();
        kept.file.read_to_string(&mut text).map_err(|error| io(path, error))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() && !is_ours(&text) {
            return Err(kept.refuse("is no file of scores"));
        }
        kept.cut_to(whole)?;
        let mut lines = text[..whole].lines();
        match lines.next() {
            None => {
                let mut header =
                    serde_json::to_string(&ours).map_err(|e| kept.refuse(e.to_string()))?;
                header.push('\n');
                kept.write(&header)?;
            }
            Some(line) => kept.compare(line, &ours)?,
        }
        let mut scores = Vec::new();
        for (line, number) in lines.zip(2..) {
            let score = parse(line)
                .filter(|_| scores.len() < ours.pairs)
                .ok_or_else(|| kept.refuse(format!("line {number} is no score")))?;
            scores.push(score);
        }
        Ok((kept, scores))
    }

    /// Adds scores after those that are there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn add(&mut self, scores: &[PairScore]) -> Result<()> {
        let lines: String =
            scores.iter().map(|s| format!("{} {}\n", s.score, s.truncated)).collect();
        self.write(&lines)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.file.write_all(text.as_bytes()).map_err(|error| io(&self.path, error))
    }

    fn cut_to(&mut self, bytes: usize) -> Result<()> {
        let cut = self.file.set_len(bytes as u64);
        cut.and_then(|()| self.file.seek(SeekFrom::End(0)).map(drop))
            .map_err(|error| io(&self.path, error))
    }

    fn compare(&self, line: &str, ours: &Header) -> Result<()> {
        let theirs: Header =
            serde_json::from_str(line).map_err(|_| self.refuse("is no file of scores"))?;
        if theirs.cappy_scores != ours.cappy_scores {
            return Err(self.refuse("was written by another version"));
        }
        if theirs.model != ours.model {
            let why = format!("has scores of the model {}, not of {}", theirs.model, ours.model);
            return Err(self.refuse(why));
        }
        if theirs != *ours {
            return Err(self.refuse("has scores of other input"));
        }
        Ok(())
    }

    fn refuse(&self, why: impl Into<String>) -> Error {
        Error::new(ErrorKind::Input, self.path.display().to_string(), why)
    }
}

/// Whether a file with a torn first line began as ours.
fn is_ours(text: &str) -> bool {
    let begins = r#"{"cappy_scores":"#;
    text.starts_with(begins) || begins.starts_with(text)
}

fn io(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, path.display().to_string(), error.to_string()).with_source(error)
}

fn parse(line: &str) -> Option<PairScore> {
    let (score, truncated) = line.split_once(' ')?;
    let score: f32 = score.parse().ok()?;
    let truncated = truncated.parse().ok()?;
    score.is_finite().then_some(PairScore { score, truncated })
}

/// FNV-1a of 64 bits over all texts with their lengths: enough to notice other input.
fn checksum(pairs: &[(&str, &str)]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for text in pairs.iter().flat_map(|(a, b)| [a, b]) {
        for byte in (text.len() as u64).to_le_bytes().into_iter().chain(text.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}
