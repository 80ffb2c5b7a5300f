//! Plain properties of texts, and Rust source without its comments and strings.

use crate::File;

const MOST_LINES: usize = 600;

/// Files that are too long to read in one go.
pub fn check_length(files: &[File]) -> Vec<String> {
    let lines = |file: &File| file.text.lines().count();
    let long = files.iter().filter(|file| lines(file) > MOST_LINES);
    long.map(|file| format!("{}: {} lines, at most {MOST_LINES}", file.path, lines(file))).collect()
}

/// Notes to come back later.
pub fn check_markers(files: &[File]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        for (line, number) in file.text.lines().zip(1..) {
            // Whole words only: a constant may be called ..._TODO_... for a reason.
            let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            if words.any(|word| ["TODO", "FIXME", "XXX"].contains(&word)) {
                problems.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    problems
}

/// Rust source with comments and the contents of strings and characters turned into spaces, so
/// that searching it finds code only. Line breaks stay.
pub fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match (at(i), at(i + 1)) {
            ('/', '/') => (i..chars.len()).find(|&j| at(j) == '\n').unwrap_or(chars.len()),
            ('/', '*') => block_comment_end(&chars, i),
            ('"', _) => string_end(&chars, i),
            ('r', '"' | '#') if !is_word(at(i.wrapping_sub(1))) || at(i - 1) == 'b' => {
                raw_string_end(&chars, i).unwrap_or(i)
            }
            // A character, and not a lifetime: 'a' or '\n'.
            ('\'', '\\') => {
                (i + 3..chars.len()).find(|&j| at(j) == '\'').map_or(chars.len(), |j| j + 1)
            }
            ('\'', _) if at(i + 2) == '\'' => i + 3,
            _ => i,
        };
        if end == i {
            out.push(at(i));
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

/// Whether `c` can be part of a Rust name.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut i = start;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// `None` when this is no raw string but a name such as `r#type`.
fn raw_string_end(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |i: usize| chars[i] == '"' && (1..=hashes).all(|k| chars.get(i + k) == Some(&'#'));
    let close = (open + 1..chars.len()).find(|&i| closes(i));
    Some(close.map_or(chars.len(), |i| i + 1 + hashes))
}

#[test]
fn code_only_keeps_code() {
    let source = r##"
use a::b; // crate::c
/* crate::d /* crate::e */ */ fn f<'a>(x: &'a str) -> char { '"' }
let s = "crate::g \" crate::h"; let r = r#"crate::i " "#; let t = '\''; let r#type = br"\"; g
"##;
    let code = code_only(source);
    assert_eq!(code.lines().count(), source.lines().count());
    assert!(!code.contains("crate"), "{code}");
    for kept in ["use a::b;", "fn f<'a>(x: &'a str) -> char {", "let r#type =", "; g"] {
        assert!(code.contains(kept), "{kept}: {code}");
    }
}

#[test]
fn long_files_are_found() {
    let long = File::new("src/long.rs", &"\n".repeat(MOST_LINES + 1));
    let short = File::new("src/short.rs", &"\n".repeat(MOST_LINES));
    crate::assert_finds(check_length(&[short, long]), "src/long.rs: 601 lines");
}

#[test]
fn markers_are_found() {
    let marker = ["// TO", "DO: later"].concat();
    let file = File::new("src/a.rs", &format!("fn a() {{}}\n{marker}\nconst MASTODON: u8 = 0;\n"));
    crate::assert_finds(check_markers(&[file]), "src/a.rs:2");
}
