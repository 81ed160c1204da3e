//! The order in which `trec_eval` reads a ranking.

use std::cmp::Ordering;

use crate::Vocabulary;

/// How scores are compared; scores that compare equal are ordered by document id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ties {
    /// Rounded to single precision first, as `trec_eval` 9.0.8 stores them: scores closer than that tie.
    #[default]
    Float32,
    /// As given, as later versions of `trec_eval` do.
    Float64,
}

/// One retrieved document: an unsigned key in the order of the score, and the document's code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    key: u64,
    pub(crate) document: u32,
}

impl Entry {
    pub(crate) fn new(document: u32, score: f64, ties: Ties) -> Self {
        let score = match ties {
            Ties::Float32 => f64::from(score as f32),
            Ties::Float64 => score,
        };
        Self { key: ordered(score), document }
    }
}

/// The bits of a float, permuted so that unsigned comparison is numerical comparison; both zeros are one.
fn ordered(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// Sort best first: score descending, then document id descending by bytes. Only the first `depth` places are put in
/// order; the rest is cut off.
pub(crate) fn sort(entries: &mut Vec<Entry>, depth: usize, documents: &Vocabulary) {
    let order = |a: &Entry, b: &Entry| -> Ordering {
        b.key.cmp(&a.key).then_with(|| documents.name(b.document).as_bytes().cmp(documents.name(a.document).as_bytes()))
    };
    if depth < entries.len() {
        if depth > 0 {
            entries.select_nth_unstable_by(depth - 1, order);
        }
        entries.truncate(depth);
    }
    entries.sort_unstable_by(order);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(scores: &[(&str, f64)], ties: Ties, depth: usize) -> Vec<String> {
        let mut vocabulary = Vocabulary::default();
        let mut entries: Vec<Entry> =
            scores.iter().map(|&(name, score)| Entry::new(vocabulary.code(name), score, ties)).collect();
        sort(&mut entries, depth, &vocabulary);
        entries.iter().map(|e| vocabulary.name(e.document).to_owned()).collect()
    }

    #[test]
    fn ties_go_to_the_greater_id_by_bytes() {
        let run = [("a", 1.0), ("b", 1.0), ("é", 1.0), ("Z", 1.0), ("b2", 1.0), ("c", 2.0), ("d", -1.0)];
        assert_eq!(sorted(&run, Ties::Float32, 99), ["c", "é", "b2", "b", "a", "Z", "d"]);
        assert_eq!(sorted(&run, Ties::Float32, 3), ["c", "é", "b2"]);
        assert_eq!(sorted(&run, Ties::Float32, 0), [""; 0]);
    }

    #[test]
    fn precision_decides_what_ties() {
        let run = [("a", 1.0 + 1e-12), ("b", 1.0)];
        assert_eq!(sorted(&run, Ties::Float32, 9), ["b", "a"]);
        assert_eq!(sorted(&run, Ties::Float64, 9), ["a", "b"]);
    }

    #[test]
    fn zeros_tie_and_signs_order() {
        let run = [("a", 0.0), ("b", -0.0), ("c", -1e-30), ("d", 1e-30), ("e", -2.0), ("f", -1.0)];
        assert_eq!(sorted(&run, Ties::Float64, 9), ["d", "b", "a", "c", "f", "e"]);
    }
}
