//! What the tests of this folder share.

use std::io::{Cursor, Write};

use pollster::block_on;
use zip::CompressionMethod::Stored;
use zip::write::SimpleFileOptions;

use super::{ByteSource, Checkpoint, Files, MemoryFiles};
use crate::error::Result;

/// The bytes of a file in `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).expect(&path)
}

pub(crate) fn source(name: &'static str, bytes: Vec<u8>) -> Box<dyn ByteSource> {
    let files = MemoryFiles::new("memory").with(name, bytes);
    block_on(files.open(name)).unwrap().unwrap()
}

/// A checkpoint of one file.
pub(crate) fn open(name: &str, bytes: impl Into<Vec<u8>>) -> Result<Checkpoint> {
    let files = MemoryFiles::new("memory").with(name, bytes.into());
    block_on(Checkpoint::open(&files))
}

/// All numbers of a tensor.
pub(crate) fn read(checkpoint: &Checkpoint, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let tensor = checkpoint.get(name, shape)?;
    let mut out = Vec::new();
    block_on(tensor.read_rows(0..tensor.rows(), &mut out))?;
    Ok(out)
}

/// `count` whole numbers from `start` on.
pub(crate) fn counted(start: i32, count: i32) -> Vec<f32> {
    (start..start + count).map(|number| number as f32).collect()
}

/// A safetensors file with this header and data.
pub(crate) fn safetensors_file(header: &serde_json::Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    let length = header.len() as u64;
    [&length.to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// A zip of stored entries, written by somebody else's code.
pub(crate) fn zip_file(entries: &[(&str, &[u8])], comment: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(Stored)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.set_comment(comment).unwrap();
    zip.finish().unwrap().into_inner()
}
