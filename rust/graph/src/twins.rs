//! Equal rows stand in the graph once.
//!
//! Texts come twice in every real corpus. Were each a node, the links of a hundred equal ones would all lead to one
//! another: a walk that gets there sees nothing else, and one that comes from elsewhere need not get there. So the first
//! row of equals is the node, and the others hang on it in a chain of ascending rows.

use crossfade_kernels::Corpus;

use crate::layer::NONE;

/// For every row the next one that equals it, or `NONE`; or nothing, where all rows differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Twins<'a>(pub(crate) &'a [u32]);

impl<'a> Twins<'a> {
    /// The rows that equal a row that is a node, itself among them, in ascending order.
    #[inline]
    pub(crate) fn of(self, row: u32) -> impl Iterator<Item = u32> + use<'a> {
        let next = move |row: u32| self.0.get(row as usize).copied();
        // It always rises, but in a damaged file.
        std::iter::successors(Some(row), move |&row| {
            next(row).filter(|&next| next > row && (next as usize) < self.0.len())
        })
    }
}

/// The chains of `corpus`, empty where all rows differ, and for every row whether it is the first of its equals.
pub(crate) fn find(corpus: Corpus<'_>) -> (Vec<u32>, Vec<bool>) {
    let rows = corpus.len();
    let mut hashes: Vec<(u64, u32)> = (0..rows).map(|row| (corpus.hash(row), row as u32)).collect();
    hashes.sort_unstable();
    let (mut next, mut is_first) = (Vec::new(), vec![true; rows]);
    for equals in hashes.chunk_by(|a, b| a.0 == b.0) {
        let first = equals[0].1;
        let mut last = first;
        // Two that differ and share a hash are two nodes, and so is what else shares it.
        for &(_, row) in &equals[1..] {
            if corpus.same(first as usize, row as usize) {
                if next.is_empty() {
                    next = vec![NONE; rows];
                }
                next[last as usize] = row;
                is_first[row as usize] = false;
                last = row;
            }
        }
    }
    (next, is_first)
}
