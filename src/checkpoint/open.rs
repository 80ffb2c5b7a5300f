//! Which files of a folder hold its weights.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::quantised_view::pair_scales;
use super::source::{ByteSource, Files, read_all};
use super::view::View;
use super::{Checkpoint, Held, safetensors, torch};
use crate::error::{Error, ErrorKind, Result};

/// Limits for a shard index: more than a model with thousands of tensors needs.
pub(super) const MOST_INDEX: u64 = 4 << 20;
pub(super) const MOST_SHARDS: usize = 1024;

#[derive(Clone, Copy)]
enum Format {
    Safetensors,
    Torch,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Safetensors => "safetensors",
            Format::Torch => "torch zip",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Format::Safetensors => "model.safetensors",
            Format::Torch => "pytorch_model.bin",
        }
    }

    async fn tensors(self, source: &dyn ByteSource) -> Result<Vec<(String, View)>> {
        refuse_pointer(source).await?;
        match self {
            Format::Safetensors => safetensors::tensors(source).await,
            Format::Torch => torch::tensors(source).await,
        }
    }
}

pub(super) async fn open(files: &dyn Files) -> Result<Checkpoint> {
    for format in [Format::Safetensors, Format::Torch] {
        let file = format.file();
        if let Some(source) = files.open(file).await? {
            let tensors = format.tensors(&*source).await?;
            let tensors = tensors.into_iter().map(|(name, view)| (name, Held::Stored(view)));
            return Ok(Checkpoint {
                tensors: pair_scales(tensors.collect())?,
                low_rank: Vec::new(),
                format: format.name().into(),
                file_bytes: source.size(),
                sources: vec![source],
            });
        }
        let index = format!("{file}.index.json");
        if let Some(json) = read_all(files, &index, MOST_INDEX).await? {
            return open_shards(files, format, &index, &json).await;
        }
    }
    let message = "has no weights: neither model.safetensors nor pytorch_model.bin nor an \
                   .index.json of either";
    Err(Error::new(ErrorKind::NotFound, files.describe(), message))
}

/// The file that says which tensor is in which shard.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

async fn open_shards(
    files: &dyn Files,
    format: Format,
    index: &str,
    json: &[u8],
) -> Result<Checkpoint> {
    let refuse = |what: String| Error::new(ErrorKind::Checkpoint, index, what);
    let parsed: Index = serde_json::from_slice(json)
        .map_err(|error| refuse(format!("is not a shard index: {error}")).with_source(error))?;
    let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (tensor, shard) in parsed.weight_map {
        if !is_plain_name(&shard) {
            let message = format!("wants {shard:?} for {tensor:?}, which is not a plain file name");
            return Err(refuse(message));
        }
        shards.entry(shard).or_default().push(tensor);
    }
    if shards.is_empty() || shards.len() > MOST_SHARDS {
        return Err(refuse(format!("lists {} shards, 1 to {MOST_SHARDS} work", shards.len())));
    }

    let mut checkpoint = Checkpoint {
        sources: Vec::new(),
        tensors: BTreeMap::new(),
        low_rank: Vec::new(),
        format: match shards.len() {
            1 => format!("{}, 1 shard", format.name()),
            count => format!("{}, {count} shards", format.name()),
        },
        file_bytes: 0,
    };
    for (file, (shard, wanted)) in shards.into_iter().enumerate() {
        let source = files.open(&shard).await?.ok_or_else(|| {
            let message = format!("is missing, {index} has {} tensors in it", wanted.len());
            Error::new(ErrorKind::NotFound, &shard, message)
        })?;
        let mut found: BTreeMap<_, _> = format.tensors(&*source).await?.into_iter().collect();
        for name in wanted {
            let mut view = found.remove(&name).ok_or_else(|| {
                let message = format!("has no tensor {name:?}, which {index} has in it");
                Error::new(ErrorKind::Checkpoint, source.name(), message)
            })?;
            view.file = file;
            checkpoint.tensors.insert(name, Held::Stored(view));
        }
        checkpoint.file_bytes = checkpoint.file_bytes.saturating_add(source.size());
        checkpoint.sources.push(source);
    }
    checkpoint.tensors = pair_scales(checkpoint.tensors)?;
    Ok(checkpoint)
}

/// Whether a name that stands in a file names a sibling of it, on any system.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(|c: char| matches!(c, '/' | '\\' | ':') || c.is_control())
}

/// A clone without Git LFS leaves a short text in place of each large file.
async fn refuse_pointer(source: &dyn ByteSource) -> Result<()> {
    const POINTER: &[u8] = b"version https://git-lfs";
    let head = source.read(0..source.size().min(POINTER.len() as u64)).await?;
    if head == POINTER {
        let message = "is a Git LFS pointer and not the weights; fetch them with `git lfs pull`";
        return Err(Error::new(ErrorKind::Checkpoint, source.name(), message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::MemoryFiles;
    use crate::checkpoint::testing::{counted, fixture, read, safetensors_file};
    use pollster::block_on;
    use serde_json::json;

    fn shard(name: &str, start: i32) -> Vec<u8> {
        let header = json!({name: {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}});
        let data: Vec<u8> = counted(start, 3).into_iter().flat_map(f32::to_le_bytes).collect();
        safetensors_file(&header, &data)
    }

    fn index(map: serde_json::Value) -> Vec<u8> {
        json!({"metadata": {"total_size": 24}, "weight_map": map}).to_string().into_bytes()
    }

    fn shards(map: serde_json::Value) -> MemoryFiles {
        MemoryFiles::new("memory")
            .with("model.safetensors.index.json", index(map))
            .with("one.safetensors", shard("a", 0))
            .with("two.safetensors", shard("b", 10))
    }

    #[test]
    fn shards_are_one_checkpoint() {
        let files = shards(json!({"a": "one.safetensors", "b": "two.safetensors"}));
        let checkpoint = block_on(open(&files)).unwrap();
        assert_eq!(checkpoint.format(), "safetensors, 2 shards");
        assert_eq!(checkpoint.file_bytes(), 2 * shard("a", 0).len() as u64);
        assert_eq!(read(&checkpoint, "a", &[3]).unwrap(), counted(0, 3));
        assert_eq!(read(&checkpoint, "b", &[3]).unwrap(), counted(10, 3));
    }

    #[test]
    fn shards_of_torch_are_read_too() {
        let map = json!({"weight": "a.bin", "base": "b.bin"});
        let files = MemoryFiles::new("memory")
            .with("pytorch_model.bin.index.json", index(map))
            .with("a.bin", fixture("not_finite.bin"))
            .with("b.bin", fixture("views.bin"));
        let checkpoint = block_on(open(&files)).unwrap();
        assert_eq!(checkpoint.format(), "torch zip, 2 shards");
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["base", "weight"]);
        assert_eq!(read(&checkpoint, "base", &[4, 6]).unwrap(), counted(0, 24));
    }

    #[test]
    fn broken_shards_are_named() {
        for (map, at_fault) in [
            (json!({"a": "one.safetensors", "b": "three.safetensors"}), "three.safetensors"),
            (json!({"a": "one.safetensors", "c": "two.safetensors"}), "two.safetensors"),
            (json!({"a": "../one.safetensors"}), "model.safetensors.index.json"),
            (json!({"a": "/one.safetensors"}), "model.safetensors.index.json"),
            (json!({"a": "C:one.safetensors"}), "model.safetensors.index.json"),
            (json!({"a": ".\\one.safetensors"}), "model.safetensors.index.json"),
            (json!({"a": ".."}), "model.safetensors.index.json"),
            (json!({"a": ""}), "model.safetensors.index.json"),
            (json!({"a": "one.safetensors\0"}), "model.safetensors.index.json"),
            (json!({"a": 3}), "model.safetensors.index.json"),
            (json!({}), "model.safetensors.index.json"),
            (json!([]), "model.safetensors.index.json"),
        ] {
            let error = block_on(open(&shards(map.clone()))).unwrap_err();
            assert_eq!(error.at_fault(), at_fault, "{map}");
        }
    }

    #[test]
    fn the_first_format_that_is_there_is_taken() {
        let files = shards(json!({"a": "one.safetensors"}));
        let files = files.with("pytorch_model.bin", fixture("views.bin"));
        assert_eq!(block_on(open(&files)).unwrap().format(), "safetensors, 1 shard");
        let files = files.with("model.safetensors", fixture("mixed.safetensors"));
        assert_eq!(block_on(open(&files)).unwrap().format(), "safetensors");
        let error = block_on(open(&MemoryFiles::new("nothing"))).unwrap_err();
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::NotFound, "nothing"));
    }

    #[test]
    fn a_pointer_is_not_weights() {
        for name in ["model.safetensors", "pytorch_model.bin"] {
            let text = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
            let error = block_on(open(&MemoryFiles::new("a").with(name, text))).unwrap_err();
            assert_eq!(error.at_fault(), name);
            assert!(error.to_string().contains("git lfs pull"), "{error}");
        }
    }
}
