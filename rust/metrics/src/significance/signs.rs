//! Sums of differences under sign assignments, eight queries at a look-up.
//!
//! A table holds the signed sums of eight differences under all 256 assignments; a random word of 64 bits is then eight
//! table look-ups and eight additions for 64 queries. Eight tables are 16 KiB, which stay in the first-level cache
//! while every permutation passes over them.

use std::ops::Range;

use crate::random::Random;

const WORD: usize = 64;
/// Permutations that share a random stream for one word of queries. It belongs to the definition of the results.
const BLOCK: usize = 1024;
/// Blocks whose sums are kept at once, 128 KiB of them.
const BLOCKS_AT_ONCE: usize = 16;

/// The signed sums of 64 differences, by byte: `tables[i][signs]` is Σ ±d over the queries 8 i to 8 i + 7.
pub(super) struct Tables([[f64; 256]; 8]);

impl Tables {
    /// Of at most 64 differences; what is missing counts as 0.
    pub(super) fn new(differences: &[f64]) -> Self {
        let mut tables = [[0.0; 256]; 8];
        for (table, group) in tables.iter_mut().zip(differences.chunks(8)) {
            for (bit, d) in group.iter().enumerate() {
                let (without, with) = table.split_at_mut(1 << bit);
                for (plain, flipped) in without.iter_mut().zip(with) {
                    *flipped = *plain - d;
                    *plain += d;
                }
            }
            // Assignments of queries that are not there repeat those that are.
            for filled in (group.len()..8).map(|bit| 1 << bit) {
                table.copy_within(..filled, filled);
            }
        }
        Self(tables)
    }

    /// The sum whose signs are the bits of `word`; a set bit flips. The order of addition is fixed: it is part of the
    /// definition of the results.
    pub(super) fn sum(&self, word: u64) -> f64 {
        let part = |i: usize| self.0[i][(word >> (8 * i)) as u8 as usize];
        ((part(0) + part(1)) + (part(2) + part(3))) + ((part(4) + part(5)) + (part(6) + part(7)))
    }
}

/// How many of the permutations in `blocks` (blocks of [`BLOCK`], of `count` permutations in all) have a sum of at least
/// `threshold` in magnitude. Permutation i of block b takes its signs for word w of queries from number i of the stream
/// (seed, b 2^32 + w), whichever thread asks.
pub(super) fn extremes(
    differences: &[f64],
    threshold: f64,
    blocks: Range<usize>,
    (count, seed): (usize, u64),
) -> usize {
    let mut found = 0;
    let mut sums = vec![0.0; BLOCKS_AT_ONCE * BLOCK];
    for first in blocks.clone().step_by(BLOCKS_AT_ONCE) {
        let here = first..blocks.end.min(first + BLOCKS_AT_ONCE);
        let permutations = (here.end * BLOCK).min(count) - here.start * BLOCK;
        let sums = &mut sums[..permutations];
        sums.fill(0.0);
        for (w, word) in differences.chunks(WORD).enumerate() {
            let tables = Tables::new(word);
            for (b, block) in here.clone().zip(sums.chunks_mut(BLOCK)) {
                let mut random = Random::new(seed, (b as u64) << 32 | w as u64);
                for sum in block {
                    *sum += tables.sum(random.next());
                }
            }
        }
        found += sums.iter().filter(|sum| sum.abs() >= threshold).count();
    }
    found
}

/// How many blocks hold `count` permutations.
pub(super) fn blocks(count: usize) -> usize {
    count.div_ceil(BLOCK)
}
