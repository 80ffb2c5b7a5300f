//! `model.safetensors`: a header in JSON, then the numbers.

use safetensors::tensor::{Dtype as FileDtype, Metadata};

use super::dtype::Dtype;
use super::source::{ByteSource, read_exact};
use super::view::{Element, View};
use crate::error::{Error, ErrorKind, Result};

/// More than the header of any encoder takes: 40,000 tensors. The format's own limit, 100 MB, would
/// make 2 GB of memory of it.
const MOST_HEADER: u64 = 4 << 20;

/// The tensors of one file. Only the header is read.
pub(super) async fn tensors(source: &dyn ByteSource) -> Result<Vec<(String, View)>> {
    let refuse = |what: String| Error::new(ErrorKind::Checkpoint, source.name(), what);
    let mut length = [0; 8];
    if source.size() < 8 {
        let size = source.size();
        return Err(refuse(format!("is truncated: it has {size} bytes, its header alone needs 8")));
    }
    length.copy_from_slice(&read_exact(source, 0..8).await?);
    let length = u64::from_le_bytes(length);
    if length > MOST_HEADER {
        let what = format!("is not safetensors: its header would have {length} bytes");
        return Err(refuse(format!("{what}, at most {MOST_HEADER} are expected")));
    }
    let data = 8 + length;
    let header = read_exact(source, 8..data).await?;
    // This checks that the tensors fill the rest without gaps, each as long as its shape says.
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| refuse(format!("has a broken header: {error}")).with_source(error))?;
    let expected = data.saturating_add(metadata.data_len() as u64);
    if expected != source.size() {
        let (size, what) =
            (source.size(), if expected > source.size() { "truncated" } else { "too long" });
        return Err(refuse(format!("is {what}: {expected} bytes were expected, it has {size}")));
    }
    let tensors = metadata.tensors().into_iter().map(|(name, info)| {
        let element = match info.dtype {
            FileDtype::F64 => Element::Float(Dtype::F64),
            FileDtype::F32 => Element::Float(Dtype::F32),
            FileDtype::F16 => Element::Float(Dtype::F16),
            FileDtype::BF16 => Element::Float(Dtype::BF16),
            FileDtype::I8 => Element::Integers("I8"),
            FileDtype::U8 => Element::Integers("U8"),
            other => Element::Other(format!("{other:?}")),
        };
        let start = data + info.data_offsets.0 as u64;
        (name, View::dense(element, info.shape.clone(), start))
    });
    Ok(tensors.collect())
}

#[cfg(test)]
mod tests {
    use crate::checkpoint::Dtype;
    use crate::checkpoint::testing::{counted, fixture, open, read, safetensors_file};
    use serde_json::json;

    const FILE: &str = "model.safetensors";

    #[test]
    fn each_float_format_is_read() {
        let checkpoint = open(FILE, fixture("mixed.safetensors")).unwrap();
        assert_eq!(checkpoint.format(), "safetensors");
        assert_eq!(checkpoint.file_bytes(), fixture("mixed.safetensors").len() as u64);
        let names: Vec<_> = checkpoint.names().collect();
        assert_eq!(names, ["bf16", "f16", "f32", "flags", "position_ids"]);
        for (name, dtype, start) in
            [("f32", Dtype::F32, 0), ("f16", Dtype::F16, 100), ("bf16", Dtype::BF16, 20)]
        {
            assert_eq!(checkpoint.get(name, &[3, 4]).unwrap().dtype(), dtype);
            assert_eq!(read(&checkpoint, name, &[3, 4]).unwrap(), counted(start, 12), "{name}");
        }
        let error = checkpoint.get("position_ids", &[5]).unwrap_err();
        assert_eq!(error.at_fault(), "position_ids");
        assert!(error.to_string().contains("I64"), "{error}");
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole = fixture("mixed.safetensors");
        for length in 0..whole.len() {
            let error = open(FILE, &whole[..length]).unwrap_err();
            assert_eq!(error.at_fault(), FILE, "{length}");
        }
        let short = open(FILE, &whole[..whole.len() - 1]).unwrap_err().to_string();
        let size = whole.len();
        assert!(short.contains("truncated") && short.contains(&size.to_string()), "{short}");
        assert!(short.contains(&(size - 1).to_string()), "{short}");
        let long = open(FILE, [&whole[..], &[0]].concat()).unwrap_err();
        assert!(long.to_string().contains("too long"), "{long}");
    }

    #[test]
    fn broken_headers_are_refused() {
        let tensor =
            |shape, offsets| json!({"dtype": "F32", "shape": shape, "data_offsets": offsets});
        let most = u64::MAX;
        for header in [
            json!([]),
            json!({"a": {"dtype": "F31", "shape": [2], "data_offsets": [0, 8]}}),
            json!({"a": tensor(json!([3]), json!([0, 8]))}),
            json!({"a": tensor(json!([2]), json!([8, 0]))}),
            json!({"a": tensor(json!([2]), json!([4, 12]))}),
            json!({"a": tensor(json!([most, most]), json!([0, 8]))}),
            json!({"a": tensor(json!([most / 4]), json!([0, most]))}),
            json!({"a": tensor(json!([2]), json!([0, 8])), "b": tensor(json!([2]), json!([4, 12]))}),
            json!({"a": tensor(json!([-2]), json!([0, 8]))}),
        ] {
            let error = open(FILE, safetensors_file(&header, &[0; 8])).unwrap_err();
            assert_eq!(error.at_fault(), FILE, "{header}");
        }
        let good = json!({"a": tensor(json!([2]), json!([0, 8]))});
        assert!(open(FILE, safetensors_file(&good, &[0; 8])).is_ok());
        // A header of spaces, which JSON allows.
        for (spaces, fits) in [(1 << 20, true), (5 << 20, false)] {
            let header = format!("{}{good}", " ".repeat(spaces));
            let length = (header.len() as u64).to_le_bytes();
            let file = [&length[..], header.as_bytes(), &[0; 8]].concat();
            assert_eq!(open(FILE, file).is_ok(), fits, "{spaces}");
        }
        for length in [3, 1 << 40, most] {
            let mut file = safetensors_file(&good, &[0; 8]);
            file[..8].copy_from_slice(&length.to_le_bytes());
            assert_eq!(open(FILE, file).unwrap_err().at_fault(), FILE);
        }
    }
}
