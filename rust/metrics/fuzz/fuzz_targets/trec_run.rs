//! Any bytes: a run or an error that names a line there is; and a run that is written out again reads back the same.

#![no_main]

use std::fmt::Write;

use crossfade_metrics::{Error, Run, parse};
use libfuzzer_sys::fuzz_target;

fn contents(run: &Run) -> Vec<(&str, Vec<(&str, u64)>)> {
    let ranking = |query| run.ranking(query).map(|(document, score)| (document, score.to_bits())).collect();
    (0..run.len() as u32).map(|query| (run.query(query), ranking(query))).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let run = match parse::trec_run(&bytes, 1) {
        Ok(run) => run,
        Err(Error::Line { line, .. }) => {
            assert!(line <= bytes.split(|&byte| byte == b'\n').count());
            return;
        }
        Err(_) => return,
    };
    let mut text = String::new();
    for (query, documents) in contents(&run) {
        for (document, score) in documents {
            writeln!(text, "{query} Q0 {document} 1 {:?} t", f64::from_bits(score)).unwrap();
        }
    }
    // An id that starts with a byte order mark would lose it at the start of the file.
    let text = format!("\n{text}");
    let again = parse::trec_run(&text.as_bytes(), 1).unwrap();
    assert_eq!(contents(&again), contents(&run));
});
