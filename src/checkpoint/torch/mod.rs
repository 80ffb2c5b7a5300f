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

/// How many times larger than the file its tensors may be together: some share their numbers, as the
/// word table and the output of a language model do. A view with strides of zero could be of any size.
const MOST_SHARING: u64 = 4;

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
    let mut bytes = 0u64;
    for (key, value) in pairs {
        let name = pickle.text(*key).ok_or_else(|| broken(&at_fault, "has a key not of text"))?;
        if let Some(Object::Tensor(arguments)) = pickle.object(*value) {
            let refuse = |why: String| broken(&at_fault, format!("tensor {name:?} {why}"));
            let tensor = TensorParts::new(&pickle, *arguments).map_err(refuse)?;
            let view = archive.view(tensor)?.map_err(refuse)?;
            bytes = bytes.saturating_add(view.bytes());
            if bytes / MOST_SHARING > source.size() {
                let why = format!("makes {bytes} bytes of tensors out of {}", source.size());
                return Err(refuse(format!("{why}; save it again with clones of its tensors")));
            }
            // A dict keeps the last value of a key.
            tensors.insert(name.to_owned(), view);
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

#[cfg(test)]
mod tests {
    use crate::checkpoint::testing::{counted, fixture, open, read, zip_file};
    use crate::checkpoint::{Checkpoint, Dtype};

    const FILE: &str = "pytorch_model.bin";

    fn open_fixture(name: &str) -> Checkpoint {
        open(FILE, fixture(name)).unwrap()
    }

    #[test]
    fn state_dicts_of_each_format_are_read() {
        for (file, dtype) in [
            ("model.bin", Dtype::F32),
            ("model_protocol_4.bin", Dtype::F32),
            ("model_f16.bin", Dtype::F16),
            ("model_bf16.bin", Dtype::BF16),
        ] {
            let checkpoint = open_fixture(file);
            assert_eq!(checkpoint.format(), "torch zip");
            let words = "roberta.embeddings.word_embeddings.weight";
            assert_eq!(checkpoint.get(words, &[5, 3]).unwrap().dtype(), dtype, "{file}");
            for (name, shape, expected) in [
                (words, &[5usize, 3][..], counted(0, 15)),
                ("lm_head.weight", &[5, 3], counted(0, 15)),
                ("roberta.pooler.bias", &[3], counted(-50, 3)),
                ("classifier.dense.weight", &[2, 3], counted(100, 6)),
                ("classifier.dense.bias", &[2], counted(-100, 2)),
            ] {
                assert_eq!(read(&checkpoint, name, shape).unwrap(), expected, "{file} {name}");
            }
            let error = checkpoint.get("roberta.embeddings.position_ids", &[1, 9]).unwrap_err();
            assert!(error.to_string().contains("Long"), "{error}");
        }
    }

    #[test]
    fn views_are_read_as_they_look() {
        let checkpoint = open_fixture("views.bin");
        // The whole number in each row and column of the base.
        let table = |rows: &[usize], columns: &[usize]| -> Vec<f32> {
            let places = rows.iter().flat_map(|r| columns.iter().map(move |c| r * 6 + c));
            places.map(|number| number as f32).collect()
        };
        let all = [0, 1, 2, 3, 4, 5];
        let transposed: Vec<f32> = all.iter().flat_map(|c| table(&all[..4], &[*c])).collect();
        let permuted: Vec<f32> = (0..4)
            .flat_map(|i| (0..2).flat_map(move |j| (0..3).map(move |k| i + 12 * j + 4 * k)))
            .map(|number| number as f32)
            .collect();
        for (name, shape, expected) in [
            ("base", &[4usize, 6][..], table(&all[..4], &all)),
            ("transposed", &[6, 4], transposed.clone()),
            ("parameter", &[6, 4], transposed.clone()),
            ("half", &[6, 4], transposed),
            ("double", &[4, 6], table(&all[..4], &all)),
            ("column", &[4], table(&all[..4], &[2])),
            ("lower_right", &[3, 3], table(&[1, 2, 3], &[3, 4, 5])),
            ("every_second", &[2, 3], table(&[0, 2], &[1, 3, 5])),
            ("expanded", &[3, 6], table(&[1, 1, 1], &all)),
            ("permuted", &[4, 2, 3], permuted),
            ("scalar", &[], vec![7.0]),
            ("empty", &[0, 3], vec![]),
            ("brain", &[4, 2], table(&all[..4], &[1, 2])),
        ] {
            assert_eq!(read(&checkpoint, name, shape).unwrap(), expected, "{name}");
        }
        assert_eq!(checkpoint.get("double", &[4, 6]).unwrap().dtype(), Dtype::F64);
        let error = checkpoint.get("flags", &[4, 6]).unwrap_err().to_string();
        assert!(error.contains("Bool"), "{error}");
        assert!(checkpoint.names().all(|name| name != "step"));
    }

    #[test]
    fn what_is_no_plain_state_dict_is_refused() {
        for (file, expected) in [
            ("legacy.bin", "before version 1.6"),
            ("os_system.bin", ".system, which no state dict"),
            ("whole_module.bin", "torch.nn.modules.linear.Linear"),
            ("list.bin", "not a state dict"),
            ("not_plain.bin", "\"lazy\" is not a plain tensor"),
        ] {
            let error = open(FILE, fixture(file)).unwrap_err();
            assert!(error.at_fault().starts_with(FILE), "{error}");
            assert!(error.to_string().contains(expected), "{file}: {error}");
        }
    }

    /// A pickle of `{"w": tensor}` whose storage has the entry `data/k`.
    fn pickle_of(class: &str, numbers: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
        let tuple = |sizes: &[u8]| -> Vec<u8> {
            [b"(".to_vec(), sizes.iter().flat_map(|s| [b'K', *s]).collect(), b"t".to_vec()].concat()
        };
        let storage =
            [b"(\x8c\x07storagec", class.as_bytes(), b"\n\x8c\x01k\x8c\x03cpuK", &[numbers]]
                .concat();
        let tensor = [b"ctorch._utils\n_rebuild_tensor_v2\n(", &storage[..], b"tQK\0"].concat();
        let end = b"\x89}tRs.";
        [b"\x80\x02}\x8c\x01w", &tensor[..], &tuple(shape), &tuple(strides), end].concat()
    }

    #[test]
    fn archives_that_do_not_fit_their_pickle_are_refused() {
        let float = "torch\nFloatStorage";
        let good = pickle_of(float, 3, &[3], &[1]);
        let data: Vec<u8> = counted(4, 3).into_iter().flat_map(f32::to_le_bytes).collect();
        let archive = [("a/data.pkl", &good[..]), ("a/byteorder", b"little"), ("a/data/k", &data)];
        let checkpoint = open(FILE, zip_file(&archive, "a comment")).unwrap();
        assert_eq!(read(&checkpoint, "w", &[3]).unwrap(), counted(4, 3));
        let bare = open(FILE, zip_file(&[("data.pkl", &good[..]), ("data/k", &data)], ""));
        assert_eq!(read(&bare.unwrap(), "w", &[3]).unwrap(), counted(4, 3));

        let big_endian = [("a/data.pkl", &good[..]), ("a/byteorder", b"big"), ("a/data/k", &data)];
        let two = [("a/data.pkl", &good[..]), ("b/data.pkl", &good), ("a/data/k", &data)];
        for (entries, expected) in [
            (&big_endian[..], "little-endian"),
            (&two, "more than one data.pkl"),
            (&archive[1..], "without data.pkl"),
            (&archive[..2], "no entry \"a/data/k\""),
        ] {
            let error = open(FILE, zip_file(entries, "")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        for (pickle, expected) in [
            (pickle_of(float, 4, &[3], &[1]), "wants 4 numbers of f32, its storage has 12 bytes"),
            (pickle_of("torch\nHalfStorage", 3, &[3], &[1]), "wants 3 numbers of f16"),
            (pickle_of(float, 3, &[4], &[1]), "outside its storage"),
            (pickle_of(float, 3, &[2], &[3]), "outside its storage"),
            (pickle_of(float, 3, &[3], &[1, 1]), "1 sizes and 2 strides"),
            (pickle_of(float, 3, &[2, 2], &[1, 1]), "overlaps itself"),
            (pickle_of(float, 3, &[200, 3], &[0, 1]), "makes 2400 bytes of tensors out of"),
            (pickle_of(float, 3, &[1; 9], &[1; 9]), "up to 8 whole numbers"),
            (pickle_of("collections\nOrderedDict", 3, &[3], &[1]), "unknown type"),
            (pickle_of("torch.storage\n_load_from_bytes", 3, &[3], &[1]), "_load_from_bytes"),
        ] {
            let entries = [("a/data.pkl", &pickle[..]), ("a/data/k", &data)];
            let error = open(FILE, zip_file(&entries, "")).unwrap_err();
            assert_eq!(error.at_fault(), "pytorch_model.bin: a/data.pkl");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
