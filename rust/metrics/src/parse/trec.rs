//! Lines of TREC runs and judgments.

use super::grade;
use super::lines::{Format, is_space};

pub(super) const RUN: Format<f64> = Format {
    read: |line, _| {
        let Some([query, _, document, _, score, _]) = columns(line, "query Q0 document rank score tag")? else {
            return Ok(None);
        };
        match score.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Some((query, document, value))),
            _ => Err(format!("score {score:?} is not a finite number")),
        }
    },
    header: false,
    empty: "empty: expected lines of 6 columns: query Q0 document rank score tag",
};

pub(super) const JUDGMENTS: Format<i32> = Format {
    read: |line, _| {
        let Some([query, _, document, text]) = columns(line, "query 0 document grade")? else {
            return Ok(None);
        };
        Ok(Some((query, document, grade(text)?)))
    },
    header: false,
    empty: "empty: expected lines of 4 columns: query 0 document grade",
};

/// The columns of a line; None when it is blank.
fn columns<'a, const N: usize>(line: &'a str, names: &str) -> Result<Option<[&'a str; N]>, String> {
    let bytes = line.as_bytes();
    let mut columns = [""; N];
    let (mut count, mut at) = (0, 0);
    loop {
        while at < bytes.len() && is_space(bytes[at]) {
            at += 1;
        }
        let start = at;
        at = next_space(bytes, at);
        if start == at {
            break;
        }
        if let Some(column) = columns.get_mut(count) {
            *column = &line[start..at];
        }
        count += 1;
    }
    match count {
        0 => Ok(None),
        count if count == N => Ok(Some(columns)),
        count => Err(format!("{count} columns; expected {N}: {names}")),
    }
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// Where the next white space is from `at` on, or the end. Eight bytes at a time: a byte below `!` leaves its high bit in
/// the difference, and the lowest bit left is of such a byte, for borrows only run upwards.
fn next_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        let low = word.wrapping_sub(ONES * u64::from(b'!')) & !word & HIGHS;
        if low == 0 {
            at += 8;
            continue;
        }
        at += low.trailing_zeros() as usize / 8;
        if is_space(bytes[at]) {
            return at;
        }
        // Another control character, which an id may hold.
        at += 1;
    }
    while at < bytes.len() && !is_space(bytes[at]) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_found_behind_any_bytes() {
        for filler in [b'!', b'a', 0x7f, 0x80, 0xa0, 0xff, 0, 1, 8, 14, 31] {
            for length in 0..30 {
                for space in [b' ', b'\t', b'\r', 0x0b, 0x0c] {
                    let mut bytes = vec![filler; length];
                    assert_eq!(next_space(&bytes, 0), length);
                    bytes.push(space);
                    bytes.extend([filler; 9]);
                    for at in 0..=length {
                        assert_eq!(next_space(&bytes, at), length, "{filler} {length} {space} {at}");
                    }
                    assert_eq!(next_space(&bytes, length + 1), bytes.len());
                }
            }
        }
    }
}
