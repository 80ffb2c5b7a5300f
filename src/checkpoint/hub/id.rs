//! A model's name on the hub, as people write and paste it.

use super::is_plain_name;
use crate::error::{Error, ErrorKind, Result};

/// The hosts of the public hub's pages.
const HOSTS: [&str; 2] = ["huggingface.co", "hf.co"];

/// What the hub keeps besides models, by the beginning of its pages' addresses.
const OTHER_KINDS: [&str; 4] = ["datasets", "spaces", "kernels", "buckets"];

/// What a page shows of a revision: its files, or one of them.
const VIEWS: [&str; 5] = ["tree", "blob", "raw", "resolve", "blame"];

/// A model's name on the hub.
#[derive(Debug, Clone)]
pub(super) struct ModelId {
    /// As the user wrote it, for messages.
    pub written: String,
    /// The first models have none: `bert-base-uncased`.
    pub owner: Option<String>,
    pub name: String,
    pub revision: String,
}

/// What was written, taken apart.
struct Parts {
    owner: Option<String>,
    name: String,
    revision: Option<String>,
}

impl ModelId {
    /// Reads `owner/name`, `name`, either with `@revision`, `hf://` before it, or the address of a
    /// model's page on the public hub or on `endpoint`.
    pub fn parse(written: &str, endpoint: &str) -> Result<ModelId> {
        let refuse = |why: String| Error::new(ErrorKind::Input, written, why);
        let Parts { owner, name, revision } = match path_of_page(written, endpoint) {
            Some(path) => of_page(&path.map_err(refuse)?),
            None => of_id(written.strip_prefix("hf://").unwrap_or(written)),
        }
        .map_err(refuse)?;
        // The cache folder joins them with two dashes, so there are none in a name.
        let fits = |part: &str| is_plain_name(part) && !part.contains("--");
        if !owner.iter().chain([&name]).all(|part| fits(part)) {
            let why = "is not a model's id such as name, owner/name or owner/name@revision";
            return Err(refuse(why.into()));
        }
        let revision = revision.unwrap_or_else(|| "main".into());
        if !is_revision(&revision) {
            return Err(refuse(format!("{revision:?} is not a branch, tag or commit")));
        }
        Ok(ModelId { written: written.into(), owner, name, revision })
    }

    /// `owner/name`, or the name of a model that has no owner.
    pub fn path(&self) -> String {
        self.joined("/")
    }

    /// The same as a folder in the cache.
    pub fn folder(&self) -> String {
        format!("models--{}", self.joined("--"))
    }

    fn joined(&self, between: &str) -> String {
        self.owner.iter().chain([&self.name]).cloned().collect::<Vec<_>>().join(between)
    }
}

/// Whether its parts can be folders in the cache.
fn is_revision(revision: &str) -> bool {
    let fits = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.');
    let sound = |c: char| !c.is_control() && !" \\:*?\"<>|~^[".contains(c);
    revision.len() <= 200 && revision.chars().all(sound) && revision.split('/').all(fits)
}

fn of_id(id: &str) -> Result<Parts, String> {
    let (path, revision) = match id.split_once('@') {
        Some((path, revision)) => (path, Some(revision.to_owned())),
        None => (id, None),
    };
    let path = path.strip_prefix("models/").filter(|rest| rest.contains('/')).unwrap_or(path);
    let (owner, name) = match path.split_once('/') {
        Some((owner, name)) => (Some(owner.to_owned()), name),
        None => (None, path),
    };
    Ok(Parts { owner, name: name.to_owned(), revision })
}

/// The path of the page whose address `written` is; `None` where it is no address.
fn path_of_page(written: &str, endpoint: &str) -> Option<Result<String, String>> {
    let hub = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let (hub_host, hub_folder) = hub.split_once('/').unwrap_or((hub, ""));
    let is_hub = |host: &str| host.eq_ignore_ascii_case(hub_host);
    let is_host = |host: &str| is_hub(host) || HOSTS.iter().any(|h| host.eq_ignore_ascii_case(h));

    let scheme = ["https://", "http://"].into_iter().find(|scheme| {
        written.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let rest = &written[scheme.map_or(0, str::len)..];
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let bare = host.strip_prefix("www.").unwrap_or(host);
    if !is_host(bare) {
        return scheme.map(|_| {
            Err(format!(
                "is an address of {host}, not of the hub {hub_host}; HF_ENDPOINT names another"
            ))
        });
    }
    // A mirror may lie in a folder of its host.
    let path = match path.strip_prefix(hub_folder) {
        Some(inside) if is_hub(bare) => inside,
        _ => path,
    };
    Some(Ok(path.to_owned()))
}

/// What the path of a page names, such as `owner/name/tree/revision`.
fn of_page(path: &str) -> Result<Parts, String> {
    let unescaped: Option<Vec<String>> =
        path.split('/').filter(|part| !part.is_empty()).map(unescape).collect();
    let parts = unescaped.ok_or("has an escape that is none")?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let parts = match parts[..] {
        ["models", ref rest @ ..] => rest,
        [kind, ..] if OTHER_KINDS.contains(&kind) => {
            return Err(format!("is an address among the hub's {kind}, not of a model"));
        }
        ref parts => parts,
    };
    let (owner, name, view) = match parts {
        [name] => (None, name, &[][..]),
        [name, view, _, ..] if VIEWS.contains(view) => (None, name, &parts[1..]),
        [owner, name, view @ ..] => (Some((*owner).to_owned()), name, view),
        [] => return Err("names no model".into()),
    };
    let name = (*name).to_owned();
    let (view, after) = match view {
        [] => return Ok(Parts { owner, name, revision: None }),
        [view, after @ ..] if VIEWS.contains(view) => (*view, after),
        _ => return Err("is no address of a model's page, of a revision or of a file of it".into()),
    };
    // These revisions have slashes in their names; of others the address has them escaped.
    let words = match after {
        ["refs", "pr" | "convert", ..] => 3,
        _ => 1,
    };
    if after.len() < words {
        return Err("names no revision".into());
    }
    let (revision, inside) = after.split_at(words);
    let files = if view == "tree" { 0 } else { 1 };
    if inside.len() > files {
        let folder = inside[..inside.len() - files].join("/");
        return Err(format!(
            "is of the folder {folder:?} in a model; only a whole one can be loaded"
        ));
    }
    Ok(Parts { owner, name, revision: Some(revision.join("/")) })
}

/// A part of an address without `%` escapes; `None` where one is broken.
fn unescape(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "https://huggingface.co";

    fn read(written: &str, endpoint: &str) -> (String, String) {
        let id = ModelId::parse(written, endpoint).unwrap_or_else(|error| panic!("{error}"));
        (id.path(), id.revision)
    }

    #[test]
    fn ids_are_read() {
        for (written, path, revision) in [
            ("btan2/cappy-large@refs/pr/1", "btan2/cappy-large", "refs/pr/1"),
            ("a/b", "a/b", "main"),
            ("bert-base-uncased", "bert-base-uncased", "main"),
            ("bert-base-uncased@v1.0", "bert-base-uncased", "v1.0"),
            ("hf://a/b@v1", "a/b", "v1"),
            ("hf://models/a/b", "a/b", "main"),
        ] {
            assert_eq!(read(written, HUB), (path.into(), revision.into()), "{written}");
        }
        assert_eq!(ModelId::parse("a/b", HUB).unwrap().folder(), "models--a--b");
        assert_eq!(ModelId::parse("b", HUB).unwrap().folder(), "models--b");
    }

    #[test]
    fn addresses_of_pages_are_read() {
        for (written, path, revision) in [
            ("https://huggingface.co/a/b", "a/b", "main"),
            ("https://huggingface.co/a/b/", "a/b", "main"),
            ("HTTPS://HuggingFace.co/a/b?library=x#files", "a/b", "main"),
            ("huggingface.co/a/b", "a/b", "main"),
            ("https://www.huggingface.co/a/b", "a/b", "main"),
            ("http://hf.co/models/a/b", "a/b", "main"),
            ("https://huggingface.co/a/b/tree/v1.0", "a/b", "v1.0"),
            ("https://huggingface.co/a/b/tree/refs%2Fpr%2F7", "a/b", "refs/pr/7"),
            ("https://huggingface.co/a/b/tree/refs/pr/7", "a/b", "refs/pr/7"),
            ("https://huggingface.co/a/b/blob/main/config.json", "a/b", "main"),
            (
                "https://huggingface.co/a/b/resolve/refs/pr/7/model.bin?download=true",
                "a/b",
                "refs/pr/7",
            ),
            ("https://huggingface.co/bert-base-uncased", "bert-base-uncased", "main"),
            ("https://huggingface.co/bert-base-uncased/tree/main", "bert-base-uncased", "main"),
        ] {
            assert_eq!(read(written, HUB), (path.into(), revision.into()), "{written}");
        }
        let mirror = "http://mirror:8080/hf";
        for written in ["http://mirror:8080/hf/a/b/tree/v2", "https://huggingface.co/a/b/tree/v2"] {
            assert_eq!(read(written, mirror), ("a/b".into(), "v2".into()), "{written}");
        }
    }

    #[test]
    fn addresses_of_something_else_say_of_what() {
        for (written, what) in [
            ("https://example.com/a/b", "is an address of example.com, not of the hub"),
            ("https://huggingface.co/datasets/a/b", "among the hub's datasets"),
            ("https://huggingface.co/", "names no model"),
            ("https://huggingface.co/a/b/discussions/1", "is no address of a model's page"),
            ("https://huggingface.co/a/b/tree", "names no revision"),
            ("https://huggingface.co/a/b/tree/main/onnx", "the folder \"onnx\" in a model"),
            ("https://huggingface.co/a/b/blob/main/1/2/x", "the folder \"1/2\" in a model"),
            ("https://huggingface.co/a/b/tree/%zz", "an escape that is none"),
            ("https://huggingface.co/a/b/tree/..%2F..", "is not a branch, tag or commit"),
            ("https://huggingface.co/..%2Fa/b", "is not a model's id"),
        ] {
            let error = ModelId::parse(written, HUB).unwrap_err();
            assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, written));
            assert!(error.what().contains(what), "{written}: {error}");
        }
    }

    #[test]
    fn what_would_leave_the_cache_folder_is_refused() {
        for id in [
            "",
            "a/",
            "/b",
            "a/b/c",
            "../b",
            "a/..",
            "..",
            "a/b@",
            "a/b@..",
            "a/b@x/../y",
            "a/b@/x",
            "a/b@x\\y",
            "a/b@c:",
            "a b/c",
            "a/b@x\0",
            "ä/b",
            "a--b",
            "a/b--c",
        ] {
            assert_eq!(ModelId::parse(id, HUB).unwrap_err().kind(), ErrorKind::Input, "{id:?}");
        }
    }
}
