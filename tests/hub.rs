//! Downloads from a small server on the loopback interface that behaves like the hub: it answers
//! for small files itself after a relative redirect, sends large ones on to another port with the
//! hub's headers, wants a token where told to, knows ranges, and breaks connections on order.
#![cfg(all(feature = "hub", unix))]

mod hub_server;

use std::fs;
use std::path::Path;

use cappy::checkpoint::hub::{HubOptions, download};
use cappy::{Error, ErrorKind};
use hub_server::{COMMIT, Hub, PULL_REQUEST_COMMIT};
use tempfile::TempDir;

const ID: &str = "owner/some-model";

/// Large enough not to fit into the buffers of a connection.
fn weights() -> Vec<u8> {
    (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn usual() -> Hub {
    Hub::new()
        .file("config.json", b"{\"a\": 1}")
        .file("tokenizer.json", b"{\"version\": \"1.0\"}")
        .large_file("model.safetensors", weights())
        .large_file("pytorch_model.bin", vec![1; 100])
}

fn options(hub: &Hub, cache: &TempDir) -> HubOptions {
    let mut options = HubOptions::new(cache.path());
    options.endpoint = hub.endpoint();
    options
}

fn get(id: &str, options: &HubOptions) -> Result<std::path::PathBuf, Error> {
    download(id, options, &mut |_| ())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_land_in_the_usual_layout_and_are_not_downloaded_twice() {
    let (hub, cache) = (usual().start(), TempDir::new().unwrap());
    let mut options = options(&hub, &cache);
    let mut reports = Vec::new();
    let folder = download(ID, &options, &mut |progress| {
        reports.push((progress.file.to_string(), progress.bytes, progress.total));
    })
    .unwrap();

    let model = cache.path().join("models--owner--some-model");
    assert_eq!(folder, model.join("snapshots").join(COMMIT));
    assert_eq!(names(&folder), ["config.json", "model.safetensors", "tokenizer.json"]);
    assert!(fs::read(folder.join("model.safetensors")).unwrap() == weights());
    let link = fs::read_link(folder.join("config.json")).unwrap();
    assert_eq!(link, Path::new("../../blobs").join(hub.etag("config.json")));
    assert_eq!(fs::read_to_string(model.join("refs/main")).unwrap(), COMMIT);
    assert_eq!(names(&model.join("blobs")).len(), 3);

    let total = 8 + 18 + 3_000_000;
    assert_eq!(reports[0], ("config.json".into(), 0, total));
    assert_eq!(reports.last().unwrap(), &("model.safetensors".into(), total, total));
    assert!(reports.is_sorted_by_key(|report| report.1) && reports.iter().all(|r| r.2 == total));

    hub.forget_requests();
    assert_eq!(get(ID, &options).unwrap(), folder);
    // The question whether main has moved, and the hub's relative redirect.
    assert!(hub.requests().iter().all(|request| request.method == "HEAD"));
    assert_eq!(hub.requests().len(), 2);

    hub.forget_requests();
    assert_eq!(get(&format!("{ID}@{COMMIT}"), &options).unwrap(), folder);
    options.offline = true;
    assert_eq!(get(ID, &options).unwrap(), folder);
    assert_eq!(hub.requests().len(), 0);
}

#[test]
fn what_changes_scores_is_downloaded_where_there_is_any() {
    let cache = TempDir::new().unwrap();
    let optional =
        ["config_sentence_transformers.json", "modules.json", "sentence_bert_config.json"];
    // An earlier download, of a program that did not know of these files.
    let hub = usual().start();
    let folder = get(ID, &options(&hub, &cache)).unwrap();
    fs::remove_dir_all(cache.path().join("models--owner--some-model/.no_exist")).unwrap();
    let hub = optional.iter().fold(usual(), |hub, name| hub.file(name, b"{}")).start();
    assert_eq!(get(&format!("{ID}@{COMMIT}"), &options(&hub, &cache)).unwrap(), folder);
    let there = names(&folder);
    assert!(optional.iter().all(|name| there.iter().any(|there| there == name)), "{there:?}");
    assert_eq!(there.len(), 6);
    // Now they are known, and nothing is asked.
    hub.forget_requests();
    get(&format!("{ID}@{COMMIT}"), &options(&hub, &cache)).unwrap();
    assert_eq!(hub.requests().len(), 0);
}

#[test]
fn modules_come_with_their_folders() {
    let module = |path: &str, kind: &str| serde_json::json!({"path": path, "type": kind});
    let own = |name: &str| format!("sentence_transformers.models.{name}");
    let modules = serde_json::json!([
        module("", &own("Transformer")),
        module("1_Pooling", &own("Pooling")),
        module("2_Dense", &own("Dense")),
        module("3_LayerNorm", &own("LayerNorm")),
        module("../elsewhere", "mine.Module"),
    ]);
    let listed = |count: usize| {
        let some = &modules.as_array().unwrap()[..count];
        serde_json::to_vec(some).unwrap()
    };
    let shards = r#"{"weight_map": {"norm.weight": "a.bin"}}"#;
    let hub = usual()
        .file("modules.json", &listed(4))
        .file("1_Pooling/config.json", b"{}")
        .file("1_Pooling/model.safetensors", b"is not asked for")
        .file("2_Dense/config.json", b"{ }")
        .large_file("2_Dense/model.safetensors", vec![3; 500])
        .file("3_LayerNorm/config.json", b"{  }")
        .file("3_LayerNorm/pytorch_model.bin.index.json", shards.as_bytes())
        .large_file("3_LayerNorm/a.bin", vec![4; 300])
        .start();
    let cache = TempDir::new().unwrap();
    let folder = get(ID, &options(&hub, &cache)).unwrap();
    assert_eq!(names(&folder.join("1_Pooling")), ["config.json"]);
    assert_eq!(names(&folder.join("2_Dense")), ["config.json", "model.safetensors"]);
    let norm = ["a.bin", "config.json", "pytorch_model.bin.index.json"];
    assert_eq!(names(&folder.join("3_LayerNorm")), norm);
    assert_eq!(fs::read(folder.join("2_Dense/model.safetensors")).unwrap(), [3; 500]);
    let link = fs::read_link(folder.join("2_Dense/config.json")).unwrap();
    assert_eq!(link, Path::new("../../../blobs").join(hub.etag("2_Dense/config.json")));
    // All is known, and nothing is asked; a part that got lost is.
    hub.forget_requests();
    get(&format!("{ID}@{COMMIT}"), &options(&hub, &cache)).unwrap();
    assert_eq!(hub.requests().len(), 0);
    fs::remove_file(folder.join("3_LayerNorm/a.bin")).unwrap();
    get(&format!("{ID}@{COMMIT}"), &options(&hub, &cache)).unwrap();
    assert!(folder.join("3_LayerNorm/a.bin").is_file());

    // Where one file has all weights, the modules have none.
    let one = usual().file("modules.json", &listed(3)).file("1_Pooling/config.json", b"{}");
    let (one, cache) = (one.file("2_Dense/config.json", b"{}").start(), TempDir::new().unwrap());
    let folder = get(ID, &options(&one, &cache)).unwrap();
    assert_eq!(names(&folder.join("2_Dense")), ["config.json"]);
    one.forget_requests();
    get(&format!("{ID}@{COMMIT}"), &options(&one, &cache)).unwrap();
    assert_eq!(one.requests().len(), 0);

    // A list that leads out of the folder is none; loading refuses it.
    let wrong = usual().file("modules.json", &listed(5)).start();
    let folder = get(ID, &options(&wrong, &TempDir::new().unwrap())).unwrap();
    assert!(!folder.join("1_Pooling").exists());
    assert!(wrong.requests().iter().all(|request| !request.path.contains("elsewhere")));
}

#[test]
fn broken_connections_are_resumed_where_they_ended() {
    let hub = usual().break_after(&[1_000_000, 0, 700_000]).start();
    let cache = TempDir::new().unwrap();
    let folder = get(ID, &options(&hub, &cache)).unwrap();
    assert!(fs::read(folder.join("model.safetensors")).unwrap() == weights());
    assert_eq!(hub.ranges(), ["", "bytes=1000000-", "bytes=1000000-", "bytes=1700000-"]);
}

#[test]
fn a_later_run_resumes_what_an_earlier_one_left() {
    let hub = usual().break_after(&[1_000_000, 0, 0, 0, 0, 0]).start();
    let cache = TempDir::new().unwrap();
    let error = get(ID, &options(&hub, &cache)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("byte 1000000 of 3000000"), "{error}");
    let model = cache.path().join("models--owner--some-model");
    assert!(!model.join("refs/main").exists(), "an incomplete snapshot must not be in use");
    let incomplete = format!("{}.incomplete", hub.etag("model.safetensors"));
    assert_eq!(fs::metadata(model.join("blobs").join(incomplete)).unwrap().len(), 1_000_000);

    hub.forget_requests();
    let mut first = None;
    let folder = download(ID, &options(&hub, &cache), &mut |progress| {
        first.get_or_insert((progress.bytes, progress.total));
    })
    .unwrap();
    assert!(fs::read(folder.join("model.safetensors")).unwrap() == weights());
    assert_eq!(hub.ranges(), ["bytes=1000000-"]);
    assert_eq!(first, Some((1_000_000, 3_000_000)));
}

#[test]
fn a_server_without_ranges_starts_over() {
    let hub = usual().break_after(&[1_000_000]).without_ranges().start();
    let cache = TempDir::new().unwrap();
    let folder = get(ID, &options(&hub, &cache)).unwrap();
    assert!(fs::read(folder.join("model.safetensors")).unwrap() == weights());
    assert_eq!(hub.ranges(), ["", "bytes=1000000-"]);
}

#[test]
fn the_token_goes_to_the_hub_only() {
    let (hub, cache) = (usual().private("hf_secret").start(), TempDir::new().unwrap());
    let mut options = options(&hub, &cache);
    let error = get(ID, &options).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Unauthorized, ID));
    assert!(error.to_string().contains("set HF_TOKEN"), "{error}");

    options.token = Some("hf_wrong".into());
    let error = get(ID, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.to_string().contains("accept the licence at"), "{error}");
    assert!(!error.to_string().contains("hf_wrong"), "{error}");

    hub.forget_requests();
    options.token = Some("hf_secret".into());
    get(ID, &options).unwrap();
    let (at_hub, elsewhere): (Vec<_>, Vec<_>) = hub.requests().into_iter().partition(|r| r.at_hub);
    assert!(at_hub.iter().all(|r| r.header("authorization") == Some("Bearer hf_secret")));
    assert_eq!(elsewhere.len(), 1);
    assert_eq!(elsewhere[0].header("authorization"), None);

    options.token = Some("two words".into());
    assert_eq!(get("owner/other", &options).unwrap_err().at_fault(), "HF_TOKEN");
}

#[test]
fn a_revision_stands_after_the_at() {
    let (hub, cache) = (usual().start(), TempDir::new().unwrap());
    let id = format!("{ID}@refs/pr/1");
    let mut options = options(&hub, &cache);
    let folder = get(&id, &options).unwrap();
    assert!(folder.ends_with(PULL_REQUEST_COMMIT));
    assert!(hub.requests()[0].path.contains("/resolve/refs%2Fpr%2F1/config.json"));
    let reference = cache.path().join("models--owner--some-model/refs/refs/pr/1");
    assert_eq!(fs::read_to_string(reference).unwrap(), PULL_REQUEST_COMMIT);
    options.offline = true;
    assert_eq!(get(&id, &options).unwrap(), folder);
}

#[test]
fn what_does_not_exist_is_named() {
    let (hub, cache) = (usual().without("tokenizer.json").start(), TempDir::new().unwrap());
    for (id, message) in [
        ("owner/other", "owner/other: does not exist"),
        ("owner/some-model@nowhere", "owner/some-model@nowhere: has no revision nowhere"),
        ("owner/some-model", "owner/some-model: has no vocab.json at revision main"),
    ] {
        let error = get(id, &options(&hub, &cache)).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, message));
    }
    let hub = usual().without("model.safetensors").without("pytorch_model.bin").start();
    let error = get(ID, &options(&hub, &cache)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("has no model.safetensors or "), "{error}");
    let error = get("no-owner", &options(&hub, &cache)).unwrap_err();
    let message = "no-owner: does not exist, and there is no folder of this name here";
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, message));
}

#[test]
fn a_model_without_an_owner_and_a_pasted_address_are_found() {
    let (hub, cache) = (usual().start(), TempDir::new().unwrap());
    let mut options = options(&hub, &cache);
    let folder = get("some-model", &options).unwrap();
    assert_eq!(folder, cache.path().join("models--some-model/snapshots").join(COMMIT));
    assert!(hub.requests()[0].path.starts_with("/some-model/resolve/main/"));

    let page = format!("{}/{ID}/tree/refs%2Fpr%2F1", hub.endpoint());
    let folder = get(&page, &options).unwrap();
    let model = cache.path().join("models--owner--some-model");
    assert_eq!(folder, model.join("snapshots").join(PULL_REQUEST_COMMIT));
    options.offline = true;
    assert_eq!(
        get(&format!("https://huggingface.co/{ID}/tree/refs/pr/1"), &options).unwrap(),
        folder
    );
    let error = get("https://example.com/owner/some-model", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
}

#[test]
fn only_the_hub_itself_says_for_later_that_a_file_is_missing() {
    let parts = usual().without("tokenizer.json");
    let parts = parts.file("vocab.json", b"{}").file("merges.txt", b"#version: 0.2\n");
    let marks = |cache: &TempDir| {
        let model = cache.path().join("models--owner--some-model");
        model.join(".no_exist").join(COMMIT).join("tokenizer.json")
    };
    let (bare, cache) = (parts.clone().bare_404().start(), TempDir::new().unwrap());
    get(ID, &options(&bare, &cache)).unwrap();
    assert!(!marks(&cache).exists());
    // So the next run asks again, and finds it where it has come.
    let whole = bare.next(|hub| hub.file("tokenizer.json", b"{}"));
    let folder = get(ID, &options(&whole, &cache)).unwrap();
    assert!(folder.join("tokenizer.json").exists());

    let (hub, cache) = (parts.start(), TempDir::new().unwrap());
    let folder = get(ID, &options(&hub, &cache)).unwrap();
    assert!(marks(&cache).exists());
    // A mark that was wrong goes when the file comes.
    fs::remove_file(folder.join("vocab.json")).unwrap();
    let whole = hub.next(|hub| hub.file("tokenizer.json", b"{}"));
    get(ID, &options(&whole, &cache)).unwrap();
    assert!(folder.join("tokenizer.json").exists() && !marks(&cache).exists());
}

#[test]
fn files_that_are_read_whole_are_not_fetched_beyond_reason() {
    for (name, most) in [
        ("config.json", 4 << 20),
        ("tokenizer.json", 256 << 20),
        ("model.safetensors.index.json", 4u64 << 20),
    ] {
        let hub = usual().without("model.safetensors").without("pytorch_model.bin");
        let hub = hub.large_file(name, b"{}".to_vec()).of_size(name, most + 1).start();
        let cache = TempDir::new().unwrap();
        let error = get(ID, &options(&hub, &cache)).unwrap_err();
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, name));
        assert!(error.to_string().contains(&format!("larger than {most} bytes")), "{error}");
        assert!(hub.ranges().is_empty(), "none of it was asked for");
    }
}

#[test]
fn an_index_of_thousands_of_shards_is_refused_before_one_is_asked_for() {
    let map: Vec<String> = (0..1025).map(|i| format!("\"t{i}\": \"{i}.safetensors\"")).collect();
    let index = format!("{{\"weight_map\": {{{}}}}}", map.join(","));
    let hub = usual().without("model.safetensors");
    let hub = hub.file("model.safetensors.index.json", index.as_bytes()).start();
    let error = get(ID, &options(&hub, &TempDir::new().unwrap())).unwrap_err();
    assert_eq!(error.at_fault(), "model.safetensors.index.json");
    assert!(error.to_string().contains("lists 1025 shards"), "{error}");
    assert!(!hub.requests().iter().any(|request| request.path.ends_with("/0.safetensors")));
}

#[test]
fn offline_names_what_is_missing() {
    let (hub, cache) = (usual().start(), TempDir::new().unwrap());
    let mut options = options(&hub, &cache);
    options.offline = true;
    let error = get(ID, &options).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::NotFound, ID));
    assert!(error.to_string().contains("revision main is not in the cache"), "{error}");
    assert_eq!(hub.requests().len(), 0);

    options.offline = false;
    let folder = get(ID, &options).unwrap();
    options.offline = true;
    for file in ["model.safetensors", "tokenizer.json"] {
        fs::remove_file(folder.join(file)).unwrap();
        let error = get(ID, &options).unwrap_err();
        assert!(error.to_string().contains(&format!("{file} is not in the cache")), "{error}");
    }
}

#[test]
fn without_a_hub_the_cache_is_used_or_the_host_named() {
    let (hub, cache) = (usual().start(), TempDir::new().unwrap());
    let mut options = options(&hub, &cache);
    let folder = get(ID, &options).unwrap();
    // A port on which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    options.endpoint = format!("http://{port}");
    assert_eq!(get(ID, &options).unwrap(), folder);
    let error = get("owner/other", &options).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Network, &*port.to_string()));
    options.endpoint = "huggingface.co".into();
    assert_eq!(get("owner/other", &options).unwrap_err().at_fault(), "HF_ENDPOINT");
}

#[test]
fn other_forms_of_tokenizer_and_weights_are_found() {
    let parts = usual().without("tokenizer.json").without("model.safetensors");
    let parts = parts.file("vocab.json", b"{}").file("merges.txt", b"#version: 0.2\n").start();
    let cache = TempDir::new().unwrap();
    let folder = get(ID, &options(&parts, &cache)).unwrap();
    assert_eq!(names(&folder), ["config.json", "merges.txt", "pytorch_model.bin", "vocab.json"]);
    // That there is no tokenizer.json is remembered, as Python does.
    parts.forget_requests();
    get(ID, &options(&parts, &cache)).unwrap();
    assert_eq!(parts.requests().len(), 2);

    let (one, two) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let index = format!(r#"{{"weight_map": {{"a": "{two}", "b": "{one}", "c": "{two}"}}}}"#);
    let sharded = usual()
        .without("model.safetensors")
        .file("model.safetensors.index.json", index.as_bytes())
        .large_file(one, vec![1; 1000])
        .large_file(two, vec![2; 2000])
        .start();
    let cache = TempDir::new().unwrap();
    let mut total = 0;
    let folder = download(ID, &options(&sharded, &cache), &mut |p| total = p.total).unwrap();
    assert_eq!(
        names(&folder),
        ["config.json", one, two, "model.safetensors.index.json", "tokenizer.json"]
    );
    assert_eq!(total, 8 + 18 + 3000);
    // A lost shard is noticed and comes back without a download: its content is still there.
    fs::remove_file(folder.join(two)).unwrap();
    sharded.forget_requests();
    get(ID, &options(&sharded, &cache)).unwrap();
    assert_eq!(fs::read(folder.join(two)).unwrap(), [2; 2000]);
    assert_eq!(sharded.ranges().len(), 0);
}

#[test]
fn a_new_commit_brings_only_what_changed() {
    let (hub, cache) = (usual().start(), TempDir::new().unwrap());
    let old = get(ID, &options(&hub, &cache)).unwrap();
    let hub = hub.next(|hub| hub.commit(&"c".repeat(40)).file("config.json", b"{\"a\": 2}"));
    let new = get(ID, &options(&hub, &cache)).unwrap();
    assert_ne!(old, new);
    assert_eq!(fs::read(old.join("config.json")).unwrap(), b"{\"a\": 1}");
    assert_eq!(fs::read(new.join("config.json")).unwrap(), b"{\"a\": 2}");
    assert_eq!(hub.ranges().len(), 0, "the weights are the same content");
}

#[test]
fn content_that_differs_from_its_checksum_is_not_kept() {
    let hub = usual().corrupt("model.safetensors").start();
    let cache = TempDir::new().unwrap();
    let error = get(ID, &options(&hub, &cache)).unwrap_err();
    assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Checkpoint, "model.safetensors"));
    assert!(error.to_string().contains("SHA-256"), "{error}");
    let blobs = names(&cache.path().join("models--owner--some-model/blobs"));
    assert!(!blobs.iter().any(|name| name.starts_with(hub.etag("model.safetensors"))), "{blobs:?}");
}

#[test]
fn headers_that_would_leave_the_cache_folder_are_refused() {
    for (etag, commit) in [("../../evil", COMMIT), ("fine", "../../evil")] {
        let hub = usual().odd_headers(etag, commit).start();
        let cache = TempDir::new().unwrap();
        let error = get(ID, &options(&hub, &cache)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{error}");
        assert!(names(cache.path()).is_empty());
    }
}
