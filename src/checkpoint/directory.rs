//! Files on disk: those of a folder, read by position, and one that is written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::source::{ByteSource, Files, LocalFuture};
use super::write::unwritable;
use crate::error::{Error, ErrorKind, Result};

/// A folder on disk. Its files are read piece by piece and not mapped into memory, so a file that
/// another program cuts short is an error and not a signal.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

impl Directory {
    /// The folder at `path`, which is looked at when a file of it is opened.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Directory(path.into())
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn open_file(&self, name: &str) -> Result<Option<Box<dyn ByteSource>>> {
        let path = self.0.join(name);
        let name = path.display().to_string();
        // Before it is opened, since opening a pipe waits for a writer and opening a device may do
        // anything.
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match self.0.is_dir() {
                    true => Ok(None),
                    false => {
                        Err(Error::new(ErrorKind::NotFound, self.describe(), "is not a folder"))
                    }
                };
            }
            Err(error) => return Err(unreadable(&name, error)),
        };
        if !found.is_file() {
            return Err(Error::new(ErrorKind::Io, name, "is not a regular file"));
        }
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = opened.map_err(|error| unreadable(&name, error))?;
        Ok(Some(Box::new(FileSource { name, size, file })))
    }
}

impl Files for Directory {
    fn describe(&self) -> String {
        self.0.display().to_string()
    }

    fn open<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<Box<dyn ByteSource>>>> {
        Box::pin(async move { self.open_file(name) })
    }
}

struct FileSource {
    name: String,
    size: u64,
    file: File,
}

impl FileSource {
    // Nothing runs between the seek and the read: a `dyn ByteSource` is not shared by threads.
    fn read_at(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let length = range.end.checked_sub(range.start).filter(|_| range.end <= self.size);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let mut bytes = vec![0; length.ok_or(io::ErrorKind::UnexpectedEof)?];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(range.start))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl ByteSource for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, range: Range<u64>) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move { self.read_at(range).map_err(|error| unreadable(&self.name, error)) })
    }
}

fn unreadable(name: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, name, format!("cannot be read: {error}")).with_source(error)
}

/// Writes a file so that a reader finds the old one or the whole new one, never a part: into a
/// temporary file beside it, which takes its name at the end. When `write` fails, the old file
/// stays.
///
/// # Errors
/// What `write` gives, and [`ErrorKind::Io`] naming the file.
pub fn write_file<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let name = path.display().to_string();
    let unwritable = |error| unwritable(&name, error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cappy");
    // With the permissions that the umask gives every new file; temporary ones would be private.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder.unwrap_or(Path::new("."))).map_err(unwritable)?;
    let mut buffered = io::BufWriter::with_capacity(1 << 20, file);
    let result = write(&mut buffered)?;
    let file = buffered.into_inner().map_err(|error| unwritable(error.into_error()))?;
    file.as_file().sync_all().map_err(unwritable)?;
    file.persist(path).map_err(|error| unwritable(error.error))?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::read_all;
    use pollster::block_on;

    #[test]
    fn files_are_read_by_position() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"0123456789").unwrap();
        let files = Directory::new(folder.path());
        let source = block_on(files.open("a")).unwrap().unwrap();
        assert_eq!(source.size(), 10);
        assert_eq!(block_on(source.read(7..10)).unwrap(), b"789");
        assert_eq!(block_on(source.read(2..4)).unwrap(), b"23");
        assert_eq!(block_on(source.read(4..4)).unwrap(), b"");
        assert_eq!(block_on(source.read(8..11)).unwrap_err().kind(), ErrorKind::Io);
        // The file shrinks behind our back.
        fs::write(folder.path().join("a"), b"01234").unwrap();
        let error = block_on(source.read(2..10)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.at_fault().ends_with('a'), "{error}");
    }

    #[test]
    fn what_is_not_there_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inside")).unwrap();
        let files = Directory::new(folder.path());
        assert!(block_on(files.open("a")).unwrap().is_none());
        let inside = block_on(files.open("inside")).err().unwrap();
        assert_eq!(inside.kind(), ErrorKind::Io);
        let nowhere = Directory::new(folder.path().join("b"));
        let error = block_on(nowhere.open("a")).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.at_fault(), nowhere.describe());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_and_a_device_are_refused_before_they_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("config.json");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("model.safetensors")).unwrap();
        for name in ["config.json", "model.safetensors"] {
            let files = Directory::new(folder.path());
            let (send, answer) = std::sync::mpsc::channel();
            // Opening a pipe that nobody writes to would wait without end.
            std::thread::spawn(move || {
                let _ = send.send(block_on(files.open(name)).err().map(|error| error.to_string()));
            });
            let error = answer.recv_timeout(std::time::Duration::from_secs(20)).unwrap().unwrap();
            assert!(error.ends_with(&format!("{name}: is not a regular file")), "{error}");
        }
    }

    #[test]
    fn whole_files_have_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"0123456789").unwrap();
        let files = Directory::new(folder.path());
        assert_eq!(block_on(read_all(&files, "a", 10)).unwrap().unwrap(), b"0123456789");
        assert!(block_on(read_all(&files, "b", 10)).unwrap().is_none());
        let error = block_on(read_all(&files, "a", 9)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
    }

    #[test]
    fn a_failed_file_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let put = |text: &'static [u8], result: Result<()>| {
            write_file(&path, |out| {
                out.write_all(text).unwrap();
                result
            })
        };
        put(b"one", Ok(())).unwrap();
        let failed = put(b"two", Err(Error::new(ErrorKind::Aborted, "x", "stopped")));
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Aborted);
        assert_eq!((fs::read(&path).unwrap(), count()), (b"one".to_vec(), 1));
        put(b"three", Ok(())).unwrap();
        assert_eq!((fs::read(&path).unwrap(), count()), (b"three".to_vec(), 1));
        let nowhere = write_file(&path.join("b"), |_| Ok(())).unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::Io);
        assert!(nowhere.at_fault().ends_with('b'), "{nowhere}");
    }
}
