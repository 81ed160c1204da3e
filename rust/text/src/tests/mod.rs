//! All of it against obvious twins.

mod corruption;
mod hostile;
mod oracle;
mod properties;
mod tails;
mod tokens;

use std::path::Path;

use proptest::test_runner::Config as ProptestConfig;

use crate::{Builder, Found, LEAST_MEMORY, Language, Options, Part, Rows, Segment, Settings, StopWords, Tail, View};

/// `cases` of a property, or as many as `PROPTEST_CASES` says.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(cases), failure_persistence: None, ..ProptestConfig::default() }
}

/// A directory that goes when the test ends; in memory where that can be, for a segment is brought to the disk.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn settings(language: Language) -> Settings {
    let stop_words = if language == Language::English { StopWords::English } else { StopWords::None };
    Settings::new(language, stop_words).unwrap()
}

pub(crate) fn plain() -> Settings {
    settings(Language::Plain)
}

pub(crate) fn english() -> Settings {
    settings(Language::English)
}

fn options() -> Options<'static> {
    Options { bm25: crate::Bm25::default(), ties: 0, threads: 1, interrupted: None }
}

pub(crate) fn build(directory: &Path, texts: &[&str], settings: &Settings, small_chunks: bool) -> Segment {
    let mut builder = Builder::new(directory, settings, LEAST_MEMORY).unwrap();
    if small_chunks {
        builder = builder.in_small_chunks();
    }
    for text in texts {
        builder.add(text).unwrap();
    }
    builder.finish(&|| false).unwrap();
    Segment::open(directory, Some(settings)).unwrap()
}

fn tail(texts: &[&str], settings: &Settings) -> View {
    let tail = Tail::new(settings);
    tail.append(texts).unwrap();
    tail.view()
}

fn unmasked(rows: Rows<'_>) -> Part<'_> {
    Part { rows, mask: None }
}

/// The rows of one query: score, part, row.
fn hits(found: &Found, query: usize) -> Vec<(f64, u32, u32)> {
    (found.offsets[query]..found.offsets[query + 1]).map(|i| (found.scores[i], found.parts[i], found.rows[i])).collect()
}
