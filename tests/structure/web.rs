//! What stands both in the crate and in the npm package.

use std::collections::BTreeSet;

/// The texts that are compared.
pub struct Texts<'a> {
    pub cargo: &'a str,
    pub package: &'a str,
    pub lanes: &'a str,
    pub opening: &'a str,
    pub tuning: &'a str,
    pub error_rs: &'a str,
    pub error_ts: &'a str,
}

/// Versions and numbers that differ, and error codes that JavaScript does not know.
pub fn check(texts: &Texts<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let same = [
        (
            "version in Cargo.toml and package.json",
            between(texts.cargo, "\nversion = \"", "\""),
            between(texts.package, "\"version\": \"", "\""),
        ),
        (
            "version in Cargo.toml and js/tuning.ts",
            between(texts.cargo, "\nversion = \"", "\""),
            between(texts.tuning, "const VERSION = \"", " \";"),
        ),
        (
            "the kernel for CPUs in src/ops/matmul/lanes.rs and js/opening.ts",
            between(texts.lanes, "name: \"", "\""),
            between(texts.opening, "const SOFTWARE_KERNEL = \"", "\";"),
        ),
    ];
    for (what, ours, theirs) in same {
        if ours.is_none() || ours != theirs {
            problems.push(format!("{what}: {ours:?} and {theirs:?}"));
        }
    }
    let version = between(texts.cargo, "\nversion = \"", "\"").unwrap_or_default();
    for line in texts.cargo.lines().filter(|line| line.contains("{ path = ")) {
        if between(line, "version = \"", "\"") != Some(version) {
            problems.push(format!("Cargo.toml has another version than {version:?}: {line}"));
        }
    }
    let ours = between(texts.cargo, "repository = \"", "\"").unwrap_or_default();
    if ours.is_empty() || !texts.package.contains(&format!("\"git+{ours}.git\"")) {
        problems.push(format!("package.json has another repository than Cargo.toml, {ours:?}"));
    }
    let codes: BTreeSet<&str> = texts
        .error_rs
        .split("ErrorKind::")
        .filter_map(|arm| between(arm, " => \"", "\"").filter(|_| arm.len() < 200))
        .collect();
    if codes.is_empty() {
        problems.push("no error codes found in src/error.rs".into());
    }
    for code in codes {
        if !texts.error_ts.contains(&format!("| \"{code}\""))
            || !texts.error_ts.contains(&format!("| `{code}` |"))
        {
            problems.push(format!("js/error.ts does not list the code {code:?} in type and table"));
        }
    }
    problems
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Texts<'_> = Texts {
        cargo: "[package]\nversion = \"1.2.3\"\nrepository = \"https://a/b\"\n\
                a = { path = \".\", version = \"1.2.3\" }\n",
        package: "{ \"version\": \"1.2.3\", \"url\": \"git+https://a/b.git\" }",
        lanes: "name: \"lanes\",",
        opening: "const SOFTWARE_KERNEL = \"lanes\";",
        tuning: "const VERSION = \"1.2.3 \";",
        error_rs: "ErrorKind::Io => \"io\",\nErrorKind::Gpu => \"gpu\",",
        error_ts: "| `io` | | `gpu` | type A =\n | \"io\" | \"gpu\"",
    };

    #[test]
    fn what_agrees_passes() {
        assert_eq!(check(&GOOD), [""; 0]);
    }

    #[test]
    fn what_differs_is_found() {
        let package = "{ \"version\": \"1.2.4\", \"url\": \"git+https://a/b.git\" }";
        crate::assert_finds(check(&Texts { package, ..GOOD }), "1.2.4");
        let package = "{ \"version\": \"1.2.3\", \"url\": \"git+https://a/c.git\" }";
        crate::assert_finds(check(&Texts { package, ..GOOD }), "another repository");
        let cargo = GOOD.cargo.replace("\".\", version = \"1.2.3\"", "\".\", version = \"1.2.2\"");
        crate::assert_finds(check(&Texts { cargo: &cargo, ..GOOD }), "1.2.2");
        let tuning = "const VERSION = \"1.2.2 \";";
        crate::assert_finds(check(&Texts { tuning, ..GOOD }), "js/tuning.ts");
        crate::assert_finds(check(&Texts { opening: "", ..GOOD }), "kernel for CPUs");
        crate::assert_finds(check(&Texts { error_rs: "", ..GOOD }), "no error codes");
        let error_ts = "| `io` | | `gpu` | type A =\n | \"io\"";
        crate::assert_finds(check(&Texts { error_ts, ..GOOD }), "gpu");
    }
}
