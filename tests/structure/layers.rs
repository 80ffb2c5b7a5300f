//! The layers of the library: a module uses only layers below its own. Cargo holds the same between crates.

use std::collections::BTreeMap;

use crate::File;
use crate::paths::{Code, named_paths, names_crate};

/// From the bottom up: each row is a group of modules and its layer. Modules of one group may use
/// each other, groups of one layer may not.
const GROUPS: [(u8, &[&str]); 16] = [
    (0, &["error", "config", "adapter"]),
    (1, &["tokenizer"]),
    (1, &["checkpoint"]),
    (1, &["reference"]),
    (1, &["rouge"]),
    (1, &["lines"]),
    (2, &["backend", "batch", "options"]),
    (2, &["gpu"]),
    (2, &["rendering"]),
    (3, &["ops"]),
    (3, &["source"]),
    (3, &["pace"]),
    (4, &["encoder"]),
    (4, &["tune"]),
    (5, &["gpu_backend"]),
    (6, &["scorer", "rank", "decide", "explain", "best", "bench", "adapt", "convert"]),
];

/// Traits and types, and a folder in memory for tests, which the groups of layer 1 read bytes through.
const BYTE_SOURCES: [&str; 2] = ["checkpoint::source", "checkpoint::MemoryFiles"];

/// The reference implementations, which the product must not lean on.
const TEST_ONLY: &str = "reference";

/// Crates that only some places may use: the crate, and the beginnings of their paths.
const CONFINED: [(&str, &[&str]); 1] = [("wgpu", &["src/gpu/", "src/ops/"])];

/// The group of a module: its layer and its place in [`GROUPS`].
fn group(module: &str) -> Option<(u8, usize)> {
    let place = GROUPS.iter().position(|(_, modules)| modules.contains(&module))?;
    Some((GROUPS[place].0, place))
}

/// Every use of a layer that is not below, and of crates and of the reference implementations where they do
/// not belong.
pub fn check(files: &[File]) -> Vec<String> {
    let parsed: Vec<(&File, Code)> =
        files.iter().map(|file| (file, Code::of(&file.text))).collect();
    let exported = exports(&parsed);
    let mut problems = Vec::new();
    for (file, code) in &parsed {
        let Some(module) = module(&file.path) else { continue };
        for (name, places) in CONFINED {
            let allowed = places.iter().any(|place| file.path.starts_with(place));
            if !allowed && [&code.product, &code.test].iter().any(|code| names_crate(code, name)) {
                problems.push(format!("{}: uses {name}", file.path));
            }
        }
        let Some(own) = group(&module[0]) else {
            problems.push(format!("{}: {} is in no layer", file.path, module[0]));
            continue;
        };
        let only_for_tests = parsed.iter().any(|(parent, parent_code)| {
            module.last().is_some_and(|last| parent_code.test_modules.contains(last))
                && is_parent(&parent.path, &module)
        });
        for (text, is_test) in [(&code.product, only_for_tests), (&code.test, true)] {
            for path in named_paths(text, module.len()) {
                if let Some(what) = fault(&path, &module[0], own, is_test, &exported) {
                    problems.push(format!("{}: {what}", file.path));
                }
            }
        }
    }
    problems
}

/// What is wrong with `path`, named in a module of the group `own`.
fn fault(
    path: &str,
    module: &str,
    own: (u8, usize),
    is_test: bool,
    exported: &BTreeMap<String, String>,
) -> Option<String> {
    let first = path.split("::").next().unwrap_or_default();
    if first == "*" {
        return Some("imports everything from the crate's root".into());
    }
    let target = exported.get(first).map_or(first, String::as_str);
    if target == module || target == "super" || target == "self" {
        return None;
    }
    if target == TEST_ONLY {
        return (!is_test).then(|| format!("uses {TEST_ONLY} outside of tests"));
    }
    let Some((layer, place)) = group(target) else {
        return Some(format!("crate::{path} is in no layer"));
    };
    let is_byte_source = BYTE_SOURCES.iter().any(|source| path.starts_with(source));
    let layer = if is_byte_source { 0 } else { layer };
    let fine = layer < own.0 || place == own.1;
    (!fine).then(|| format!("crate::{path} is in layer {layer}, not below layer {}", own.0))
}

/// `["ops", "matmul"]` for `src/ops/matmul.rs`; `None` for `src/lib.rs`, which names everything.
fn module(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    (path != "lib").then(|| path.split('/').map(str::to_string).collect())
}

/// Whether the file at `path` is the one that declares `module`.
fn is_parent(path: &str, module: &[String]) -> bool {
    match module {
        [_] => path == "src/lib.rs",
        [outer @ .., _] => {
            let folder = outer.join("/");
            path == format!("src/{folder}/mod.rs") || path == format!("src/{folder}.rs")
        }
        [] => false,
    }
}

/// For each name that `src/lib.rs` re-exports the module it comes from.
fn exports(parsed: &[(&File, Code)]) -> BTreeMap<String, String> {
    let Some((_, lib)) = parsed.iter().find(|(file, _)| file.path == "src/lib.rs") else {
        return BTreeMap::new();
    };
    // Written as paths from the root, so that the same reader understands them.
    let rooted =
        lib.product.replace("pub use ", "use crate::").replace("crate::crate::", "crate::");
    named_paths(&rooted, 0)
        .iter()
        .filter_map(|path| {
            let (module, rest) = path.split_once("::")?;
            let name = rest.rsplit("::").next()?;
            Some((name.to_string(), module.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        let lib = "mod error; pub use error::{Error, Result}; pub use scorer::Scorer;\n\
                   #[cfg(test)]\nmod reference;";
        let ops = "#[cfg(test)]\nmod testing;";
        check(&[
            File::new("src/lib.rs", lib),
            File::new("src/ops/mod.rs", ops),
            File::new(path, text),
        ])
    }

    #[test]
    fn what_is_allowed_passes() {
        for (path, text) in [
            ("src/config.rs", "use crate::error::Error;"),
            ("src/encoder/mod.rs", "use crate::{batch::Batch, ops::matmul, gpu::Gpu, Result};"),
            ("src/rank.rs", "use crate::scorer::Scorer;"),
            ("src/ops/matmul.rs", "use wgpu::Buffer; use super::{stride, attention};"),
            ("src/ops/matmul.rs", "#[cfg(test)]\nmod tests { use crate::reference; }"),
            ("src/ops/testing.rs", "use crate::reference;"),
            ("src/tokenizer/mod.rs", "use crate::checkpoint::source::Files;"),
            ("src/gpu/mod.rs", "// use crate::scorer;\nconst A: &str = \"crate::scorer\";"),
            ("src/batch.rs", "#[cfg(test)]\nmod tests { use super::*; use super::gather; }"),
        ] {
            assert_eq!(problems(path, text), [""; 0], "{path}: {text}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_found() {
        for (path, text, what) in [
            ("src/gpu/mod.rs", "use crate::ops::matmul;", "crate::ops::matmul is in layer 3"),
            ("src/gpu/mod.rs", "fn f() -> crate::Scorer {}", "crate::Scorer is in layer 6"),
            ("src/gpu/device.rs", "use super::super::encoder::Encoder;", "is in layer 4"),
            ("src/error.rs", "use crate::{config::Config, gpu};", "crate::gpu is in layer 2"),
            ("src/tokenizer/mod.rs", "use crate::checkpoint::Checkpoint;", "is in layer 1"),
            ("src/encoder.rs", "#[cfg(test)]\nmod t { use crate::scorer::A; }", "is in layer 6"),
            ("src/encoder.rs", "use super::scorer::A;", "is in layer 6"),
            ("src/encoder.rs", "mod a { use super::super::rank::B; }", "is in layer 6"),
            ("src/encoder.rs", "use crate::*;", "imports everything"),
            ("src/encoder.rs", "use crate::reference::gelu;", "outside of tests"),
            ("src/bench.rs", "use crate::reference::gelu;", "outside of tests"),
            ("src/encoder.rs", "use crate::cellar::wine;", "is in no layer"),
            ("src/cellar.rs", "", "cellar is in no layer"),
            ("src/scorer.rs", "fn f(d: wgpu::Device) {}", "uses wgpu"),
            ("src/scorer.rs", "#[cfg(test)]\nmod t { use wgpu::Buffer; }", "uses wgpu"),
        ] {
            crate::assert_finds(problems(path, text), what);
        }
    }
}
