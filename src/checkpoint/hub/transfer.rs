//! One file from the hub to its place in the cache, however often the connection breaks.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::cache::{RepoCache, io_error};
use super::client::{Client, Remote, pause};
use crate::error::{Error, ErrorKind, Result};

const PIECE_BYTES: usize = 256 << 10;

/// Brings `remote` into the cache. `report` is told how many of its bytes are there.
pub(super) fn fetch(
    client: &Client,
    cache: &RepoCache,
    remote: &Remote,
    report: &mut dyn FnMut(u64),
) -> Result<()> {
    let _lock = cache.lock(&remote.etag)?;
    let blob = cache.blob(&remote.etag);
    // Another file, commit or process may have brought the same content.
    if !blob.is_file() {
        let incomplete = cache.incomplete(&remote.etag);
        collect(client, remote, &incomplete, report)?;
        check(remote, &incomplete)?;
        fs::rename(&incomplete, &blob).map_err(|source| io_error(&blob, source))?;
    }
    report(remote.size);
    cache.link(remote)
}

/// Appends to the file at `path` until it is complete. Gives up after several breaks in a row
/// that brought nothing; what is there stays for the next run.
fn collect(
    client: &Client,
    remote: &Remote,
    path: &Path,
    report: &mut dyn FnMut(u64),
) -> Result<()> {
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .and_then(|mut file| file.seek(SeekFrom::End(0)).map(|end| (file, end)))
        .map_err(|source| io_error(path, source))?;
    if file.1 > remote.size {
        restart(&mut file.0, path)?;
        file.1 = 0;
    }
    let (mut file, mut here) = file;
    let mut attempt = 0;
    report(here);
    while here < remote.size {
        let before = here;
        let Err(error) = append(client, remote, &mut file, path, &mut here, report) else {
            continue;
        };
        if here > before {
            attempt = 0;
        }
        if error.kind() != ErrorKind::Network || !pause(&mut attempt) {
            return Err(error);
        }
    }
    file.sync_all().map_err(|source| io_error(path, source))
}

/// One connection's worth of bytes, of which `here` are in the file already.
fn append(
    client: &Client,
    remote: &Remote,
    file: &mut File,
    path: &Path,
    here: &mut u64,
    report: &mut dyn FnMut(u64),
) -> Result<()> {
    let (start, body, host) = client.open(remote, *here)?;
    if start != *here {
        restart(file, path)?;
        *here = 0;
    }
    let broken = |here: u64, why: String| {
        let message = format!("{} broke off at byte {here} of {}: {why}", remote.name, remote.size);
        Error::new(ErrorKind::Network, &host, message)
    };
    let mut body = body.into_reader();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = match body.read(&mut piece) {
            Ok(0) if *here < remote.size => return Err(broken(*here, "the body ended".into())),
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(source) => return Err(broken(*here, source.to_string()).with_source(source)),
        };
        if count as u64 > remote.size - *here {
            // Nothing that was collected can be trusted then.
            restart(file, path)?;
            return Err(Error::new(
                ErrorKind::Checkpoint,
                &remote.name,
                format!("{host} sends more than the {} bytes it announced", remote.size),
            ));
        }
        file.write_all(&piece[..count]).map_err(|source| io_error(path, source))?;
        *here += count as u64;
        report(*here);
    }
}

fn restart(file: &mut File, path: &Path) -> Result<()> {
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .map(drop)
        .map_err(|source| io_error(path, source))
}

/// Compares the checksum of the file at `path` where the hub announced one, and deletes the file
/// if it differs, so that the next run starts afresh.
fn check(remote: &Remote, path: &Path) -> Result<()> {
    if !remote.is_sha256 {
        return Ok(());
    }
    let hash = || {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hash.finalize()),
                count => hash.update(&piece[..count]),
            }
        }
    };
    let hash = hash().map_err(|source| io_error(path, source))?;
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    if hex == remote.etag.to_ascii_lowercase() {
        return Ok(());
    }
    fs::remove_file(path).map_err(|source| io_error(path, source))?;
    Err(Error::new(
        ErrorKind::Checkpoint,
        &remote.name,
        format!("arrived with SHA-256 {hex} instead of {} and was deleted; try again", remote.etag),
    ))
}
