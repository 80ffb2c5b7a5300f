//! Models from a Hugging Face hub, kept in the cache folder that Python's `huggingface_hub` uses
//! too, so that neither downloads what the other already has.

mod cache;
mod client;
mod options;
mod transfer;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use crate::checkpoint::open::{MOST_INDEX, MOST_SHARDS};
use crate::error::{Error, ErrorKind, Result};
use cache::RepoCache;
use client::{Client, Remote};
pub use options::HubOptions;

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
/// What a tokenizer consists of where there is no `tokenizer.json`.
const TOKENIZER_PARTS: [&str; 2] = ["vocab.json", "merges.txt"];
/// The forms of weights, best first. One that ends in `.index.json` lists the files it needs.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
/// More bytes than the configuration or the tokenizer of any model has.
const MOST_SMALL: u64 = 256 << 20;

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubProgress<'a> {
    /// The file that is being downloaded.
    pub file: &'a str,
    /// Bytes of all files so far, those of an earlier, broken download included. Steps back
    /// when a server cannot go on in the middle of a file.
    pub bytes: u64,
    /// Bytes of all files of this download, known from the first report on.
    pub total: u64,
}

/// Brings what is needed of the model `owner/name` or `owner/name@revision` into the cache folder
/// and returns the snapshot's folder: `config.json`, the tokenizer, and the weights in the best
/// form there is (safetensors before torch's own, and in any form that is already there).
///
/// A revision is a branch, a tag or a commit; without one it is `main`. A connection that breaks
/// is taken up where it ended, also by a later call. What is complete is not downloaded again:
/// then one small request asks whether the revision has moved, and if the hub can't be reached,
/// the snapshot that is there is used.
///
/// This blocks until everything is there, and `progress` is called from the same thread. From
/// async code, call it on a thread for blocking work.
///
/// # Errors
/// - [`ErrorKind::Input`] when `id` is not a model's id, or the token is not one.
/// - [`ErrorKind::Unauthorized`] when the hub wants a token, or a licence to be accepted.
/// - [`ErrorKind::NotFound`] naming the model, revision or file that does not exist; offline also
///   what is not in the cache.
/// - [`ErrorKind::Network`] naming the host that could not be reached or answered wrongly.
/// - [`ErrorKind::Checkpoint`] naming a file that arrived with another checksum than announced.
/// - [`ErrorKind::Io`] naming the path that could not be read or written.
///
/// ```no_run
/// use cappy::checkpoint::hub::{HubOptions, download};
///
/// let folder = download("btan2/cappy-large", &HubOptions::from_env()?, &mut |progress| {
///     eprintln!("{}: {} of {} bytes", progress.file, progress.bytes, progress.total);
/// })?;
/// # Ok::<(), cappy::Error>(())
/// ```
pub fn download(
    id: &str,
    options: &HubOptions,
    progress: &mut dyn FnMut(HubProgress<'_>),
) -> Result<PathBuf> {
    let model = ModelId::parse(id)?;
    let cache = RepoCache::new(&options.cache, &model);
    let cached = cache.commit(&model.revision);
    let missing = match &cached {
        Some(commit) => missing(&cache, commit, options.offline),
        None => Some(format!("revision {}", model.revision)),
    };

    if let (Some(commit), None) = (&cached, &missing) {
        // A commit never changes, so there is nothing to ask.
        if options.offline || *commit == model.revision {
            return Ok(cache.snapshot(commit));
        }
    }
    if let (true, Some(missing)) = (options.offline, &missing) {
        return Err(Error::new(
            ErrorKind::NotFound,
            id,
            format!(
                "{missing} is not in the cache folder {}, and HF_HUB_OFFLINE forbids to download it",
                options.cache.display()
            ),
        ));
    }

    let client = Client::new(&model, options)?;
    let config = match client.describe(&model.revision, CONFIG) {
        Ok(Some(config)) => config,
        Ok(None) => {
            return Err(Error::new(
                ErrorKind::NotFound,
                id,
                format!("the hub has no such model, or no {CONFIG} at {}", model.revision),
            ));
        }
        Err(error) if error.kind() == ErrorKind::Network => {
            // Better the snapshot that is there than none.
            return cached
                .filter(|commit| self::missing(&cache, commit, true).is_none())
                .map(|commit| cache.snapshot(&commit))
                .ok_or(error);
        }
        Err(error) => return Err(error),
    };
    let commit = config.commit.clone();
    if self::missing(&cache, &commit, false).is_some() {
        let files = if cache.has(&commit, CONFIG) { Vec::new() } else { vec![config] };
        let mut plan = Plan { client: &client, cache: &cache, commit: &commit, files };
        plan.tokenizer()?;
        plan.weights()?;
        plan.carry_out(progress)?;
    }
    // Only now, so that the snapshot of an older commit stays in use until this one is complete.
    cache.save_commit(&model.revision, &commit);
    Ok(cache.snapshot(&commit))
}

/// The name of a file that a snapshot lacks for loading the model, if it lacks one. Unless
/// `offline`, `vocab.json` and `merges.txt` only do where the hub is known to have nothing better.
fn missing(cache: &RepoCache, commit: &str, offline: bool) -> Option<String> {
    let has = |name: &str| cache.has(commit, name);
    if !has(CONFIG) {
        return Some(CONFIG.into());
    }
    let parts_will_do = (offline || cache.is_known_absent(commit, TOKENIZER))
        && TOKENIZER_PARTS.iter().all(|name| has(name));
    if !has(TOKENIZER) && !parts_will_do {
        return Some(TOKENIZER.into());
    }
    let Some(weights) = WEIGHTS.into_iter().find(|name| has(name)) else {
        return Some(WEIGHTS[0].into());
    };
    if !weights.ends_with(".index.json") {
        return None;
    }
    let index = cache.read(commit, weights, MOST_INDEX);
    match index.and_then(|index| shards(weights, &index)) {
        Ok(shards) => shards.into_iter().find(|name| !has(name)),
        Err(_) => Some(weights.into()),
    }
}

/// What has to be downloaded for one commit.
struct Plan<'a> {
    client: &'a Client,
    cache: &'a RepoCache,
    commit: &'a str,
    files: Vec<Remote>,
}

impl Plan<'_> {
    /// Plans to have `name`; false if the hub does not have it.
    fn add(&mut self, name: &str) -> Result<bool> {
        if self.cache.has(self.commit, name) {
            return Ok(true);
        }
        match self.client.describe(self.commit, name)? {
            Some(remote) => {
                check_size(&remote)?;
                self.files.push(remote);
                Ok(true)
            }
            None => {
                self.cache.mark_absent(self.commit, name);
                Ok(false)
            }
        }
    }

    fn need(&mut self, name: &str) -> Result<()> {
        match self.add(name)? {
            true => Ok(()),
            false => Err(self.client.no_such_file(name)),
        }
    }

    fn tokenizer(&mut self) -> Result<()> {
        match self.add(TOKENIZER)? {
            true => Ok(()),
            false => TOKENIZER_PARTS.iter().try_for_each(|name| self.need(name)),
        }
    }

    fn weights(&mut self) -> Result<()> {
        let here = WEIGHTS.into_iter().find(|name| self.cache.has(self.commit, name));
        for name in here.map_or(WEIGHTS.to_vec(), |name| vec![name]) {
            if !self.add(name)? {
                continue;
            }
            if name.ends_with(".index.json") {
                // Needed before the total is known: it is small and names the large ones.
                if let Some(index) = self.files.pop_if(|file| file.name == name) {
                    transfer::fetch(self.client, self.cache, &index, &mut |_| ())?;
                }
                for shard in shards(name, &self.cache.read(self.commit, name, MOST_INDEX)?)? {
                    self.need(&shard)?;
                }
            }
            return Ok(());
        }
        Err(self.client.no_such_file(&WEIGHTS.join(" or ")))
    }

    fn carry_out(self, progress: &mut dyn FnMut(HubProgress<'_>)) -> Result<()> {
        let total = self.files.iter().map(|file| file.size).sum();
        let mut before = 0;
        for file in &self.files {
            let mut report = |bytes| {
                progress(HubProgress { file: &file.name, bytes: before + bytes, total });
            };
            transfer::fetch(self.client, self.cache, file, &mut report)?;
            before += file.size;
        }
        Ok(())
    }
}

/// Refuses what would fill a disk, and would be refused when it is read. Weights have no limit.
fn check_size(remote: &Remote) -> Result<()> {
    let name = &remote.name;
    let most = match name.rsplit_once('.').map(|(_, extension)| extension) {
        _ if name.ends_with(".index.json") => MOST_INDEX,
        Some("safetensors" | "bin") => return Ok(()),
        _ => MOST_SMALL,
    };
    if remote.size > most {
        let what = format!("is {} bytes long, at most {most} are expected", remote.size);
        return Err(Error::new(ErrorKind::Checkpoint, name, what));
    }
    Ok(())
}

/// The files that an index of sharded weights, called `name`, points to.
fn shards(name: &str, index: &[u8]) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::HashMap<String, String>,
    }
    let refuse = |why: String| Error::new(ErrorKind::Checkpoint, name, why);
    let index: Index = serde_json::from_slice(index)
        .map_err(|source| refuse(format!("is not an index of weights: {source}")))?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    if shards.len() > MOST_SHARDS {
        return Err(refuse(format!("lists {} shards, at most {MOST_SHARDS} work", shards.len())));
    }
    match shards.iter().find(|shard| !is_plain_name(shard)) {
        Some(shard) => Err(refuse(format!("{shard:?} is not a name of a file beside it"))),
        None => Ok(shards),
    }
}

/// A name that is safe as a file name and in a URL on every system.
fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(plain)
}

/// A model's name on the hub.
#[derive(Debug, Clone)]
struct ModelId {
    /// As the user wrote it, for messages.
    written: String,
    owner: String,
    name: String,
    revision: String,
}

impl ModelId {
    fn parse(id: &str) -> Result<ModelId> {
        let refuse = |why: &str| Error::new(ErrorKind::Input, id, why);
        let (path, revision) = id.split_once('@').unwrap_or((id, "main"));
        let (owner, name) = path
            .split_once('/')
            .filter(|(owner, name)| is_plain_name(owner) && is_plain_name(name))
            .ok_or_else(|| {
                refuse("is not a model's id such as owner/name or owner/name@revision")
            })?;
        // Its parts become folders in the cache.
        let fits = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.');
        let sound = |c: char| !c.is_control() && !" \\:*?\"<>|~^[".contains(c);
        if revision.len() > 200 || !revision.chars().all(sound) || !revision.split('/').all(fits) {
            return Err(refuse("what follows the @ is not a branch, tag or commit"));
        }
        Ok(ModelId {
            written: id.into(),
            owner: owner.into(),
            name: name.into(),
            revision: revision.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read() {
        let model = ModelId::parse("btan2/cappy-large@refs/pr/1").unwrap();
        assert_eq!((model.owner.as_str(), model.name.as_str()), ("btan2", "cappy-large"));
        assert_eq!(model.revision, "refs/pr/1");
        assert_eq!(ModelId::parse("a/b").unwrap().revision, "main");
    }

    #[test]
    fn what_is_too_large_or_too_many_is_refused_before_it_is_asked_for() {
        let remote = |name: &str, size| {
            let (commit, etag) = ("c".repeat(40), "e".into());
            check_size(&Remote { name: name.into(), commit, etag, size, is_sha256: false })
        };
        let large = 3 << 30;
        for name in ["config.json", "vocab.txt", "merges.txt", "model.safetensors.index.json"] {
            assert!(remote(name, MOST_INDEX).is_ok(), "{name}");
            assert_eq!(remote(name, large).unwrap_err().at_fault(), name);
        }
        assert!(remote("model.safetensors.index.json", MOST_INDEX + 1).is_err());
        for weights in ["model.safetensors", "pytorch_model.bin", "model-1-of-2.safetensors"] {
            assert!(remote(weights, large).is_ok(), "{weights}");
        }
        for (count, fits) in [(MOST_SHARDS, true), (MOST_SHARDS + 1, false)] {
            let map: serde_json::Map<_, _> =
                (0..count).map(|i| (i.to_string(), format!("{i}.bin").into())).collect();
            let index = serde_json::json!({ "weight_map": map }).to_string();
            assert_eq!(shards("index.json", index.as_bytes()).is_ok(), fits, "{count}");
        }
    }

    #[test]
    fn what_would_leave_the_cache_folder_is_refused() {
        for id in [
            "",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "../b",
            "a/..",
            "a/b@",
            "a/b@..",
            "a/b@x/../y",
            "a/b@/x",
            "a/b@x\\y",
            "a/b@c:",
            "a b/c",
            "a/b@x\0",
            "ä/b",
        ] {
            assert_eq!(ModelId::parse(id).unwrap_err().kind(), ErrorKind::Input, "{id:?}");
        }
        for shard in ["../x.bin", "/x.bin", "a/b.bin", "C:x.bin", "", ".hidden"] {
            let index = serde_json::json!({ "weight_map": { "t": shard } }).to_string();
            let error = shards("index.json", index.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Checkpoint, "{shard:?}");
        }
    }
}
