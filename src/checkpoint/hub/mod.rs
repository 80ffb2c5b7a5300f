//! Models from a Hugging Face hub, kept in the cache folder that Python's `huggingface_hub` uses
//! too, so that neither downloads what the other already has.

mod cache;
mod client;
mod expand;
mod forward;
mod id;
mod options;
mod proxy;
mod routes;
mod transfer;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use crate::checkpoint::modules::folders;
use crate::checkpoint::open::{MOST_INDEX, MOST_SHARDS};
use crate::checkpoint::source::MODULES;
use crate::error::{Error, ErrorKind, Result};
use cache::RepoCache;
use client::{Client, Described, Remote};
use id::ModelId;
pub use options::HubOptions;
pub use proxy::Proxies;

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
/// What a tokenizer consists of where there is no `tokenizer.json`; one of these.
const VOCABULARIES: [&[&str]; 3] =
    [&["vocab.json", "merges.txt"], &["vocab.txt"], &["sentencepiece.bpe.model"]];
/// What a model may have beside these that changes its scores, or how it is asked for decisions.
const OPTIONAL: [&str; 7] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    MODULES,
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "decide.json",
];
/// The forms of weights, best first. One that ends in `.index.json` lists the files it needs.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
/// The most bytes of files that are read whole, and are therefore asked for only up to this: of
/// the config and of an index, and of parts of the tokenizer.
const MOST_CONFIG: u64 = MOST_INDEX;
const MOST_TOKENIZER: u64 = 256 << 20;

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
/// and returns the snapshot's folder: `config.json`, the tokenizer with its settings, and the
/// weights in the best form there is (safetensors before torch's own, and in any form that is already
/// there). The oldest models have no owner (`bert-base-uncased`). The address of a model's page does,
/// too: `https://huggingface.co/owner/name/tree/revision`.
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
    let model = ModelId::parse(id, &options.endpoint)?;
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
        Ok(Described::Here(config)) => config,
        Ok(_) => {
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
    fits(&config)?;
    let commit = config.commit.clone();
    if self::missing(&cache, &commit, false).is_some() {
        let files = if cache.has(&commit, CONFIG) { Vec::new() } else { vec![config] };
        let mut plan = Plan { client: &client, cache: &cache, commit: &commit, files };
        plan.tokenizer()?;
        OPTIONAL.iter().try_for_each(|name| plan.add(name).map(|_| ()))?;
        if !plan.weights("")? {
            return Err(client.no_such_file(&WEIGHTS.join(" or ")));
        }
        plan.modules()?;
        plan.carry_out(progress)?;
    }
    // Only now, so that the snapshot of an older commit stays in use until this one is complete.
    cache.save_commit(&model.revision, &commit);
    Ok(cache.snapshot(&commit))
}

/// The name of a file that a snapshot lacks for loading the model, if it lacks one. Unless
/// `offline`, a vocabulary alone only does where the hub is known to have nothing better, and whether
/// the hub has what a model may have or not must be known.
fn missing(cache: &RepoCache, commit: &str, offline: bool) -> Option<String> {
    let has = |name: &str| cache.has(commit, name);
    if !has(CONFIG) {
        return Some(CONFIG.into());
    }
    let absent = |name: &str| offline || cache.is_known_absent(commit, name);
    let has_vocabulary = VOCABULARIES.iter().any(|parts| parts.iter().all(|name| has(name)));
    if !(has(TOKENIZER) || absent(TOKENIZER) && has_vocabulary) {
        return Some(TOKENIZER.into());
    }
    if let Some(name) = OPTIONAL.into_iter().find(|name| !has(name) && !absent(name)) {
        return Some(name.into());
    }
    if let Some(name) = missing_weights(cache, commit, "") {
        return Some(name);
    }
    // A module may do without: what was converted has all weights in one file.
    let modules = if has(MODULES) { cache.read(commit, MODULES, MOST_CONFIG).ok() } else { None };
    modules.iter().flat_map(|json| folders(json)).find_map(|(folder, has_weights)| {
        let config = format!("{folder}/{CONFIG}");
        if !has(&config) && !absent(&config) {
            return Some(config);
        }
        let folder = format!("{folder}/");
        let none = || WEIGHTS.iter().all(|name| absent(&format!("{folder}{name}")));
        let lacking = || missing_weights(cache, commit, &folder).filter(|_| !none());
        if has_weights { lacking() } else { None }
    })
}

/// The name of a file that a snapshot lacks of the weights in a folder, which ends with a slash or is
/// empty.
fn missing_weights(cache: &RepoCache, commit: &str, folder: &str) -> Option<String> {
    let has = |name: &str| cache.has(commit, &format!("{folder}{name}"));
    let Some(weights) = WEIGHTS.into_iter().find(|name| has(name)) else {
        return Some(format!("{folder}{}", WEIGHTS[0]));
    };
    if !weights.ends_with(".index.json") {
        return None;
    }
    let weights = format!("{folder}{weights}");
    match cache.read(commit, &weights, MOST_INDEX).and_then(|index| shards(&weights, &index)) {
        Ok(shards) => {
            shards.into_iter().find(|name| !has(name)).map(|name| format!("{folder}{name}"))
        }
        Err(_) => Some(weights),
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
            Described::Here(remote) => {
                fits(&remote)?;
                self.files.push(remote);
                Ok(true)
            }
            Described::Absent { commit } => {
                self.cache.mark_absent(&commit, name);
                Ok(false)
            }
            Described::NotFound => Ok(false),
        }
    }

    fn need(&mut self, name: &str) -> Result<()> {
        match self.add(name)? {
            true => Ok(()),
            false => Err(self.client.no_such_file(name)),
        }
    }

    fn tokenizer(&mut self) -> Result<()> {
        if self.add(TOKENIZER)? {
            return Ok(());
        }
        for parts in VOCABULARIES {
            if self.add(parts[0])? {
                return parts[1..].iter().try_for_each(|name| self.need(name));
            }
        }
        Err(self.client.no_such_file(VOCABULARIES[0][0]))
    }

    /// Plans to have the weights in a folder, which ends with a slash or is empty; false if there are
    /// none.
    fn weights(&mut self, folder: &str) -> Result<bool> {
        let names = WEIGHTS.map(|name| format!("{folder}{name}"));
        let here = names.iter().find(|name| self.cache.has(self.commit, name));
        for name in here.map_or(&names[..], std::slice::from_ref) {
            if !self.add(name)? {
                continue;
            }
            if name.ends_with(".index.json") {
                self.fetch(name)?;
                for shard in shards(name, &self.cache.read(self.commit, name, MOST_INDEX)?)? {
                    self.need(&format!("{folder}{shard}"))?;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Plans to have what modules have in folders of their own.
    fn modules(&mut self) -> Result<()> {
        self.fetch(MODULES)?;
        if !self.cache.has(self.commit, MODULES) {
            return Ok(());
        }
        for (folder, has_weights) in folders(&self.cache.read(self.commit, MODULES, MOST_CONFIG)?) {
            self.add(&format!("{folder}/{CONFIG}"))?;
            if has_weights {
                self.weights(&format!("{folder}/"))?;
            }
        }
        Ok(())
    }

    /// Downloads what is planned by this name at once, if it is: a small file that names others is
    /// needed before the total is known.
    fn fetch(&mut self, name: &str) -> Result<()> {
        let Some(place) = self.files.iter().position(|file| file.name == name) else {
            return Ok(());
        };
        let file = self.files.remove(place);
        transfer::fetch(self.client, self.cache, &file, &mut |_| ())
    }

    fn carry_out(self, progress: &mut dyn FnMut(HubProgress<'_>)) -> Result<()> {
        let sizes = self.files.iter().map(|file| file.size);
        let total = sizes.fold(0, u64::saturating_add);
        let mut before = 0;
        for file in &self.files {
            let mut report = |bytes| {
                let bytes = u64::saturating_add(before, bytes);
                progress(HubProgress { file: &file.name, bytes, total });
            };
            transfer::fetch(self.client, self.cache, file, &mut report)?;
            before = u64::saturating_add(before, file.size);
        }
        Ok(())
    }
}

/// Refuses a file that would not be read after it was downloaded.
fn fits(remote: &Remote) -> Result<()> {
    let most = match remote.name.as_str() {
        name if name == CONFIG || name == MODULES || name.ends_with(".index.json") => MOST_CONFIG,
        name if name.ends_with("/config.json") => MOST_CONFIG,
        name if name.ends_with(".json") || name.ends_with(".txt") => MOST_TOKENIZER,
        _ => return Ok(()),
    };
    match remote.size > most {
        true => Err(too_large(&remote.name, most)),
        false => Ok(()),
    }
}

fn too_large(name: &str, most: u64) -> Error {
    let what = format!("is larger than {most} bytes, which no such file needs");
    Error::new(ErrorKind::Input, name, what)
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
    if shards.is_empty() || shards.len() > MOST_SHARDS {
        return Err(refuse(format!("lists {} shards, 1 to {MOST_SHARDS} work", shards.len())));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_files_beside_it_and_not_too_many() {
        let index = |shards: &mut dyn Iterator<Item = String>| {
            let map: std::collections::BTreeMap<String, String> =
                shards.enumerate().map(|(i, shard)| (format!("t{i}"), shard)).collect();
            serde_json::json!({ "weight_map": map }).to_string()
        };
        for shard in ["../x.bin", "/x.bin", "a/b.bin", "C:x.bin", "", ".hidden"] {
            let json = index(&mut [shard.to_owned()].into_iter());
            let error = shards("index.json", json.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Checkpoint, "{shard:?}");
        }
        for (count, fits) in [(1, true), (MOST_SHARDS, true), (0, false), (MOST_SHARDS + 1, false)]
        {
            let json = index(&mut (0..count).map(|i| format!("{i}.bin")));
            assert_eq!(shards("index.json", json.as_bytes()).is_ok(), fits, "{count}");
        }
    }
}
