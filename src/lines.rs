//! Numbered lines of a stream, in bounded memory, and what is wrong with the JSON in them.

use std::io::{self, BufRead, BufReader, Read};

/// Longer lines are refused, so that a file without line ends cannot fill the memory.
const MAX_LINE: usize = 64 << 20;

/// What editors on Windows put before a text. It says that the text is UTF-8 and is no part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line without its end (`\n` or `\r\n`). A line end at the very end starts no line.
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// The text, or what is wrong with it.
    pub text: Result<String, String>,
}

/// Reads lines, and knows whether another one can be had without waiting for the writer. A byte
/// order mark before the first line is passed over.
///
/// ```
/// let mut lines = cappy::lines::Lines::new(&b"\xef\xbb\xbfdog\r\ncow"[..]);
/// assert_eq!(lines.next()?.unwrap().text.unwrap(), "dog");
/// assert_eq!(lines.next()?.unwrap().text.unwrap(), "cow");
/// assert!(lines.next()?.is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Lines<R> {
    reader: BufReader<R>,
    number: u64,
    max: usize,
    /// Another encoding than UTF-8, which the stream began in.
    foreign: Option<&'static str>,
}

impl<R: Read> Lines<R> {
    /// The lines of `stream`.
    pub fn new(stream: R) -> Self {
        let reader = BufReader::with_capacity(1 << 20, stream);
        Lines { reader, number: 0, max: MAX_LINE, foreign: None }
    }

    /// Whether the next line is here in full already.
    pub fn ready(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }

    /// The next line; `None` at the end of the stream.
    ///
    /// # Errors
    /// What reading the stream gives.
    #[expect(clippy::should_implement_trait, reason = "an iterator would bury the errors")]
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        // One more than a longest line with its mark and "\r\n", to see that a line is longer.
        let limit = (self.max + BYTE_ORDER_MARK.len()) as u64 + 3;
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let ended = bytes.pop_if(|last| *last == b'\n').is_some();
        if !ended && bytes.len() as u64 == limit {
            self.reader.skip_until(b'\n')?;
        }
        if self.number == 1 {
            self.foreign = foreign_encoding(&bytes);
            if bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
                // A mark alone is a file without lines.
                if bytes.is_empty() && !ended {
                    return Ok(None);
                }
            }
        }
        if ended {
            bytes.pop_if(|last| *last == b'\r');
        }
        Ok(Some(Line { number: self.number, text: self.text(bytes) }))
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, String> {
        if let Some(name) = self.foreign {
            return Err(not_utf_8(name));
        }
        if bytes.len() > self.max {
            return Err(format!("is longer than {} bytes", self.max));
        }
        String::from_utf8(bytes).map_err(|error| {
            format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to() + 1)
        })
    }
}

/// The text of a whole file, without a byte order mark.
///
/// # Errors
/// What is wrong with it: the name of another encoding, or the first byte that is not UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, String> {
    if let Some(name) = foreign_encoding(bytes) {
        return Err(not_utf_8(name));
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    str::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8 at byte {}", error.valid_up_to() + 1))
}

/// The encoding of a text that begins with another one's byte order mark, or with ASCII in it.
fn foreign_encoding(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, 0, 0, ..] => Some("UTF-32 (little-endian)"),
        [0, 0, 0xfe, 0xff, ..] => Some("UTF-32 (big-endian)"),
        [0xff, 0xfe, ..] | [1..=255, 0, 1..=255, 0, ..] => Some("UTF-16 (little-endian)"),
        [0xfe, 0xff, ..] | [0, 1..=255, 0, 1..=255, ..] => Some("UTF-16 (big-endian)"),
        _ => None,
    }
}

fn not_utf_8(name: &str) -> String {
    format!("is {name}; save the file as UTF-8")
}

/// What is wrong with one line of JSON, with serde_json's column only: the line is named by the
/// caller.
pub fn json_fault(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or_default();
    if error.is_data() {
        return what.to_owned();
    }
    let column = error.column();
    match what {
        // JSON's grammar allows it, but no text has such a character.
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => format!(
            "has half of a character at column {column}: an escape \\ud800 to \\udfff stands \
             alone, as where a text was cut inside an emoji"
        ),
        what => format!("is not JSON: {what} at column {column}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], max: usize) -> Vec<(u64, Result<String, String>)> {
        let mut lines = Lines { max, ..Lines::new(bytes) };
        std::iter::from_fn(|| lines.next().unwrap()).map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn ends_are_taken_off_and_the_last_one_starts_no_line() {
        assert_eq!(read(b"", 9), []);
        assert_eq!(
            read(b"a\r\n\nb\r", 9),
            [(1, Ok("a".into())), (2, Ok("".into())), (3, Ok("b\r".into()))]
        );
        assert_eq!(read(b"a\n", 9), [(1, Ok("a".into()))]);
    }

    #[test]
    fn long_and_foreign_lines_are_named_and_passed() {
        let long = || Err("is longer than 3 bytes".to_string());
        for bytes in [
            &b"abcd\nabc\nabcdefghijkl\nab"[..],
            b"abcd\r\nabc\r\nabcdefg\r\nab\r\n",
            b"\xef\xbb\xbfabcd\r\nabc\nabcdefghi\r\nab\r\n",
        ] {
            assert_eq!(
                read(bytes, 3),
                [(1, long()), (2, Ok("abc".into())), (3, long()), (4, Ok("ab".into()))]
            );
        }
        assert_eq!(
            read(b"ab\xffc\nd", 9),
            [(1, Err("is not UTF-8 at byte 3".into())), (2, Ok("d".into()))]
        );
    }

    #[test]
    fn a_mark_before_the_first_line_is_no_text() {
        let mark = "\u{feff}";
        assert_eq!(read(format!("{mark}abc\n").as_bytes(), 3), [(1, Ok("abc".into()))]);
        assert_eq!(read(mark.as_bytes(), 9), []);
        assert_eq!(read(format!("{mark}\na").as_bytes(), 9)[0], (1, Ok("".into())));
        // Anywhere else it is a character as any other.
        let kept = read(format!("a{mark}\n{mark}b\n").as_bytes(), 9);
        assert_eq!(kept, [(1, Ok(format!("a{mark}"))), (2, Ok(format!("{mark}b")))]);
        assert_eq!(text(format!("{mark}a{mark}").as_bytes()), Ok(&*format!("a{mark}")));
    }

    #[test]
    fn other_encodings_are_refused_by_name_in_every_line() {
        type Bytes = fn(u16) -> [u8; 2];
        for (bytes_of, name) in [
            (u16::to_le_bytes as Bytes, "UTF-16 (little-endian)"),
            (u16::to_be_bytes, "UTF-16 (big-endian)"),
        ] {
            for mark in ["", "\u{feff}"] {
                let units = format!("{mark}dog\ncow\n");
                let bytes: Vec<u8> = units.encode_utf16().flat_map(bytes_of).collect();
                let lines = read(&bytes, 99);
                assert!(lines.len() >= 2);
                for (number, line) in lines {
                    assert!(line.unwrap_err().contains(name), "line {number}");
                }
                assert!(text(&bytes).unwrap_err().contains(name));
            }
        }
        assert!(text(b"\xff\xfe\0\0d\0\0\0").unwrap_err().contains("UTF-32 (little-endian)"));
        assert!(text(b"\0\0\xfe\xff\0\0\0d").unwrap_err().contains("UTF-32 (big-endian)"));
        // Texts that only begin alike.
        for fine in ["d\0g", "", "\0", "d", "dog"] {
            assert_eq!(text(fine.as_bytes()), Ok(fine));
        }
        assert_eq!(text(b"a\xff"), Err("is not UTF-8 at byte 2".into()));
    }

    #[test]
    fn ready_only_when_a_whole_line_is_buffered() {
        let mut lines = Lines::new(&b"a\nb\nrest"[..]);
        assert!(!lines.ready());
        lines.next().unwrap();
        assert!(lines.ready());
        lines.next().unwrap();
        assert!(!lines.ready());
    }

    #[test]
    fn half_of_a_character_is_named() {
        for json in [r#""a\ud83d""#, r#""\udc00""#, r#""\ud83d\n""#, r#""\ud83dA""#] {
            let error = serde_json::from_str::<String>(json).unwrap_err();
            assert!(json_fault(&error).starts_with("has half of a character at column "), "{json}");
        }
        let error = serde_json::from_str::<String>(r#""\u12"#).unwrap_err();
        assert!(json_fault(&error).starts_with("is not JSON: "));
    }
}
