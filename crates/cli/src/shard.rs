//! Which lines of an input are this process's to score: each n-th one, without those that were scored before.

use std::io::{self, Read};
use std::str::FromStr;

use cappy::lines::{Line, Lines};

/// A part of an input: the lines `part`, `part + of`, `part + 2 of`, ..., counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    part: u64,
    of: u64,
}

impl Default for Shard {
    /// All lines.
    fn default() -> Self {
        Shard { part: 1, of: 1 }
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let parts = word.split_once('/').and_then(|(part, of)| {
            let [part, of] = [part, of].map(|number| number.parse().ok());
            Some(Shard { part: part?, of: of? })
        });
        match parts {
            Some(shard) if (1..=shard.of).contains(&shard.part) => Ok(shard),
            _ => Err("is not I/N with I from 1 to N, such as 1/8 and 8/8".into()),
        }
    }
}

impl Shard {
    fn has(self, number: u64) -> bool {
        (number - 1) % self.of == self.part - 1
    }
}

/// The lines of a shard. They keep the numbers that they have in the whole input.
pub struct ShardLines<R> {
    lines: Lines<R>,
    shard: Shard,
    /// The number of the next line of the whole input.
    next: u64,
}

impl<R: Read> ShardLines<R> {
    pub fn new(input: R, shard: Shard) -> Self {
        ShardLines { lines: Lines::new(input), shard, next: 1 }
    }

    /// Whether the next line of the shard is here in full already.
    pub fn ready(&mut self) -> io::Result<bool> {
        while !self.shard.has(self.next) {
            if !self.lines.ready() {
                return Ok(false);
            }
            self.lines.next()?;
            self.next += 1;
        }
        Ok(self.lines.ready())
    }

    /// The next line of the shard; `None` at the end of the stream.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let Some(line) = self.lines.next()? else { return Ok(None) };
            self.next = line.number + 1;
            if self.shard.has(line.number) {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(input: &str, shard: &str) -> Vec<u64> {
        let mut lines = ShardLines::new(input.as_bytes(), shard.parse().unwrap());
        std::iter::from_fn(|| lines.next().unwrap()).map(|line| line.number).collect()
    }

    #[test]
    fn shards_have_each_line_once() {
        assert_eq!(numbers("a\nb\nc\nd\ne\nf\ng", "1/3"), [1, 4, 7]);
        assert_eq!(numbers("a\nb\nc\nd\ne\nf\ng", "2/3"), [2, 5]);
        assert_eq!(numbers("a\nb\nc\nd\ne\nf\ng", "3/3"), [3, 6]);
        assert_eq!(numbers("a\nb", "1/1"), [1, 2]);
        assert!(numbers("a\nb", "3/3").is_empty());
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for word in ["", "1", "0/3", "4/3", "1/0", "0/0", "-1/3", "1/3/5", "a/b", "1 / 3"] {
            assert!(word.parse::<Shard>().is_err(), "{word}");
        }
    }

    #[test]
    fn a_line_is_ready_when_it_is_this_shards_and_here() {
        let mut lines = ShardLines::new(&b"a\nb\nc\nd\ne"[..], "2/2".parse().unwrap());
        assert!(!lines.ready().unwrap());
        assert_eq!(lines.next().unwrap().unwrap().number, 2);
        assert!(lines.ready().unwrap());
        assert_eq!(lines.next().unwrap().unwrap().number, 4);
        // The fifth belongs to another shard, and the sixth is not here.
        assert!(!lines.ready().unwrap());
        assert!(lines.next().unwrap().is_none());
    }
}
