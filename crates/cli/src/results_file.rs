//! The file that results go to, and going on with it after a run that was killed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use cappy::{Error, ErrorKind};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::failure::{Failure, Result};

/// Where results are written: line after line, each whole, and handed to the system with
/// [`Write::flush`].
pub enum Sink {
    Stdout(io::Stdout),
    File { path: PathBuf, file: io::BufWriter<File> },
}

/// What is in a file of results already.
#[derive(Debug, Default, PartialEq)]
pub struct Done {
    /// Whole lines.
    pub lines: u64,
    /// Whether one of them is an error.
    pub failed: bool,
    /// The last one, without its end.
    pub last: String,
}

/// The field by which a line of results is known to be an error.
#[derive(Deserialize)]
struct Fields {
    error: Option<IgnoredAny>,
    score: Option<IgnoredAny>,
    scores: Option<IgnoredAny>,
}

impl Sink {
    /// The file at `path`, which must not be there yet.
    pub fn create(path: &Path) -> Result<Sink> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::Input(format!(
                "{}: is there already; --resume goes on with it",
                path.display()
            )),
            _ => fault(path, error),
        })?;
        Sink::locked(path, file)
    }

    /// The file at `path` if it is there, ready to take the next line, with what is in it. A last line that
    /// was written in part is taken off.
    pub fn resume(path: &Path) -> Result<(Sink, Done)> {
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let file = options.open(path).map_err(|error| fault(path, error))?;
        let mut sink = Sink::locked(path, file)?;
        let Sink::File { file, .. } = &mut sink else { return Ok((sink, Done::default())) };
        let file = file.get_mut();
        let (done, bytes) = read_done(path, &*file)?;
        let cut = |file: &mut File| {
            file.set_len(bytes)?;
            file.seek(SeekFrom::Start(bytes))
        };
        cut(file).map_err(|error| fault(path, error))?;
        Ok((sink, done))
    }

    /// Two runs that write into one file would leave nothing that can be used.
    fn locked(path: &Path, file: File) -> Result<Sink> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("{}: another run is writing to it", path.display());
                return Err(Failure::Input(what));
            }
            // Some file systems of networks know no locks.
            Err(TryLockError::Error(_)) => {}
        }
        Ok(Sink::File { path: path.to_owned(), file: io::BufWriter::new(file) })
    }

    /// What writing failed with.
    pub fn failure(&self, error: io::Error) -> Failure {
        match self {
            Sink::Stdout(_) => Failure::Output(error),
            Sink::File { path, .. } => fault(path, error),
        }
    }

    /// Waits until everything is where a crash of the machine leaves it.
    pub fn finish(&mut self) -> Result<()> {
        let Sink::File { path, file } = self else { return Ok(()) };
        let written = file.flush().and_then(|()| file.get_ref().sync_all());
        written.map_err(|error| fault(path, error))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stdout(out) => out.write(bytes),
            Sink::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Stdout(out) => out.flush(),
            Sink::File { file, .. } => file.flush(),
        }
    }
}

/// The whole lines of a file of results, and where the last of them ends.
fn read_done(path: &Path, file: &File) -> Result<(Done, u64)> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut done, mut bytes, mut line) = (Done::default(), 0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(|error| fault(path, error))?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Ok((done, bytes));
        }
        let fields = serde_json::from_slice::<Fields>(&line).ok();
        let Some(fields) = fields.filter(|fields| {
            fields.error.is_some() || fields.score.is_some() || fields.scores.is_some()
        }) else {
            let number = done.lines + 1;
            let what = format!("{}: line {number}: is not a line of results", path.display());
            return Err(Failure::Input(what));
        };
        done.failed |= fields.error.is_some();
        done.lines += 1;
        bytes += read as u64;
        done.last = String::from_utf8_lossy(&line).into_owned();
    }
}

fn fault(path: &Path, error: io::Error) -> Failure {
    let what = "cannot be read or written";
    Error::new(ErrorKind::Io, path.display().to_string(), what).with_source(error).into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_half_written_line_is_taken_off_and_the_rest_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let whole = "{\"score\":0.5}\n{\"id\":7,\"error\":\"line 2: x\"}\n{\"scores\":[]}\n";
        for half in ["", "{", "{\"score\":0.25}", "\0\0\0"] {
            fs::write(&path, format!("{whole}{half}")).unwrap();
            let (mut sink, done) = Sink::resume(&path).unwrap();
            let last = "{\"scores\":[]}".into();
            assert_eq!(done, Done { lines: 3, failed: true, last });
            sink.write_all(b"next\n").unwrap();
            sink.finish().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{whole}next\n"));
        }
    }

    #[test]
    fn what_is_not_there_begins_and_what_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let (sink, done) = Sink::resume(&path).unwrap();
        assert_eq!(done, Done::default());
        let Err(Failure::Input(why)) = Sink::resume(&path) else { panic!("two runs at once") };
        assert!(why.ends_with("another run is writing to it"), "{why}");
        drop(sink);
        let Err(Failure::Input(why)) = Sink::create(&path) else { panic!("overwritten") };
        assert!(why.ends_with("--resume goes on with it"), "{why}");
        fs::write(&path, "{\"score\":1}\n{\"name\":1}\n").unwrap();
        let Err(Failure::Input(why)) = Sink::resume(&path) else { panic!("not results") };
        assert!(why.ends_with("line 2: is not a line of results"), "{why}");
    }
}
