//! `pytorch_model.bin`: a zip of stored entries, one of them a pickle that names the tensors.

mod globals;
mod pickle;
mod reader;
pub(super) mod zip;

use std::collections::BTreeMap;
use std::rc::Rc;

use self::pickle::{Object, Pickle, Value};
use self::zip::Entry;
use super::source::{ByteSource, read_exact};
use super::view::{Element, Storage, View};
use crate::error::{Error, ErrorKind, Result};

/// More than the pickle of any state dict takes: that of a large model has 50 kB.
const MOST_PICKLE: u64 = 4 << 20;

/// More tensors than any state dict has, and more dimensions than any of them. Without these limits
/// a pickle could name one long shape again and again.
const MOST_TENSORS: usize = 1 << 16;
const MOST_DIMENSIONS: usize = 8;

/// The tensors of a state dict that `torch.save` wrote.
pub(super) async fn tensors(source: &dyn ByteSource) -> Result<Vec<(String, View)>> {
    refuse_legacy(source).await?;
    let archive = Archive::open(source).await?;
    let bytes = archive.read("data.pkl", MOST_PICKLE).await?;
    let at_fault = format!("{}: {}data.pkl", source.name(), archive.prefix);
    let pickle = pickle::read(&bytes).map_err(|why| broken(&at_fault, why))?;
    let pairs = pickle.dict(pickle.result).ok_or_else(|| {
        broken(&at_fault, "is not a state dict; save `model.state_dict()` instead")
    })?;

    if pairs.len() > MOST_TENSORS {
        return Err(broken(&at_fault, format!("has {} items in its state dict", pairs.len())));
    }
    let mut tensors = BTreeMap::new();
    for (key, value) in pairs {
        let name = pickle.text(*key).ok_or_else(|| broken(&at_fault, "has a key not of text"))?;
        if let Some(Object::Tensor(arguments)) = pickle.object(*value) {
            let refuse = |why: String| broken(&at_fault, format!("tensor {name:?} {why}"));
            let tensor = TensorParts::new(&pickle, *arguments).map_err(refuse)?;
            // A dict keeps the last value of a key.
            tensors.insert(name.to_owned(), archive.view(tensor)?.map_err(refuse)?);
        }
    }
    Ok(tensors.into_iter().collect())
}

/// Before torch 1.6 a checkpoint was one long pickle, which is not read here.
async fn refuse_legacy(source: &dyn ByteSource) -> Result<()> {
    let head = read_exact(source, 0..source.size().min(2)).await?;
    if head == [0x80, 0x02] {
        return Err(broken(
            source.name(),
            "is in torch's format from before version 1.6; load it with torch.load and save it \
             again with torch.save, or as safetensors",
        ));
    }
    Ok(())
}

/// The zip's entries, which all stand in one folder.
struct Archive<'a> {
    source: &'a dyn ByteSource,
    entries: BTreeMap<String, Rc<Entry>>,
    prefix: String,
}

impl<'a> Archive<'a> {
    async fn open(source: &'a dyn ByteSource) -> Result<Self> {
        let entries = zip::entries(source).await?;
        let mut prefixes = entries.keys().filter_map(|name| {
            let prefix = name.strip_suffix("data.pkl")?;
            let folder = prefix.strip_suffix('/').unwrap_or(prefix);
            (!folder.contains('/') && (prefix.is_empty() || prefix.ends_with('/')))
                .then_some(prefix)
        });
        let refuse = |why| Err(broken(source.name(), why));
        let prefix = match (prefixes.next(), prefixes.next()) {
            (Some(prefix), None) => prefix.to_owned(),
            (None, _) => return refuse("is a zip file without data.pkl, not a torch checkpoint"),
            (Some(_), Some(_)) => return refuse("has more than one data.pkl"),
        };
        let archive = Archive { source, entries, prefix };
        if archive.entries.contains_key(&format!("{}byteorder", archive.prefix))
            && archive.read("byteorder", 16).await? != b"little"
        {
            return refuse("is not little-endian; save it again on a little-endian machine");
        }
        Ok(archive)
    }

    fn entry(&self, name: &str) -> Result<&Rc<Entry>> {
        let name = format!("{}{name}", self.prefix);
        let entry = self.entries.get(&name).ok_or_else(|| {
            broken(self.source.name(), format!("has no entry {name:?}, which it needs"))
        })?;
        entry.check_stored(self.source.name())?;
        Ok(entry)
    }

    async fn read(&self, name: &str, most: u64) -> Result<Vec<u8>> {
        let entry = self.entry(name)?;
        if entry.size > most {
            let message = format!("is {} bytes long, at most {most} are expected", entry.size);
            return Err(broken(&format!("{}: {}", self.source.name(), entry.name), message));
        }
        let start = zip::data_start(self.source, entry).await?;
        read_exact(self.source, start..start + entry.size).await
    }

    /// The outer result is about the file, the inner one about the tensor.
    fn view(&self, parts: TensorParts<'_>) -> Result<Result<View, String>> {
        let TensorParts { element, key, numbers, offset, shape, strides } = parts;
        let entry = self.entry(&format!("data/{key}"))?;
        if let Element::Float(dtype) = element
            && (numbers as u64).checked_mul(dtype.size() as u64) != Some(entry.size)
        {
            let size = entry.size;
            let why = format!("wants {numbers} numbers of {dtype}, its storage has {size} bytes");
            return Ok(Err(why));
        }
        let storage = Storage::Zipped(entry.clone());
        Ok(View::strided(element, shape, strides, offset, storage, entry.size))
    }
}

/// What the arguments of `_rebuild_tensor_v2` say.
struct TensorParts<'a> {
    element: Element,
    /// The name of the storage's entry.
    key: &'a str,
    /// How many numbers the storage has.
    numbers: usize,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl<'a> TensorParts<'a> {
    fn new(pickle: &'a Pickle, arguments: Value) -> Result<Self, String> {
        // After these four: whether it is trained, its hooks, and since torch 2 what else it is,
        // such as a lazily conjugated view.
        let (&[storage, offset, shape, strides], rest) =
            pickle.tuple(arguments).and_then(|a| a.split_first_chunk()).ok_or("has no parts")?;
        if let Some(extra) = rest.get(2)
            && pickle.dict(*extra).is_none_or(|extra| !extra.is_empty())
            && !matches!(extra, Value::None)
        {
            return Err("is not a plain tensor".into());
        }
        let id = match pickle.object(storage) {
            Some(Object::Storage(id)) => pickle.tuple(*id),
            _ => None,
        };
        let Some(&[kind, class, key, _device, numbers]) = id else {
            return Err("has a storage of an unknown form".into());
        };
        let element = match pickle.object(class) {
            Some(Object::Global(global)) => global.element(),
            _ => None,
        };
        let sizes = |value: Value, what: &str| {
            let values = pickle.tuple(value).filter(|values| values.len() <= MOST_DIMENSIONS);
            let sizes = values.and_then(|values| {
                values.iter().map(|value| pickle.size(*value)).collect::<Option<Vec<_>>>()
            });
            sizes.ok_or_else(|| {
                format!("has {what} that are not up to {MOST_DIMENSIONS} whole numbers")
            })
        };
        Ok(TensorParts {
            element: element
                .filter(|_| pickle.text(kind) == Some("storage"))
                .ok_or("has a storage of an unknown type")?,
            key: pickle.text(key).ok_or("has a storage without a name")?,
            numbers: pickle.size(numbers).ok_or("has a storage without a size")?,
            offset: pickle.size(offset).ok_or("has no offset")?,
            shape: sizes(shape, "sizes")?,
            strides: sizes(strides, "strides")?,
        })
    }
}

fn broken(at_fault: &str, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Checkpoint, at_fault, what)
}
