//! The file in which native programs remember [`cappy::Info::tuning`] from one load to the next.

use std::fs;
use std::path::PathBuf;

/// Where the kernels that were fastest on the last adapter, and how fast they and the CPU were, are
/// remembered.
fn file() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("cappy").join("tuning"))
}

/// What was remembered, for [`cappy::LoadOptions::tuning`].
pub fn read() -> Option<String> {
    fs::read_to_string(file()?).ok()
}

/// Remembers what a load found, if it is not what was `remembered` before it. Where it cannot be written, the next
/// load measures again.
pub fn write(tuning: &str, remembered: Option<&str>) {
    if !tuning.is_empty()
        && remembered != Some(tuning)
        && let Some(file) = file()
        && let Some(folder) = file.parent()
        && fs::create_dir_all(folder).is_ok()
    {
        let _ = fs::write(file, tuning);
    }
}
