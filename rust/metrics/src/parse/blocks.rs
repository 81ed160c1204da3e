//! A part of a file in blocks of whole lines.

use std::io;
use std::ops::Range;

use super::source::Source;

/// Small enough to stay in a core's own cache while its lines are read.
const BLOCK: usize = 1 << 17;

/// The lines that start within a range of bytes, in blocks of whole lines.
pub(super) struct Blocks<'a, S: ?Sized> {
    source: &'a S,
    range: Range<u64>,
    buffer: Vec<u8>,
    /// What of the buffer is filled and has not been handed out.
    pending: Range<usize>,
    /// Where in the file the filled part ends.
    offset: u64,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    /// In a line that starts before the range.
    Before,
    Within,
    /// Nothing is left to hand out.
    Done,
}

impl<'a, S: Source + ?Sized> Blocks<'a, S> {
    pub(super) fn new(source: &'a S, range: Range<u64>) -> Self {
        // A line starts where the range does exactly when a LF comes directly before.
        let (offset, state) = match range.start {
            _ if range.is_empty() => (0, State::Done),
            0 => (0, State::Within),
            start => (start - 1, State::Before),
        };
        Self { source, range, buffer: Vec::new(), pending: 0..0, offset, state }
    }

    /// The next lines, at least one; each but the last of the file ends with its LF. None after the last of the range.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        while self.state != State::Done {
            let at_end = self.fill()? == 0;
            let start = self.offset - self.pending.len() as u64;
            let filled = &self.buffer[self.pending.clone()];
            if self.state == State::Before {
                let skipped = memchr::memchr(b'\n', filled).map(|lf| lf + 1);
                self.pending.start += skipped.unwrap_or(filled.len());
                if skipped.is_some() {
                    self.state = State::Within;
                }
                if at_end || start + skipped.unwrap_or(0) as u64 >= self.range.end {
                    self.state = State::Done;
                }
                continue;
            }
            // The last line of the range ends with the first LF from the range's last byte on.
            let last_byte = (self.range.end - 1).saturating_sub(start) as usize;
            let end_of_range = filled.get(last_byte..).and_then(|rest| memchr::memchr(b'\n', rest));
            let length = match end_of_range {
                Some(lf) => {
                    self.state = State::Done;
                    last_byte + lf + 1
                }
                None if at_end => {
                    self.state = State::Done;
                    filled.len()
                }
                None => memchr::memrchr(b'\n', filled).map_or(0, |lf| lf + 1),
            };
            if length > 0 {
                let first = self.pending.start;
                self.pending.start += length;
                return Ok(Some(&self.buffer[first..first + length]));
            }
        }
        Ok(None)
    }

    /// Read on behind what is pending; how many bytes.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.pending.clone(), 0);
        self.pending = 0..self.pending.len();
        // A small file needs a small buffer; a line longer than the buffer makes it grow.
        if self.buffer.len() <= 2 * self.pending.len() {
            let least = (self.range.end - self.range.start).min(BLOCK as u64) as usize + 1;
            self.buffer.resize((2 * self.buffer.len()).max(least), 0);
        }
        let count = self.source.read_at(&mut self.buffer[self.pending.end..], self.offset)?;
        self.offset += count as u64;
        self.pending.end += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(text: &[u8], range: Range<u64>) -> Vec<u8> {
        let mut blocks = Blocks::new(&text, range);
        let mut found = Vec::new();
        while let Some(block) = blocks.next().unwrap() {
            assert!(!block.is_empty());
            found.extend(block);
        }
        found
    }

    #[test]
    fn every_line_is_in_the_range_where_it_starts() {
        for text in ["", "\n", "a", "a\n", "a\nbb\nccc\n", "aaaaaaaaaaaaaaaaa\nb", "\n\n\n\n\n\n", "\na\n\nb"] {
            let size = text.len() as u64;
            for from in 0..=size {
                for to in from..=size {
                    let mut wanted = String::new();
                    let mut start = 0;
                    for line in text.split_inclusive('\n') {
                        if (from..to).contains(&start) {
                            wanted += line;
                        }
                        start += line.len() as u64;
                    }
                    assert_eq!(lines_of(text.as_bytes(), from..to), wanted.as_bytes(), "{text:?} {from}..{to}");
                }
            }
        }
    }

    #[test]
    fn lines_may_be_longer_than_blocks() {
        let long = "x".repeat(3 * BLOCK);
        let text = format!("a\n{long}\nb\n{long}");
        let size = text.len() as u64;
        assert!(lines_of(text.as_bytes(), 0..size) == text.as_bytes());
        assert!(lines_of(text.as_bytes(), 1..size) == text.as_bytes()[2..]);
        assert_eq!(lines_of(text.as_bytes(), 3..size - 1).len(), text.len() - 3 - long.len());
        assert!(lines_of(text.as_bytes(), 3 + long.len() as u64..size).starts_with(b"b\nx"));
    }
}
