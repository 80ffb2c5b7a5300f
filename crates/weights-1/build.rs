//! Finds this crate's half of the weights: in the repository it is cut from the model's one file, and in the published
//! crate scripts/split-weights has done that.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let whole = Path::new("../../models/cappy-small/model.safetensors");
    let packed = Path::new("half.bin");
    let (from, half) = if whole.exists() {
        let mut bytes = fs::read(whole)?;
        bytes.truncate(bytes.len() / 2);
        (whole, bytes)
    } else {
        (packed, fs::read(packed)?)
    };
    println!("cargo::rerun-if-changed={}", from.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a folder"));
    fs::write(out.join("half.bin"), half)
}
