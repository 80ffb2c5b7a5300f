//! Which modules of the crate a Rust file names, read from its text.

use std::collections::BTreeSet;

use crate::text::{code_only, is_word};

/// Code of one file, split by whether it is compiled into the product or only into tests.
pub struct Code {
    pub product: String,
    pub test: String,
    /// Modules in files of their own that are declared for tests only (`#[cfg(test)] mod x;`).
    pub test_modules: Vec<String>,
}

impl Code {
    /// Splits `source` at its `#[cfg(test)]` items.
    pub fn of(source: &str) -> Code {
        let code = code_only(source);
        let mut parts = Code { product: String::new(), test: String::new(), test_modules: vec![] };
        let mut rest = code.as_str();
        while let Some(start) = rest.find("#[cfg(test)]") {
            let (before, item) = rest.split_at(start);
            let item = &item[..item_length(item)];
            parts.product.push_str(before);
            parts.test.push_str(item);
            parts.test.push('\n');
            let mut words = item.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
            if item.ends_with(';') && words.any(|word| word == "mod") {
                parts.test_modules.extend(words.next().map(str::to_string));
            }
            rest = &rest[start + item.len()..];
        }
        parts.product.push_str(rest);
        parts
    }
}

/// Bytes of the item that `text` begins with: to its `;`, or to the end of its braces.
fn item_length(text: &str) -> usize {
    let item = text.trim_start_matches("#[cfg(test)]").trim_start();
    let is_use = item.starts_with("use ") || item.starts_with("pub use ");
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (c == ';' || (c == '}' && !is_use)) {
            return i + 1;
        }
    }
    text.len()
}

/// Whether `code` has a path into the crate `name`, or imports it as a whole.
pub fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(i, _)| {
        let (before, after) = (&code[..i], &code[i + name.len()..]);
        if before.ends_with(is_word) || after.starts_with(is_word) {
            return false;
        }
        // `a::name` is something else, `::name` is the crate.
        let inside_path = before.strip_suffix("::").is_some_and(|outer| outer.ends_with(is_word));
        let imported = before.trim_end().ends_with("use");
        !inside_path && (imported || after.starts_with("::"))
    })
}

/// What stands right after the crate's root in `crate::x::y` or an equal `super::` path, with
/// groups taken apart: `crate::{a::b, c}` names `a::b` and `c`.
///
/// `depth` is how many modules deep the file is: 1 for `src/x.rs` and `src/x/mod.rs`.
pub fn named_paths(code: &str, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let compact: String = squeeze(code);
    for (i, _) in compact.match_indices("crate::") {
        if !compact[..i].ends_with(is_word) {
            take_tree(&compact[i + "crate::".len()..], "", &mut found);
        }
    }
    for (i, levels, rest) in super_paths(&compact) {
        if levels == depth + inline_modules(&compact[..i]) {
            take_tree(rest, "", &mut found);
        }
    }
    found
}

/// Each run of `super::`: where it begins, how many there are, and what follows.
fn super_paths(compact: &str) -> impl Iterator<Item = (usize, usize, &str)> {
    const SUPER: &str = "super::";
    let starts = compact.match_indices(SUPER).map(|(i, _)| i);
    starts.filter(|&i| !compact[..i].ends_with(is_word) && !compact[..i].ends_with("::")).map(|i| {
        let rest = compact[i..].trim_start_matches(SUPER);
        (i, (compact.len() - i - rest.len()) / SUPER.len(), rest)
    })
}

/// How many `mod name {` are open at the end of `compact`.
fn inline_modules(compact: &str) -> usize {
    let mut open = Vec::new();
    for (i, c) in compact.char_indices() {
        if c == '{' {
            let before = compact[..i].trim_end_matches(is_word);
            open.push(before.strip_suffix("mod ").is_some_and(|outer| !outer.ends_with(is_word)));
        } else if c == '}' {
            open.pop();
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

/// The text without spaces, except one between two words.
fn squeeze(code: &str) -> String {
    let mut out = String::new();
    let mut space = false;
    for c in code.chars() {
        if c.is_whitespace() {
            space = true;
            continue;
        }
        if space && is_word(c) && out.ends_with(is_word) {
            out.push(' ');
        }
        space = false;
        out.push(c);
    }
    out
}

/// Reads one use tree and gives what follows it.
fn take_tree<'a>(text: &'a str, prefix: &str, found: &mut BTreeSet<String>) -> &'a str {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = take_tree(rest, prefix, found);
            // " as name" is skipped up to the next tree.
            let next = rest.find([',', '}']).unwrap_or(rest.len());
            rest = &rest[next..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    if let Some(rest) = text.strip_prefix('*') {
        found.insert(format!("{prefix}*"));
        return rest;
    }
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return rest;
    }
    let path = format!("{prefix}{name}");
    match rest.strip_prefix("::") {
        Some(deeper) => take_tree(deeper, &format!("{path}::"), found),
        None => {
            found.insert(path);
            rest
        }
    }
}

#[test]
fn paths_are_found_in_every_form() {
    let code = "
        use crate::a; use crate::b::C;
        use crate::{d, e::{F, g as h}, i::*};
        pub(crate) fn j(k: &crate::l::M) -> super::n::O { mycrate::p; my::super::q; $crate::r }
        use super::{
            s,
            t::U,
        };";
    let paths: Vec<String> = named_paths(code, 1).into_iter().collect();
    assert_eq!(paths, ["a", "b::C", "d", "e::F", "e::g", "i::*", "l::M", "n::O", "r", "s", "t::U"]);
    let inline = "fn a() {} mod tests { use super::*; use super::v::w; use super::super::x; }";
    assert_eq!(named_paths(inline, 1).into_iter().collect::<Vec<_>>(), ["x"]);
    assert!(!named_paths("use super::v::w;", 2).contains("v::w"));
    assert!(named_paths("use super::super::v::w;", 2).contains("v::w"));
}

#[test]
fn test_code_is_split_off() {
    let code = Code::of(
        "mod a;\n#[cfg(test)]\nmod b;\n#[cfg(test)]\nuse crate::{c, d};\nuse crate::e;\n\
         #[cfg(test)]\nmod f { use crate::g; fn x() {} }\nuse crate::h;",
    );
    assert_eq!(code.test_modules, ["b"]);
    let named = |code: &str| named_paths(code, 1).into_iter().collect::<Vec<_>>();
    assert_eq!(named(&code.product), ["e", "h"]);
    assert_eq!(named(&code.test), ["c", "d", "g"]);
}

#[test]
fn crates_are_found_as_whole_words_only() {
    assert!(names_crate("use wgpu::Device;", "wgpu"));
    assert!(names_crate("fn f(d: &wgpu::Device)", "wgpu"));
    assert!(names_crate("fn f(d: &::wgpu::Device)", "wgpu"));
    assert!(names_crate("use wgpu as gpu;", "wgpu"));
    for other in ["let wgpu = 1;", "my_wgpu::x", "a::wgpu::x", "wgpu_types::x"] {
        assert!(!names_crate(other, "wgpu"), "{other}");
    }
}
