//! Files that are held in memory: the embedded model, a page's downloads, tests.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::source::{ByteSource, Files, LocalFuture};
use crate::error::{Error, ErrorKind, Result};

/// A piece of a file.
type Part = Cow<'static, [u8]>;

/// Named bytes that look like a folder.
///
/// ```
/// use cappy::checkpoint::{MemoryFiles, read_all};
/// let files = MemoryFiles::new("embedded").with("config.json", b"{}");
/// let bytes = pollster::block_on(read_all(&files, "config.json", 1 << 20))?;
/// assert_eq!(bytes.unwrap(), b"{}");
/// # Ok::<(), cappy::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    description: String,
    files: BTreeMap<String, Arc<[Part]>>,
}

impl MemoryFiles {
    /// An empty folder that messages call `description`.
    pub fn new(description: impl Into<String>) -> Self {
        MemoryFiles { description: description.into(), files: BTreeMap::new() }
    }

    /// The same folder with the file `name`, in place of one that had this name.
    pub fn with(mut self, name: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        self.files.insert(name.into(), Arc::new([bytes.into()]));
        self
    }

    /// The same folder with a file that lies in pieces, one after the other. They are not copied together.
    pub fn with_parts<const N: usize>(
        mut self,
        name: impl Into<String>,
        parts: [impl Into<Cow<'static, [u8]>>; N],
    ) -> Self {
        self.files.insert(name.into(), Arc::new(parts.map(Into::into)));
        self
    }
}

impl Files for MemoryFiles {
    fn describe(&self) -> String {
        self.description.clone()
    }

    fn open<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<Box<dyn ByteSource>>>> {
        Box::pin(async move {
            Ok(self.files.get(name).map(|parts| {
                Box::new(MemorySource { name: name.to_owned(), parts: parts.clone() }) as _
            }))
        })
    }
}

struct MemorySource {
    name: String,
    parts: Arc<[Part]>,
}

impl MemorySource {
    fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }
}

impl ByteSource for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.bytes() as u64
    }

    fn read(&self, range: Range<u64>) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            let start = usize::try_from(range.start).unwrap_or(usize::MAX);
            let end = usize::try_from(range.end).unwrap_or(usize::MAX);
            if start > end || end > self.bytes() {
                let message = format!("has {} bytes, none at {start} to {end}", self.bytes());
                return Err(Error::new(ErrorKind::Io, &self.name, message));
            }
            let mut read = Vec::with_capacity(end - start);
            let mut before = 0;
            for part in self.parts.iter() {
                let inside = |at: usize| at.saturating_sub(before).min(part.len());
                read.extend_from_slice(&part[inside(start)..inside(end)]);
                before += part.len();
            }
            Ok(read)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;

    #[test]
    fn ranges_are_checked() {
        let files = MemoryFiles::new("memory").with("a", b"0123456789");
        let source = block_on(files.open("a")).unwrap().unwrap();
        assert_eq!(block_on(source.read(3..5)).unwrap(), b"34");
        #[expect(clippy::reversed_empty_ranges)]
        for range in [9..11, 5..3, 0..u64::MAX] {
            assert_eq!(block_on(source.read(range)).unwrap_err().at_fault(), "a");
        }
        assert!(block_on(files.open("b")).unwrap().is_none());
    }

    #[test]
    fn what_lies_in_pieces_is_read_as_one() {
        let files = MemoryFiles::new("memory").with_parts("a", [&b"0123"[..], b"", b"456", b"789"]);
        let source = block_on(files.open("a")).unwrap().unwrap();
        assert_eq!(source.size(), 10);
        for start in 0..=10 {
            for end in start..=10 {
                let read = block_on(source.read(start..end)).unwrap();
                assert_eq!(read, b"0123456789"[start as usize..end as usize]);
            }
        }
        assert_eq!(block_on(source.read(3..11)).unwrap_err().at_fault(), "a");
    }
}
