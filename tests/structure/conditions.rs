//! Code that only some builds have is rare: each condition is a build of its own to keep in mind.

use crate::File;

/// Conditions outside of tests, in all crates together.
const MOST: usize = 60;

/// What begins a condition. One that asks for tests is none.
const BEGINNINGS: [&str; 3] = ["cfg(", "cfg_attr(", "cfg!("];

/// Too many conditions.
pub fn check(files: &[File]) -> Vec<String> {
    let counts = files.iter().filter(|file| !is_test(&file.path)).map(|file| {
        let lines = file.text.lines().filter(|line| !line.contains("cfg(test)"));
        let conditions =
            lines.filter(|line| BEGINNINGS.iter().any(|beginning| line.contains(beginning)));
        (conditions.count(), &file.path)
    });
    let mut counts: Vec<_> = counts.filter(|(count, _)| *count > 0).collect();
    let sum: usize = counts.iter().map(|(count, _)| count).sum();
    if sum < MOST {
        return Vec::new();
    }
    counts.sort_unstable_by(|a, b| b.cmp(a));
    vec![format!("{sum} conditions, and fewer than {MOST} are wanted: {counts:?}")]
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.ends_with("tests.rs") || path.contains("/tests/") || !path.ends_with(".rs")
}

#[test]
fn conditions_are_counted_where_they_are_not_for_tests() {
    let many = "#[cfg(unix)]\n".repeat(MOST);
    assert!(check(&[File::new("src/tests.rs", &many)]).is_empty());
    assert!(check(&[File::new("src/a.rs", &"#[cfg(test)]\n".repeat(MOST))]).is_empty());
    let files = [File::new("src/a.rs", &many), File::new("crates/b/src/b.rs", "if cfg!(unix) {}")];
    crate::assert_finds(check(&files), "61 conditions");
}
