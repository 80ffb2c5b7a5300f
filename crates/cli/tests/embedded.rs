//! The commands without `--model`, on the model that is embedded.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What the binary prints, with no network and no settings of this machine.
fn cappy(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cappy"));
    command.args(arguments).env("HF_HUB_OFFLINE", "1").env("HF_HOME", "no-such-folder");
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn ranked(more: &[&str]) -> Vec<Value> {
    let question = "How do I boil an egg?";
    let right = "Put it into boiling water and wait for about eight minutes.";
    let wrong = "The train to the coast leaves at noon from platform four.";
    let given = ["rank", "--device=gpu", "--json", question, wrong, right];
    serde_json::from_str(&cappy(&[&given[..], more].concat())).unwrap()
}

#[test]
fn without_a_model_named_cappy_small_ranks() {
    let default = ranked(&[]);
    assert_eq!(default[0]["index"], 1, "{default:?}");
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/cappy-small"));
    assert_eq!(ranked(&["--model", folder.to_str().unwrap()]), default);
    assert!(cappy(&["info"]).starts_with("model         cappy-small (embedded)\n"));
}

#[test]
fn the_embedded_model_is_written_in_other_bits() {
    let folder = tempfile::tempdir().unwrap();
    // Stored in 4 bits, it scores as ever where those are written out in 16.
    let out = folder.path().join("f16").display().to_string();
    cappy(&["convert", "embedded", &out, "--dtype", "f16"]);
    assert_eq!(ranked(&["--model", &out]), ranked(&["--dtype", "f16"]));
    let info: Value = serde_json::from_str(&cappy(&["info", "--json", "--model", &out])).unwrap();
    assert_eq!(info["weights"], "f16");
}
