//! Shaders without their comments and indentation: they travel to every page inside the
//! WebAssembly, and a quarter of a kernel is explanation. Lines stay where they are, so that what a
//! compiler says of them fits the files.
//!
//! Classes of characters for the tokenizer, as regular expressions have them.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use regex_syntax::hir::{Class, HirKind};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a folder"));
    strip(Path::new("shaders"), &out.join("shaders"))?;
    fs::write(out.join("classes.rs"), classes())
}

/// Where the characters of each class begin and end, by turns.
fn classes() -> String {
    let mut code = String::new();
    for (name, pattern) in [("LETTERS", r"\p{L}"), ("NUMBERS", r"\p{N}"), ("WORD", r"\w")] {
        let hir = regex_syntax::parse(pattern).expect("the pattern is one");
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else {
            panic!("{pattern} is no class of characters");
        };
        let edges: Vec<_> = class
            .ranges()
            .iter()
            .flat_map(|range| [range.start() as u32, range.end() as u32 + 1])
            .collect();
        code += &format!("const {name}: &[u32] = &{edges:?};\n");
    }
    code
}

fn strip(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            strip(&entry.path(), &to)?;
            continue;
        }
        let mut stripped = String::new();
        for line in fs::read_to_string(entry.path())?.lines() {
            // WGSL has no strings that two slashes could stand in.
            stripped += line.split("//").next().unwrap_or_default().trim();
            stripped.push('\n');
        }
        fs::write(to, stripped)?;
    }
    Ok(())
}
