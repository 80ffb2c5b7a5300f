//! The commands that the documentation shows are commands of this program.

use std::path::Path;
use std::{fs, io};

use clap::Parser;

use crate::Cli;

/// Pages that show commands: those at the root, and those in these folders.
const FOLDERS: [&str; 6] =
    ["", "docs", "crates/cli", "models/cappy-small", "models/cappy-mini", "examples/adapt"];

/// What stands for `cappy` in a checkout.
const IN_A_CHECKOUT: [&[&str]; 2] = [&["cargo", "run", "--release", "--"], &["cargo", "run", "--"]];

/// The commands of this program among the lines of a page's blocks for shells, each with its line.
fn commands(page: &str) -> Vec<(usize, Vec<String>)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            inside = !inside && language == "sh";
            continue;
        }
        if !inside {
            continue;
        }
        let words = shlex::split(line).unwrap_or_else(|| panic!("line {number}: quotes are open"));
        let pieces = words.split(|word| ["|", "&&", ";"].contains(&&**word));
        found.extend(pieces.filter_map(command).map(|command| (number, command)));
    }
    found
}

/// The words of one command from `cappy` on, without variables before it and files after it.
fn command(words: &[String]) -> Option<Vec<String>> {
    let variables = words.iter().take_while(|word| is_variable(word)).count();
    let words = &words[variables..];
    let until = words.iter().position(|word| [">", "<"].contains(&&**word)).unwrap_or(words.len());
    let words = &words[..until];
    let rest = match words.first()?.as_str() {
        "cappy" => &words[1..],
        _ => IN_A_CHECKOUT.iter().find_map(|prefix| {
            let fits =
                words.len() >= prefix.len() && words.iter().zip(*prefix).all(|(a, b)| a == b);
            fits.then(|| &words[prefix.len()..])
        })?,
    };
    Some([&["cappy".to_owned()], rest].concat())
}

/// `NAME=value`, as it stands before a command.
fn is_variable(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

#[test]
fn commands_in_the_documentation_are_understood() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut count = 0;
    for folder in FOLDERS {
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            for (line, words) in commands(&fs::read_to_string(&path)?) {
                count += 1;
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{}:{line}: {words:?}: {error}", path.display());
                }
            }
        }
    }
    assert!(count > 20, "only {count} commands were found");
    Ok(())
}

#[test]
fn commands_are_found_among_other_lines() {
    let page = "cappy no\n```sh\ncd a  # cappy no\nA_B='c d' cappy rank 'x y' z < in | less\n\
                echo {} | cargo run --release -- decide -\n```\n```text\ncappy no\n```\n";
    let found: Vec<_> =
        commands(page).into_iter().map(|(line, words)| (line, words.join("_"))).collect();
    assert_eq!(found, [(4, "cappy_rank_x y_z".to_owned()), (5, "cappy_decide_-".to_owned())]);
}
