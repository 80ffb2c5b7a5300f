//! The directory of a zip file whose entries are stored as they are.
//!
//! Kept crates read zips from one blocking stream, or bring decompressors and text encodings with
//! them. Here only the directory is wanted, through asynchronous ranges, and what a checkpoint may
//! not hold is refused: compression, encryption, and several disks. Checksums are not compared:
//! torch can be told to write none, and tensors are read in pieces.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::checkpoint::source::{ByteSource, read_exact};
use crate::error::{Error, ErrorKind, Result};

/// More than a directory of any real checkpoint takes: 100,000 entries.
const MOST_DIRECTORY: u64 = 8 << 20;

const END: u32 = 0x0605_4b50;
const END_LEN: usize = 22;
const END64: u32 = 0x0606_4b50;
const END64_LEN: usize = 56;
const LOCATOR: u32 = 0x0706_4b50;
const LOCATOR_LEN: usize = 20;
const CENTRAL: u32 = 0x0201_4b50;
const CENTRAL_LEN: usize = 46;
const LOCAL: u32 = 0x0403_4b50;
const LOCAL_LEN: usize = 30;

/// One stored file in the zip.
#[derive(Debug, Clone)]
pub(in crate::checkpoint) struct Entry {
    pub(super) name: String,
    /// Where its own header stands.
    header: u64,
    /// Bytes of data.
    pub(super) size: u64,
    /// Why its data cannot be read as it is, if so.
    refused: Option<&'static str>,
    /// Where the directory begins, before which all data must end.
    limit: u64,
}

impl Entry {
    /// Fails when the data is not simply there, as compressed data is not.
    pub(super) fn check_stored(&self, file: &str) -> Result<()> {
        match self.refused {
            Some(why) => Err(broken(&format!("{file}: {}", self.name), why)),
            None => Ok(()),
        }
    }
}

/// All entries by name.
pub(super) async fn entries(source: &dyn ByteSource) -> Result<BTreeMap<String, Rc<Entry>>> {
    let end = find_end(source).await?;
    if end.size > MOST_DIRECTORY {
        let message = format!("its zip directory is {} bytes long", end.size);
        return Err(broken(source.name(), message));
    }
    let bytes = read_exact(source, end.start..end.start + end.size).await?;
    let mut rest = &bytes[..];
    let mut entries = BTreeMap::new();
    for index in 0..end.count {
        let broken = |what: &str| broken(source.name(), format!("zip entry {index} {what}"));
        let header =
            fixed(&mut rest, CENTRAL, CENTRAL_LEN).ok_or_else(|| broken("is cut short"))?;
        let mut take = |at| take(&mut rest, usize::from(header.u16(at)));
        let (Some(name), Some(extra), Some(_comment)) = (take(28), take(30), take(32)) else {
            return Err(broken("is cut short"));
        };
        let entry = entry(header, name, extra, end.start).map_err(broken)?;
        if let Some(twice) = entries.insert(entry.name.clone(), Rc::new(entry)) {
            return Err(broken(&format!("{} stands there twice", twice.name)));
        }
    }
    if !rest.is_empty() {
        return Err(broken(source.name(), "its zip directory has more than its entries"));
    }
    Ok(entries)
}

/// Where an entry's data begins. Its own header has to be asked, because torch fills that header up
/// until the data is aligned.
pub(in crate::checkpoint) async fn data_start(
    source: &dyn ByteSource,
    entry: &Entry,
) -> Result<u64> {
    let broken = |what: &str| broken(&format!("{}: {}", source.name(), entry.name), what);
    let end = entry.header.saturating_add((LOCAL_LEN + entry.name.len()) as u64);
    let bytes = read_exact(source, entry.header..end).await?;
    let mut rest = &bytes[..];
    let header = fixed(&mut rest, LOCAL, LOCAL_LEN).ok_or_else(|| broken("has no header"))?;
    if usize::from(header.u16(26)) != rest.len() || rest != entry.name.as_bytes() {
        return Err(broken("has another name in its own header"));
    }
    let start = end + u64::from(header.u16(28));
    if start.checked_add(entry.size).is_none_or(|end| end > entry.limit) {
        return Err(broken("reaches into the zip directory"));
    }
    Ok(start)
}

/// Where the directory is.
struct End {
    start: u64,
    size: u64,
    count: u64,
}

async fn find_end(source: &dyn ByteSource) -> Result<End> {
    let refuse = |what: &str| broken(source.name(), what);
    // The last record may be followed by a comment, and preceded by its 64-bit twin's locator.
    let most = (LOCATOR_LEN + END_LEN + usize::from(u16::MAX)) as u64;
    let tail_start = source.size().saturating_sub(most);
    let tail = read_exact(source, tail_start..source.size()).await?;
    let position = (0..=tail.len().saturating_sub(END_LEN))
        .rev()
        .find(|at| {
            let record = tail.get(*at..).unwrap_or_default();
            let fixed = fixed(&mut &record[..], END, END_LEN);
            fixed.is_some_and(|fixed| END_LEN + usize::from(fixed.u16(20)) == record.len())
        })
        .ok_or_else(|| refuse("has no end of a zip file: truncated, or not a torch checkpoint"))?;
    let end = Fields(&tail[position..]);
    let before = |length: usize| position.checked_sub(length).and_then(|at| tail.get(at..position));
    let locator = before(LOCATOR_LEN).and_then(|mut b| fixed(&mut b, LOCATOR, LOCATOR_LEN));

    let (found, limit, disks) = match locator {
        None => {
            let found = End {
                start: end.u32(16).into(),
                size: end.u32(12).into(),
                count: end.u16(10).into(),
            };
            (found, tail_start + position as u64, u32::from(end.u16(4) | end.u16(6)))
        }
        Some(locator) => {
            let at = locator.u64(8);
            let bytes = read_exact(source, at..at.saturating_add(END64_LEN as u64)).await?;
            let end = fixed(&mut &bytes[..], END64, END64_LEN)
                .ok_or_else(|| refuse("has no 64-bit end record where it should be"))?;
            let found = End { start: end.u64(48), size: end.u64(40), count: end.u64(32) };
            (found, at, end.u32(16) | end.u32(20))
        }
    };
    if disks != 0 {
        return Err(refuse("is one part of a zip file in several"));
    }
    if found.start.checked_add(found.size) != Some(limit) {
        return Err(refuse("its zip directory does not end where its end record stands"));
    }
    if found.count > found.size / CENTRAL_LEN as u64 {
        return Err(refuse("its zip directory is too short for its entries"));
    }
    Ok(found)
}

fn entry(header: Fields, name: &[u8], extra: &[u8], limit: u64) -> Result<Entry, &'static str> {
    const IN_EXTRA: u64 = u32::MAX as u64;
    let name = str::from_utf8(name).map_err(|_| "has a name that is not UTF-8")?.to_owned();
    let mut packed = u64::from(header.u32(20));
    let mut size = u64::from(header.u32(24));
    let mut offset = u64::from(header.u32(42));
    // The 64-bit field holds those of the three that did not fit, in this order.
    let mut wide = zip64_field(extra);
    for value in [&mut size, &mut packed, &mut offset] {
        if *value == IN_EXTRA {
            let number = take(&mut wide, 8).ok_or("lacks its 64-bit sizes")?;
            *value = Fields(number).u64(0);
        }
    }
    if offset.checked_add(LOCAL_LEN as u64 + size).is_none_or(|end| end > limit) {
        return Err("reaches into the zip directory");
    }
    let refused = if header.u16(8) & 1 != 0 {
        Some("is encrypted")
    } else if header.u16(10) != 0 || packed != size {
        Some("is compressed; torch stores its entries as they are")
    } else {
        None
    };
    Ok(Entry { name, header: offset, size, refused, limit })
}

/// The content of the extra field with id 1, empty when there is none.
fn zip64_field(mut extra: &[u8]) -> &[u8] {
    while let Some(head) = take(&mut extra, 4) {
        let (id, length) = (Fields(head).u16(0), Fields(head).u16(2));
        let Some(content) = take(&mut extra, length.into()) else {
            break;
        };
        if id == 1 {
            return content;
        }
    }
    &[]
}

/// A record whose length was checked.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u16(self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    fn u32(self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }

    fn u64(self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }
}

/// Takes a record of `length` bytes that begins with `signature`.
fn fixed<'a>(rest: &mut &'a [u8], signature: u32, length: usize) -> Option<Fields<'a>> {
    let record = Fields(take(rest, length)?);
    (record.u32(0) == signature).then_some(record)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn broken(at_fault: &str, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Checkpoint, at_fault, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::testing::{fixture, source, zip_file};
    use pollster::block_on;
    use std::io::Write;

    const FILE: &str = "pytorch_model.bin";

    /// The data of every entry by name.
    fn unpack(bytes: Vec<u8>) -> Result<Vec<(String, Vec<u8>)>> {
        let source = source(FILE, bytes);
        block_on(async {
            let mut unpacked = Vec::new();
            for (name, entry) in entries(&*source).await? {
                entry.check_stored(FILE)?;
                let start = data_start(&*source, &entry).await?;
                unpacked.push((name, read_exact(&*source, start..start + entry.size).await?));
            }
            Ok(unpacked)
        })
    }

    fn expected() -> Vec<(String, Vec<u8>)> {
        vec![("a".into(), b"one".to_vec()), ("b/c".into(), b"".to_vec())]
    }

    /// One entry whose 32-bit fields all say to look in the 64-bit ones.
    fn zip64() -> Vec<u8> {
        let wide = |numbers: &[u64]| -> Vec<u8> {
            numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
        };
        let full = [0xff; 4];
        let local = [&LOCAL.to_le_bytes()[..], &[0; 14], &full, &full, &[1, 0, 20, 0], b"a"];
        let extra = [&[1, 0, 16, 0][..], &wide(&[3, 3])].concat();
        let before = [local.concat(), extra, b"one".to_vec()].concat();
        let central = [
            &CENTRAL.to_le_bytes()[..],
            &[0; 16],
            &full,
            &full,
            &[1, 0, 28, 0],
            &[0; 10],
            &full,
            b"a",
            &[1, 0, 24, 0],
            &wide(&[3, 3, 0]),
        ]
        .concat();
        let (start, size) = (before.len() as u64, central.len() as u64);
        let end64 = [
            &END64.to_le_bytes()[..],
            &wide(&[44]),
            &[0; 12],
            &wide(&[1, 1, size, start]),
            &LOCATOR.to_le_bytes(),
            &[0; 4],
            &wide(&[start + size]),
            &[1, 0, 0, 0],
        ]
        .concat();
        let end = [&END.to_le_bytes()[..], &[0; 4], &[0xff; 12], &[0; 2]].concat();
        [before, central, end64, end].concat()
    }

    #[test]
    fn plain_commented_and_wide_zips_are_read() {
        let entries: [(&str, &[u8]); 2] = [("a", b"one"), ("b/c", b"")];
        assert_eq!(unpack(zip_file(&entries, "")).unwrap(), expected());
        // A comment may look like the end of a zip.
        let comment = "PK\u{5}\u{6}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0 and so on";
        assert_eq!(unpack(zip_file(&entries, comment)).unwrap(), expected());
        assert_eq!(unpack(zip_file(&entries, &"x".repeat(65535))).unwrap(), expected());
        assert_eq!(unpack(zip64()).unwrap(), expected()[..1]);
        assert_eq!(unpack(zip_file(&[], "")).unwrap(), []);
    }

    #[test]
    fn sizes_behind_the_data_are_read() {
        let mut zip = zip::ZipWriter::new_stream(Vec::new());
        let options = zip::write::SimpleFileOptions::default();
        let options = options.compression_method(zip::CompressionMethod::Stored);
        for (name, bytes) in expected() {
            zip.start_file(name, options).unwrap();
            zip.write_all(&bytes).unwrap();
        }
        let bytes = zip.finish().unwrap().into_inner();
        let local = Fields(&bytes);
        assert_eq!((local.u16(6) & 8, local.u32(18)), (8, 0), "no data descriptor in the test");
        assert_eq!(unpack(bytes).unwrap(), expected());
    }

    #[test]
    fn every_truncation_is_an_error() {
        for whole in [fixture("model.bin"), zip_file(&[("a", b"one")], "tail"), zip64()] {
            assert!(unpack(whole.clone()).is_ok());
            for length in 0..whole.len() {
                let error = unpack(whole[..length].to_vec()).unwrap_err();
                assert!(error.at_fault().starts_with(FILE), "{length}: {error}");
            }
        }
    }

    #[test]
    fn unreadable_entries_are_named() {
        let whole = zip_file(&[("a", b"one"), ("b/c", b"")], "");
        let central = whole.windows(4).position(|four| four == CENTRAL.to_le_bytes()).unwrap();
        let end = whole.len() - END_LEN;
        for (at, value, expected) in [
            (central + 8, 1, "a: is encrypted"),
            (central + 10, 8, "a: is compressed"),
            (central + 20, 2, "a: is compressed"),
            (central, 0, "entry 0 is cut short"),
            (central + 28, 200, "entry 0 is cut short"),
            (central + 42, 3, "a: has no header"),
            (central + 43, 200, "entry 0 reaches into"),
            (central + 26, 255, "entry 0 reaches into"),
            (central + 46, b'z', "z: has another name"),
            (26, 2, "a: has another name"),
            (28, 200, "a: reaches into"),
            (end + 4, 1, "in several"),
            (end + 10, 3, "too short for its entries"),
            (end + 10, 1, "more than its entries"),
            (end + 11, 1, "too short for its entries"),
            (end + 12, 3, "does not end where"),
            (end + 19, 1, "does not end where"),
        ] {
            let mut bytes = whole.clone();
            assert_ne!(bytes[at], value);
            bytes[at] = value;
            let error = unpack(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
        let mut twice = zip_file(&[("a", b"one"), ("b", b"")], "");
        let name = twice.iter().rposition(|byte| *byte == b'b').unwrap();
        twice[name] = b'a';
        assert!(unpack(twice).unwrap_err().to_string().contains("a stands there twice"));
    }
}
