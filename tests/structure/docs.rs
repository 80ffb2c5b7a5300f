//! Names in doc comments: a parameter that was renamed must not live on in what is said of it.
//! The compiler checks links alone, and most names are no links.

use std::collections::BTreeSet;

use crate::File;
use crate::text::is_word;

/// Words of Rust, names of other programs, of what is in their files, and of what the command line reads
/// and prints, which the code of a file need not have.
const FOREIGN: [&str; 21] = [
    "async",
    "peft",
    "huggingface_hub",
    "rouge_score",
    "_rebuild_tensor_v2",
    "use_rslora",
    "hidden_act",
    "architectures",
    "tokenizers",
    "regex",
    "main",
    "auto",
    "null",
    "info",
    "f16",
    "d_",
    "json",
    "longest",
    "accuracy",
    "first",
    "z",
];

/// Names in backquotes that neither the code of the same file has nor anybody else.
pub fn check_rust(files: &[File]) -> Vec<String> {
    // A module, a kernel or a test may be named by its file or folder.
    let stems: BTreeSet<&str> = files.iter().flat_map(|file| file.path.split(['/', '.'])).collect();
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let (docs, code): (Vec<_>, Vec<_>) =
            (1..).zip(file.text.lines()).partition(|(_, line)| line.trim_start().starts_with("//"));
        let known: BTreeSet<&str> = code.iter().flat_map(|(_, line)| words(line)).collect();
        for (number, line) in docs {
            let line = line.trim_start();
            let is_doc = line.starts_with("///") || line.starts_with("//!");
            if !is_doc || line.contains("```") {
                continue;
            }
            // Every second piece stands between two backquotes.
            for name in line.split('`').skip(1).step_by(2) {
                let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
                    && name.chars().all(is_word);
                if plain
                    && !known.contains(name)
                    && !stems.contains(name)
                    && !FOREIGN.contains(&name)
                {
                    problems.push(format!("{}:{number}: `{name}` is not in this file", file.path));
                }
            }
        }
    }
    problems
}

/// `@param` of what is declared below without such a parameter.
pub fn check_typescript(files: &[File]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        let lines: Vec<&str> = file.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some((_, rest)) = line.split_once("@param ") else { continue };
            // A type may stand before the name, in braces.
            let name = rest.rsplit_once('}').map_or(rest, |(_, name)| name);
            let Some(name) = words(name).next() else { continue };
            let mut below = lines[at..].iter().skip_while(|line| !line.contains("*/")).skip(1);
            let mut declaration = String::new();
            // To where its body begins, or its end where it has none.
            for line in below.by_ref() {
                declaration += line;
                declaration.push('\n');
                if line.trim_end().ends_with([';', '{']) {
                    break;
                }
            }
            if !words(&declaration).any(|word| word == name) {
                problems.push(format!("{}:{}: no parameter {name:?}", file.path, at + 1));
            }
        }
    }
    problems
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
}

#[test]
fn a_name_that_is_nowhere_in_the_file_is_found() {
    let good = "//! Uses `kernel`, `Type`, `a.b` and [`other`].\n/// Reads `rows` of \"key\".\n\
                fn f(rows: usize) { other(\"key\") }\n// a plain comment on `nothing`\n";
    let kernel = File::new("shaders/kernel.wgsl", "");
    assert_eq!(check_rust(&[File::new("src/a.rs", good), kernel]), [""; 0]);
    let bad = File::new("src/b.rs", "/// Reads `lines`.\nfn f(rows: usize) {} // lines\n");
    let renamed = File::new("src/c.rs", "/// Reads `lines`.\nfn f(rows: usize) {}\n");
    // What stands after code on a line counts as code: a check that is too strict would be in the way.
    crate::assert_finds(check_rust(&[bad, renamed]), "src/c.rs:1: `lines`");
}

#[test]
fn a_parameter_that_is_not_declared_is_found() {
    let good = "/**\n * @param rows how many\n * @param {Map<string, number>} of whose\n */\n\
                function f(\n  rows: number,\n  of: Map<string, number>,\n): void {\n";
    assert_eq!(check_typescript(&[File::new("js/a.ts", good)]), [""; 0]);
    let bad = "/** @param lines how many */\nfunction f(rows: number) {\n  lines;\n}\n";
    crate::assert_finds(check_typescript(&[File::new("js/b.ts", bad)]), "js/b.ts:1: no parameter");
}
