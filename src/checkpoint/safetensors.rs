//! `model.safetensors`: a header in JSON, then the numbers.

use safetensors::tensor::{Dtype as FileDtype, Metadata};

use super::dtype::Dtype;
use super::source::{ByteSource, read_exact};
use super::view::{Element, View};
use crate::error::{Error, ErrorKind, Result};

/// The format's own limit for its header.
const MOST_HEADER: u64 = 100_000_000;

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
        return Err(refuse(format!("is not safetensors: its header would have {length} bytes")));
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
            FileDtype::F32 => Element::Float(Dtype::F32),
            FileDtype::F16 => Element::Float(Dtype::F16),
            FileDtype::BF16 => Element::Float(Dtype::BF16),
            other => Element::Other(format!("{other:?}")),
        };
        let start = data + info.data_offsets.0 as u64;
        (name, View::dense(element, info.shape.clone(), start))
    });
    Ok(tensors.collect())
}
