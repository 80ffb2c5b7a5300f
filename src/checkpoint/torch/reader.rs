//! The arguments of pickle opcodes, read from their bytes.

/// Longer than any name in a state dict.
const MOST_TEXT: usize = 1 << 16;

/// A place in a pickle.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or("ends in the middle of an opcode")?;
        self.at += taken.len();
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, String> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, String> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    /// A signed whole number with its length before it.
    pub(super) fn long(&mut self) -> Result<i64, String> {
        let length = self.u8()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            return Err(format!("has a whole number of {length} bytes"));
        }
        let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(wide))
    }

    pub(super) fn text(&mut self, length: u64) -> Result<&'a str, String> {
        if length > MOST_TEXT as u64 {
            return Err(format!("has text of {length} bytes, at most {MOST_TEXT} are expected"));
        }
        str::from_utf8(self.take(length)?).map_err(|_| "has text that is not UTF-8".into())
    }

    /// Text up to the end of the line.
    pub(super) fn line(&mut self) -> Result<&'a str, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("has a name without end")?;
        let line = self.text(length as u64)?;
        self.at += 1;
        Ok(line)
    }
}
