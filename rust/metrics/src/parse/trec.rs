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
        while at < bytes.len() && !is_space(bytes[at]) {
            at += 1;
        }
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
