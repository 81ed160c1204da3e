//! From bytes to rows, line by line.

use crate::gather::Fault;
use crate::{Error, Rows, threads};

/// A line's query, document and value; None when the line holds no row.
type Row<'a, V> = Option<(&'a str, &'a str, V)>;

/// How to read the lines of a format.
pub(super) struct Format<V> {
    /// Read a line without its LF; `first` says that no line before it held anything.
    pub(super) read: fn(line: &str, first: bool) -> Result<Row<'_, V>, String>,
    /// What to say of a file without rows.
    pub(super) empty: &'static str,
}

/// Bytes for which a second thread is worth its start.
const BYTES_PER_THREAD: usize = 1 << 18;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Read all lines, in pieces that follow each other.
pub(super) fn read<V: Copy + Send>(bytes: &[u8], threads: usize, format: &Format<V>) -> Result<Vec<Rows<V>>, Error> {
    let bytes = without_mark(bytes);
    let chunks = chunks(bytes, threads::count(threads, bytes.len(), BYTES_PER_THREAD));
    let starts: Vec<usize> = chunks
        .iter()
        .scan(0, |start, chunk| {
            *start += chunk.len();
            Some(*start - chunk.len())
        })
        .collect();
    let results = threads::run(chunks, |chunk| read_chunk(chunk, chunk.as_ptr() == bytes.as_ptr(), format));
    let mut pieces = Vec::with_capacity(results.len());
    for (result, start) in results.into_iter().zip(starts) {
        pieces.push(
            result.map_err(|Stop { line, reason }| Error::Line {
                line: 1 + count_lines(&bytes[..start]) + line,
                reason,
            })?,
        );
    }
    if pieces.iter().all(Rows::is_empty) {
        return Err(Error::Data(format.empty.into()));
    }
    Ok(pieces)
}

/// The line of a row at fault.
pub(super) fn place<V>(bytes: &[u8], fault: Fault, format: &Format<V>) -> Error {
    let text = std::str::from_utf8(without_mark(bytes)).unwrap_or_default();
    let mut first = true;
    let holds_row = |line: &str| {
        let row = !is_blank(line) && matches!((format.read)(line, first), Ok(Some(_)));
        first &= is_blank(line);
        row
    };
    let number = text.split('\n').map(holds_row).enumerate().filter(|&(_, row)| row).nth(fault.row);
    match number {
        Some((line, _)) => Error::Line { line: line + 1, reason: fault.reason },
        None => Error::Data(fault.reason),
    }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// Cut into at most `count` chunks of about equal size, each but the last ending with a LF. The first chunk holds the
/// first line that is not blank, so that what may be a header is where the reading begins.
fn chunks(bytes: &[u8], count: usize) -> Vec<&[u8]> {
    let mut chunks = Vec::with_capacity(count);
    let first = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    let mut start = 0;
    for i in 1..=count {
        let aim = (bytes.len() / count * i).max(start).max(first);
        let end = if i == count {
            bytes.len()
        } else {
            bytes[aim..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |lf| aim + lf + 1)
        };
        if end > start {
            chunks.push(&bytes[start..end]);
            start = end;
        }
    }
    chunks
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.split(|&b| b == b'\n').count() - 1
}

/// Why and at which line of the chunk, from 0, the reading stopped.
struct Stop {
    line: usize,
    reason: String,
}

fn read_chunk<V: Copy>(chunk: &[u8], is_first: bool, format: &Format<V>) -> Result<Rows<V>, Stop> {
    let (text, invalid) = match std::str::from_utf8(chunk) {
        Ok(text) => (text, None),
        Err(error) => {
            // The lines before the invalid one come first.
            let at = error.valid_up_to();
            let line = chunk[..at].iter().rposition(|&b| b == b'\n').map_or(0, |lf| lf + 1);
            (std::str::from_utf8(&chunk[..line]).unwrap_or_default(), Some((at, line)))
        }
    };
    let mut rows = Rows::default();
    let mut first = is_first;
    for (number, line) in text.split('\n').enumerate() {
        if let Some((query, document, value)) =
            (format.read)(line, first).map_err(|reason| Stop { line: number, reason })?
        {
            rows.open(query);
            rows.push(document, value);
        }
        first = first && is_blank(line);
    }
    match invalid {
        None => Ok(rows),
        Some((at, line)) => Err(Stop {
            line: count_lines(&chunk[..line]),
            reason: format!(
                "invalid UTF-8: byte 0x{:02x} at column {}; convert the file to UTF-8",
                chunk[at],
                at - line + 1
            ),
        }),
    }
}

/// ASCII white space, as the C library has it.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

pub(super) fn is_blank(line: &str) -> bool {
    line.bytes().all(is_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_end_at_line_ends_and_hold_everything() {
        for text in ["", "\n", "a", "a\n", "a\nbb\nccc\n", "aaaaaaaaaaaaaaaaa\nb", "\n\n\n\n\n\n", "\n\n\n\n\n\na\nb\n"]
        {
            for count in 1..9 {
                let chunks = chunks(text.as_bytes(), count);
                assert_eq!(chunks.concat(), text.as_bytes());
                let found = |line: &[u8]| line.iter().any(|&byte| !is_space(byte));
                assert_eq!(chunks.first().is_some_and(|chunk| found(chunk)), found(text.as_bytes()));
                assert!(chunks.len() <= count && chunks.iter().all(|chunk| !chunk.is_empty()));
                assert!(chunks.iter().rev().skip(1).all(|chunk| chunk.ends_with(b"\n")), "{text:?} {count}");
            }
        }
    }
}
