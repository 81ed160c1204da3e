//! From bytes to rows, line by line.

use std::io;
use std::ops::Range;

use super::blocks::Blocks;
use super::source::Source;
use crate::gather::Fault;
use crate::{Error, Rows, threads};

/// How to read the lines of a format.
pub(super) struct Format<V> {
    /// Read a line without its LF; `first` says that no line before it held anything.
    pub(super) read: fn(line: &str, first: bool) -> Result<Row<'_, V>, String>,
    /// Whether the first line differs from others, so that all are read from the start.
    pub(super) header: bool,
    /// What to say of a file without rows.
    pub(super) empty: &'static str,
}

/// A line's query, document and value; None when the line holds no row.
pub(super) type Row<'a, V> = Option<(&'a str, &'a str, V)>;

/// Bytes for which a second thread is worth its start.
const BYTES_PER_THREAD: usize = 1 << 18;

/// About as many bytes as the lines of a file have when they are short.
const SHORT_LINE: usize = 24;

/// Rows for which room is made at the beginning, at most: a file may be large and hold none.
const MOST_RESERVED: usize = 1 << 22;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Read all lines, in pieces that follow each other.
pub(super) fn read<V: Copy + Send>(
    source: &dyn Source,
    threads: usize,
    format: &Format<V>,
) -> Result<Vec<Rows<V>>, Error> {
    let size = source.size().map_err(|error| unreadable(&error))?;
    let threads = if format.header { 1 } else { threads::count(threads, size as usize, BYTES_PER_THREAD) };
    let bound = |i: usize| (u128::from(size) * i as u128 / threads as u128) as u64;
    let ranges = (0..threads).map(|i| bound(i)..bound(i + 1)).collect();
    let results = threads::run(ranges, |range| {
        let mut rows = Rows::default();
        // Memory that is not written to costs nothing; growing moves what has been.
        rows.reserve(MOST_RESERVED.min((range.end - range.start) as usize / SHORT_LINE));
        let lines = visit(source, range, format, |_, (query, document, value)| {
            rows.open(query);
            rows.push(document, value);
        })?;
        Ok((rows, lines))
    });
    let mut pieces = Vec::with_capacity(results.len());
    let mut before = 0;
    for result in results {
        let (rows, lines) = result.map_err(|stop: Stop| stop.after(before))?;
        pieces.push(rows);
        before += lines;
    }
    if pieces.iter().all(Rows::is_empty) {
        return Err(Error::Data(format.empty.into()));
    }
    Ok(pieces)
}

/// The error of a row at fault, with its line.
pub(super) fn place<V>(source: &dyn Source, fault: Fault, format: &Format<V>) -> Error {
    let mut rows = 0;
    let mut found = None;
    let size = source.size().unwrap_or(0);
    // The lines were read before; should the file have changed since, the fault is still told, without a line.
    let _ = visit(source, 0..size, format, |line, _| {
        if rows == fault.row {
            found = Some(line);
        }
        rows += 1;
    });
    match found {
        Some(line) => Error::Line { line: line + 1, reason: fault.reason },
        None => Error::Data(fault.reason),
    }
}

fn unreadable(error: &io::Error) -> Error {
    Error::Data(format!("cannot be read: {error}"))
}

/// Why the reading stopped.
enum Stop {
    /// At which line of the range, counted from 0, and what is wrong with it.
    Line(usize, String),
    Unreadable(io::Error),
}

impl Stop {
    /// The error when so many lines come before the range.
    fn after(self, before: usize) -> Error {
        match self {
            Self::Line(line, reason) => Error::Line { line: before + line + 1, reason },
            Self::Unreadable(error) => unreadable(&error),
        }
    }
}

/// Visit the rows of the lines that start within a range of bytes, each with its line in the range, counted from 0. How
/// many lines there are.
fn visit<V>(
    source: &dyn Source,
    range: Range<u64>,
    format: &Format<V>,
    mut row: impl FnMut(usize, (&str, &str, V)),
) -> Result<usize, Stop> {
    let mut first = range.start == 0;
    let mut mark = if first { BYTE_ORDER_MARK } else { b"" };
    let mut lines = 0;
    let mut blocks = Blocks::new(source, range);
    while let Some(block) = blocks.next().map_err(Stop::Unreadable)? {
        let block = block.strip_prefix(mark).unwrap_or(block);
        mark = b"";
        let (text, fault) = text(block);
        for line in split(text) {
            if let Some(found) = (format.read)(line, first).map_err(|reason| Stop::Line(lines, reason))? {
                row(lines, found);
            }
            first = first && is_blank(line);
            lines += 1;
        }
        if let Some(reason) = fault {
            return Err(Stop::Line(lines, reason));
        }
    }
    Ok(lines)
}

/// The lines of a block up to the first that is not UTF-8, and what is wrong with that one.
fn text(block: &[u8]) -> (&str, Option<String>) {
    match std::str::from_utf8(block) {
        Ok(text) => (text, None),
        Err(error) => {
            let at = error.valid_up_to();
            let line = block[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |lf| lf + 1);
            let (byte, column) = (block[at], at - line + 1);
            let reason = format!("invalid UTF-8: byte 0x{byte:02x} at column {column}; convert the file to UTF-8");
            (std::str::from_utf8(&block[..line]).unwrap_or_default(), Some(reason))
        }
    }
}

/// The lines of a text without their LF.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let unended = (!bytes.is_empty() && !bytes.ends_with(b"\n")).then_some(bytes.len());
    memchr::memchr_iter(b'\n', bytes).chain(unended).scan(0, move |start, end| {
        let line = &text[*start..end];
        *start = end + 1;
        Some(line)
    })
}

/// ASCII white space, as the C library has it.
pub(super) fn is_space(byte: u8) -> bool {
    SPACE[byte as usize]
}

const SPACE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte == b' ' as usize || (byte >= b'\t' as usize && byte <= b'\r' as usize);
        byte += 1;
    }
    table
};

pub(super) fn is_blank(line: &str) -> bool {
    line.bytes().all(is_space)
}
