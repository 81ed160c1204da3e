//! Lines of BEIR judgments.

use super::grade;
use super::lines::{Format, is_blank};

const HEADER: [&str; 3] = ["query-id", "corpus-id", "score"];

pub(super) const JUDGMENTS: Format<i32> = Format {
    read: |line, first| {
        if is_blank(line) {
            return Ok(None);
        }
        let mut columns = line.trim_end_matches('\r').split('\t');
        let (Some(query), Some(document), Some(last), None) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            let count = line.split('\t').count();
            return Err(format!("{count} columns separated by tabs; expected 3: {}", HEADER.join(", ")));
        };
        let named = |column: &str| column.trim().to_lowercase().replace('_', "-");
        if first && [query, document, last].map(named) == HEADER {
            return Ok(None);
        }
        if query.is_empty() || document.is_empty() {
            return Err("an id is empty; expected query id, document id, grade".into());
        }
        Ok(Some((query, document, grade(last.trim())?)))
    },
    header: true,
    empty: "empty: expected a header line and at least one judgment",
};
