//! Files that are held in memory: the embedded model, a page's downloads, tests.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::source::{ByteSource, Files, LocalFuture};
use crate::error::{Error, ErrorKind, Result};

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
    files: BTreeMap<String, Arc<Cow<'static, [u8]>>>,
}

impl MemoryFiles {
    /// An empty folder that messages call `description`.
    pub fn new(description: impl Into<String>) -> Self {
        MemoryFiles { description: description.into(), files: BTreeMap::new() }
    }

    /// The same folder with the file `name`, in place of one that had this name.
    pub fn with(mut self, name: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        self.files.insert(name.into(), Arc::new(bytes.into()));
        self
    }
}

impl Files for MemoryFiles {
    fn describe(&self) -> String {
        self.description.clone()
    }

    fn open<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<Box<dyn ByteSource>>>> {
        Box::pin(async move {
            Ok(self.files.get(name).map(|bytes| {
                Box::new(MemorySource { name: name.to_owned(), bytes: bytes.clone() }) as _
            }))
        })
    }
}

struct MemorySource {
    name: String,
    bytes: Arc<Cow<'static, [u8]>>,
}

impl ByteSource for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            let start = usize::try_from(range.start).unwrap_or(usize::MAX);
            let end = usize::try_from(range.end).unwrap_or(usize::MAX);
            self.bytes.get(start..end).map(<[u8]>::to_vec).ok_or_else(|| {
                let size = self.bytes.len();
                let message = format!("has {size} bytes, none at {start} to {end}");
                Error::new(ErrorKind::Io, &self.name, message)
            })
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
}
