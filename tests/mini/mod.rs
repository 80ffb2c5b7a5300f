//! cappy-mini, the model that tests load where any real model will do: a batch of it takes a tenth of the
//! time of the default model's. What is embedded is tested by tests/embedded.rs.

use std::path::{Path, PathBuf};

/// Its folder, found from the folder of whichever crate's tests ask.
pub fn folder() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = crate_folder.ancestors().map(|at| at.join("models/cappy-mini"));
    folders.find(|folder| folder.is_dir()).expect("models/cappy-mini is in the repository")
}

/// `--model` and the folder, where a command line takes a model and names none.
#[allow(dead_code, reason = "some tests load it through the library alone")]
pub fn unless_named(arguments: &[&str]) -> Vec<String> {
    let commands = [
        "rank",
        "score",
        "info",
        "eval",
        "classification",
        "selection",
        "adapt",
        "decide",
        "explain",
    ];
    let takes_one = arguments.first().is_some_and(|first| commands.contains(first));
    if !takes_one || arguments.contains(&"--model") {
        return Vec::new();
    }
    vec!["--model".into(), folder().display().to_string()]
}
