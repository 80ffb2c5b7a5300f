//! What an unfinished `cappy adapt` keeps in its folder: `state/step-N/`, the newest whole one.

use std::fs;
use std::path::{Path, PathBuf};

use cappy::adapt::{Adaptation, Kept};
use cappy::checkpoint::{Checkpoint, Directory, write_file};
use cappy::{Error, ErrorKind};

use crate::failure::Result;
use crate::progress;

/// Written last, so that a folder that has it is whole.
const KEPT: &str = "kept.json";

/// Goes on from the newest state in `out`, if there is one.
pub async fn resume(out: &Path, restart: bool, adaptation: &mut Adaptation) -> Result<()> {
    if restart {
        return forget(out);
    }
    let Some(folder) = states(out).pop() else { return Ok(()) };
    let path = folder.join(KEPT);
    let bytes = fs::read(&path).map_err(|error| unusable(&path, error))?;
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(ErrorKind::Input, path.display().to_string(), error.to_string())
    })?;
    let numbers = Checkpoint::open(&Directory::new(&folder)).await?;
    let steps = kept.history.steps.len();
    adaptation.resume(kept, &numbers).await.map_err(|error| {
        let what = format!("{}; --restart begins anew", error.what());
        Error::new(error.kind(), path.display().to_string(), what)
    })?;
    progress::note(&format!("going on after step {steps} of an earlier run"));
    Ok(())
}

/// Keeps where the run is now, and then drops what was kept before.
pub async fn keep(out: &Path, adaptation: &Adaptation) -> Result<()> {
    let step = adaptation.history().steps.len();
    let folder = out.join("state").join(format!("step-{step:08}"));
    fs::create_dir_all(&folder).map_err(|error| unusable(&folder, error))?;
    let weights = folder.join("model.safetensors");
    let kept = write_file(&weights, |file| pollster::block_on(adaptation.write_state(file)))?;
    let json = serde_json::to_vec(&kept).map_err(|error| unusable(&folder, error.into()))?;
    write(&folder.join(KEPT), &json)?;
    for old in states(out).into_iter().filter(|state| *state != folder) {
        fs::remove_dir_all(&old).map_err(|error| unusable(&old, error))?;
    }
    Ok(())
}

/// Drops everything that was kept.
pub fn forget(out: &Path) -> Result<()> {
    let folder = out.join("state");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(unusable(&folder, error).into())
        }
        _ => Ok(()),
    }
}

/// Writes a whole file or none.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |error| unusable(path, error);
    Ok(write_file(path, |out| out.write_all(bytes).map_err(io))?)
}

/// The whole states, oldest first.
fn states(out: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(out.join("state")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|folder| folder.join(KEPT).is_file()).collect();
    folders.sort();
    folders
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, path.display().to_string(), error.to_string())
}
