//! The cache folder's layout, shared with Python: for each model `refs/<revision>` holds a commit,
//! `snapshots/<commit>/<file>` links to `blobs/<etag>`, and `.no_exist/<commit>/<file>` marks what
//! the hub does not have. Locks lie in `.locks` beside the models.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::client::Remote;
use super::id::ModelId;
use crate::error::{Error, ErrorKind, Result};

/// The folder of one model.
pub(super) struct RepoCache {
    folder: PathBuf,
    locks: PathBuf,
}

/// An [`ErrorKind::Io`] that names `path`.
pub(super) fn io_error(path: &Path, source: io::Error) -> Error {
    Error::new(ErrorKind::Io, path.display().to_string(), source.to_string()).with_source(source)
}

/// Forty hexadecimal digits.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

impl RepoCache {
    pub(super) fn new(cache: &Path, model: &ModelId) -> RepoCache {
        let name = model.folder();
        RepoCache { folder: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    /// The commit that `revision` was last known to be.
    pub(super) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.into());
        }
        let commit = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(commit.trim().to_string()).filter(|commit| is_commit(commit))
    }

    /// Remembers what `revision` is. Not being able to only costs a later run its offline use,
    /// and a complete cache on a read-only disk is a good one.
    pub(super) fn save_commit(&self, revision: &str, commit: &str) {
        if revision == commit || self.commit(revision).as_deref() == Some(commit) {
            return;
        }
        let path = self.folder.join("refs").join(revision);
        let _ = write_small(&path, commit.as_bytes());
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    pub(super) fn has(&self, commit: &str, name: &str) -> bool {
        self.snapshot(commit).join(name).is_file()
    }

    /// The whole of a file, which has at most `most` bytes.
    pub(super) fn read(&self, commit: &str, name: &str, most: u64) -> Result<Vec<u8>> {
        let path = self.snapshot(commit).join(name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
        read.map_err(|source| io_error(&path, source))?;
        if bytes.len() as u64 > most {
            return Err(super::too_large(&path.display().to_string(), most));
        }
        Ok(bytes)
    }

    fn absent(&self, commit: &str, name: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(name)
    }

    pub(super) fn is_known_absent(&self, commit: &str, name: &str) -> bool {
        self.absent(commit, name).is_file()
    }

    /// Spares later runs, and Python, a question; failing to is no harm.
    pub(super) fn mark_absent(&self, commit: &str, name: &str) {
        let _ = write_small(&self.absent(commit, name), b"");
    }

    /// Where the content with this etag is kept.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Where it is collected until it is complete.
    pub(super) fn incomplete(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    /// Waits until no other process downloads the same content. The lock ends with the file.
    pub(super) fn lock(&self, etag: &str) -> Result<File> {
        let path = self.locks.join(format!("{etag}.lock"));
        let open = || {
            fs::create_dir_all(&self.locks)?;
            fs::create_dir_all(self.folder.join("blobs"))?;
            let file = File::options().create(true).append(true).open(&path)?;
            match file.lock() {
                // Some network disks have no locks; then the cache is as good without.
                Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
                _ => Ok(file),
            }
        };
        open().map_err(|source| io_error(&path, source))
    }

    /// Makes the blob appear in its snapshot under its own name.
    pub(super) fn link(&self, remote: &Remote) -> Result<()> {
        let path = self.snapshot(&remote.commit).join(&remote.name);
        // Out of the folders in the snapshot, too, if the file is in one.
        let up = "../".repeat(2 + remote.name.matches('/').count());
        let link = || {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            if path.symlink_metadata().is_ok() {
                // Left over without its blob, else the file would not have been asked for.
                fs::remove_file(&path)?;
            }
            symlink(&Path::new(&format!("{up}blobs")).join(&remote.etag), &path)
                // Where links are not allowed, the file itself lies in the snapshot.
                .or_else(|_| fs::rename(self.blob(&remote.etag), &path))
        };
        link().map_err(|source| io_error(&path, source))?;
        // Somebody was told before that the hub has no such file.
        let _ = fs::remove_file(self.absent(&remote.commit, &remote.name));
        Ok(())
    }
}

/// Writes a small file as a whole or not at all.
fn write_small(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = path.with_added_extension(format!("{}.tmp", std::process::id()));
    fs::write(&beside, content)?;
    fs::rename(&beside, path)
}

#[cfg(unix)]
fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, at)
}
