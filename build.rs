//! Makes Rust of what is known before: the kernels under `shaders/`, and classes of characters for
//! the tokenizer, as regular expressions have them.

#[path = "build/generate.rs"]
mod generate;
#[path = "build/kernels.rs"]
mod kernels;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use regex_syntax::hir::{Class, HirKind};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=shaders");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a folder"));
    let files = kernels::read(Path::new("shaders"))?;
    for (path, text) in &files {
        let to = out.join("shaders").join(path).with_extension("wgsl");
        fs::create_dir_all(to.parent().expect("it lies in a folder"))?;
        // They travel to every page inside the WebAssembly, and a quarter of a kernel is explanation.
        fs::write(to, kernels::strip(path, text))?;
    }
    match generate::rust(&files) {
        Ok(code) => fs::write(out.join("kernels.rs"), code)?,
        Err(problem) => {
            for line in problem.lines() {
                println!("cargo::error={line}");
            }
        }
    }
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
