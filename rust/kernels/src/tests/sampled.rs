//! Searches that look at a sample first: the floor that it gives may be right, tied or far too high.

use super::{bits, floats, of, oracle, rows, search_everywhere, threads};
use crate::drive::Limits;
use crate::sample::Sample;
use crate::search::Task;
use crate::{Error, Mask, Metric, Options};

const DIMENSION: usize = 3;
const ROWS: usize = 3000;
const QUERIES: usize = 20;
const K: usize = 210;

fn sample(rows: usize) -> Sample {
    Sample::new(QUERIES, rows, K, &Limits::default()).expect("a sample")
}

fn queries() -> Vec<f32> {
    (0..QUERIES).flat_map(|q| [1.0, q as f32 / 16.0, 0.5]).collect()
}

/// Rows of given first elements and two more that hardly count.
fn corpus(first: impl Fn(usize) -> f32) -> Vec<f32> {
    (0..ROWS).flat_map(|row| [first(row), (row % 7) as f32 / 1024.0, (row % 11) as f32 / 4096.0]).collect()
}

fn check(name: &str, corpus: &[f32], mask: Option<&[u8]>) {
    let queries = queries();
    let may = |row: usize| mask.is_none_or(|mask| mask[row / 8] >> (row % 8) & 1 == 1);
    let mask = mask.map(|mask| Mask::new(mask, ROWS).unwrap());
    for metric in [Metric::InnerProduct, Metric::L2] {
        let wanted: Vec<_> =
            queries.chunks_exact(DIMENSION).map(|query| oracle::ranking(query, corpus, metric, may)).collect();
        for threads in [1, 2, 5] {
            let options = Options { mask, threads, ..Options::default() };
            let limits = Limits { chunk_bytes: 1 << 12, products_per_thread: 1, ..Limits::default() };
            let task = Task { queries: rows(&queries, DIMENSION), corpus: floats(corpus, DIMENSION), k: K, metric };
            for (backend, found) in search_everywhere(task, options, limits) {
                let found = found.unwrap();
                for (q, wanted) in wanted.iter().enumerate() {
                    assert_eq!(bits(&of(&found, q)), bits(&wanted[..K]), "{name} {backend} {metric:?} {q}");
                }
            }
        }
    }
}

#[test]
fn any_order_of_scores_gives_the_best() {
    let sample = sample(ROWS);
    let scattered = |row: usize| (row * 7919 % ROWS) as f32;
    check("scattered", &corpus(scattered), None);
    check("ascending", &corpus(|row| row as f32), None);
    check("descending", &corpus(|row| -(row as f32)), None);
    check("ties", &corpus(|row| (row * 7919 % 5) as f32), None);
    check("last bits", &corpus(|row| f32::from_bits(1.0_f32.to_bits() + (row * 7919 % 64) as u32)), None);
    check("tiny", &corpus(|row| scattered(row) * 1e-42), None);
    check("huge", &corpus(|row| scattered(row) * 1e34), None);
    // The floor is one that too few reach: among the rows of the sample, and those alone, are the best.
    check("the sample is best", &corpus(|row| scattered(row) + if sample.has(row) { 1e4 } else { 0.0 }), None);
    check("the sample is worst", &corpus(|row| scattered(row) - if sample.has(row) { 1e4 } else { 0.0 }), None);
    let half: Vec<u8> = (0..ROWS / 8).map(|byte| (byte * 7919) as u8 | 0x55).collect();
    check("masked", &corpus(scattered), Some(&half));
    // And where the mask lets through little but the sample, or nothing of it.
    let only = |wanted: bool| -> Vec<u8> {
        let bit = |row: usize| row.is_multiple_of(2) || sample.has(row) == wanted;
        (0..ROWS / 8).map(|byte| (0..8).map(|bit_of| u8::from(bit(byte * 8 + bit_of)) << bit_of).sum()).collect()
    };
    check("the sample", &corpus(scattered), Some(&only(true)));
    check("the others", &corpus(scattered), Some(&only(false)));
}

#[test]
fn the_first_bad_row_is_named_whether_the_sample_has_it_or_not() {
    let (sample, queries) = (sample(ROWS), queries());
    let sampled = (ROWS / 2..ROWS).find(|&row| sample.has(row)).unwrap();
    for other in [sampled - 1, sampled + 1] {
        let corpus = corpus(|row| if row == sampled || row == other { f32::NAN } else { row as f32 });
        let task = Task {
            queries: rows(&queries, DIMENSION),
            corpus: floats(&corpus, DIMENSION),
            k: K,
            metric: Metric::Cosine,
        };
        for count in [1, 3] {
            let limits = Limits { chunk_bytes: 1 << 12, products_per_thread: 1, ..Limits::default() };
            for (name, found) in search_everywhere(task, threads(count), limits) {
                assert_eq!(found, Err(Error::Row(sampled.min(other))), "{name}");
            }
        }
    }
}
