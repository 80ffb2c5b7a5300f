//! Folders in environment variables, with `~` and `$VAR` as Python's `os.path` expands them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The value of a variable by its name.
pub(super) type Var<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The path in `value`: first `~` and `~user` at its beginning, then variables. What is unknown
/// stays as it is.
pub(super) fn expand(value: OsString, var: Var, user: Option<&Path>) -> PathBuf {
    match value.to_str() {
        Some(text) => variables(&home(text, user), var).into(),
        None => value.into(),
    }
}

fn home(text: &str, user: Option<&Path>) -> String {
    let Some(rest) = text.strip_prefix('~') else { return text.into() };
    let is_separator = |c| c == '/' || (cfg!(windows) && c == '\\');
    let (name, below) = rest.split_at(rest.find(is_separator).unwrap_or(rest.len()));
    let folder = match name {
        "" => user.and_then(Path::to_str).map(str::to_owned),
        name => of_user(name),
    };
    match folder {
        Some(folder) if below.is_empty() => folder,
        Some(folder) => folder.trim_end_matches(is_separator).to_owned() + below,
        None => text.into(),
    }
}

/// The home folder of another user.
fn of_user(name: &str) -> Option<String> {
    if cfg!(not(unix)) {
        return None;
    }
    // name:password:number:group:comment:home:shell
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(5).map(str::to_owned)
}

/// The text with the values of `$name` and `${name}`, on Windows of `%name%` too.
fn variables(text: &str, var: Var) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(sign) = rest.find(|c| c == '$' || (cfg!(windows) && c == '%')) {
        out += &rest[..sign];
        rest = &rest[sign..];
        let after = &rest[1..];
        let (name, length) = if rest.starts_with('%') {
            after.find('%').map_or(("", 0), |end| (&after[..end], end + 2))
        } else if let Some(braced) = after.strip_prefix('{') {
            braced.find('}').map_or(("", 0), |end| (&braced[..end], end + 3))
        } else {
            let other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            let end = after.find(other).unwrap_or(after.len());
            (&after[..end], end + 1)
        };
        let value = Some(name).filter(|name| !name.is_empty()).and_then(var);
        let (known, after) = rest.split_at(length.max(1));
        match value.and_then(|value| value.into_string().ok()) {
            Some(value) => out += &value,
            None => out += known,
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> String {
        let var = |name: &str| match name {
            "DATA" => Some("/data".into()),
            "A_1" => Some("$DATA".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        };
        expand(text.into(), &var, Some(Path::new("/home/me"))).to_str().unwrap().to_owned()
    }

    /// What Python 3.11 gives with the same variables, `os.path.expandvars(os.path.expanduser(x))`.
    #[cfg(unix)]
    #[test]
    fn it_is_what_python_makes_of_it() {
        for (text, expected) in [
            ("~", "/home/me"),
            ("~/models", "/home/me/models"),
            ("a/~", "a/~"),
            ("$DATA/models", "/data/models"),
            ("${DATA}models", "/datamodels"),
            ("$DATAmodels", "$DATAmodels"),
            ("x$DATA$DATA", "x/data/data"),
            // What is put in is not looked at again.
            ("$A_1/x", "$DATA/x"),
            ("~$EMPTY/x", "~/x"),
            ("$NOPE/${NOPE}/x", "$NOPE/${NOPE}/x"),
            ("${DATA", "${DATA"),
            ("$", "$"),
            ("$$DATA", "$/data"),
            ("${}x", "${}x"),
            ("${$DATA}$DATA", "${$DATA}/data"),
            ("~root/x", "/root/x"),
            ("~nobody-is-called-this/x", "~nobody-is-called-this/x"),
            ("é$DATA", "é/data"),
        ] {
            assert_eq!(expanded(text), expected, "{text}");
        }
    }
}
