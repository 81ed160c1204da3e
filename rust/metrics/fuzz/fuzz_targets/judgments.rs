//! Any bytes as TREC and as BEIR judgments; what is read is written out again and reads back the same.

#![no_main]

use std::fmt::Write;

use crossfade_metrics::{Error, Judgments, parse};
use libfuzzer_sys::fuzz_target;

fn contents(judgments: &Judgments) -> Vec<(&str, Vec<(&str, i32)>)> {
    (0..judgments.len() as u32).map(|query| (judgments.query(query), judgments.grades(query).collect())).collect()
}

fn check(
    bytes: &[u8],
    parse: fn(&dyn parse::Source, usize) -> Result<Judgments, Error>,
    line: fn(&str, &str, i32) -> String,
) {
    let judgments = match parse(&bytes, 1) {
        Ok(judgments) => judgments,
        Err(Error::Line { line, .. }) => {
            assert!(line <= bytes.split(|&byte| byte == b'\n').count());
            return;
        }
        Err(_) => return,
    };
    // The blank line keeps a byte order mark that starts an id.
    let mut text = String::from("\n");
    for (query, documents) in contents(&judgments) {
        for (document, grade) in documents {
            writeln!(text, "{}", line(query, document, grade)).unwrap();
        }
    }
    let again = parse(&text.as_bytes(), 1).unwrap();
    assert_eq!(contents(&again), contents(&judgments));
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes, parse::trec_judgments, |query, document, grade| format!("{query} 0 {document} {grade}"));
    check(bytes, parse::beir_judgments, |query, document, grade| format!("{query}\t{document}\t{grade}"));
});
