//! Numbered lines of a stream, in bounded memory.

use std::io::{self, BufRead, BufReader, Read};

/// Longer lines are refused, so that a file without line ends cannot fill the memory.
const MAX_LINE: usize = 64 << 20;

/// One line without its end (`\n` or `\r\n`). A line end at the very end starts no line.
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// The text, or what is wrong with it.
    pub text: Result<String, String>,
}

/// Reads lines, and knows whether another one can be had without waiting for the writer.
pub struct Lines<R> {
    reader: BufReader<R>,
    number: u64,
    max: usize,
}

impl<R: Read> Lines<R> {
    pub fn new(stream: R) -> Self {
        Lines { reader: BufReader::with_capacity(1 << 20, stream), number: 0, max: MAX_LINE }
    }

    /// Whether the next line is here in full already.
    pub fn ready(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }

    /// The next line; `None` at the end of the stream.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        // One more than a longest line with its "\r\n", to see that a line is longer.
        let limit = self.max as u64 + 3;
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if bytes.pop_if(|last| *last == b'\n').is_some() {
            bytes.pop_if(|last| *last == b'\r');
        } else if bytes.len() as u64 == limit {
            self.reader.skip_until(b'\n')?;
        }
        let text = if bytes.len() > self.max {
            Err(format!("is longer than {} bytes", self.max))
        } else {
            String::from_utf8(bytes).map_err(|error| {
                format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to() + 1)
            })
        };
        Ok(Some(Line { number: self.number, text }))
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
        for bytes in [&b"abcd\nabc\nabcdefghi\nab"[..], b"abcd\r\nabc\r\nabcdefg\r\nab\r\n"] {
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
    fn ready_only_when_a_whole_line_is_buffered() {
        let mut lines = Lines::new(&b"a\nb\nrest"[..]);
        assert!(!lines.ready());
        lines.next().unwrap();
        assert!(lines.ready());
        lines.next().unwrap();
        assert!(!lines.ready());
    }
}
