//! The rows that differ least, of a stream of distances that are small whole numbers.
//!
//! How many rows there are at each distance says where the cut is, without sorting: what comes at or beyond it is not
//! among the nearest, since rows come in the order of their numbers. What was pushed out stays where it lies until the
//! end, when one pass by distance puts the rest in order.

use super::signs::Signs;

/// The `most` rows that differ least; those that differ as much, by their number. Used again for the next
/// query.
#[derive(Default)]
pub struct Nearest {
    /// Distance above, place below, in the order of places; what was pushed out too.
    pub(super) found: Vec<u64>,
    /// Of what is kept, how many at each distance.
    counts: Vec<u32>,
    kept: usize,
    most: usize,
    /// What a new one must be below.
    pub(super) below: u64,
    /// Of `found`, those that have been counted.
    settled: usize,
    sorted: Vec<u64>,
}

impl Nearest {
    /// Begin for `most` of rows, at least one, none of which is farther than `farthest`, that are nearer than `below`.
    pub(super) fn reset(&mut self, farthest: usize, most: usize, below: u64) {
        self.found.clear();
        self.counts.clear();
        self.counts.resize(farthest + 1, 0);
        (self.kept, self.most, self.settled) = (0, most.max(1), 0);
        self.below = below.min(farthest as u64 + 1);
    }

    /// Another for the same query and the same bound, which has found nothing.
    #[must_use]
    pub fn another(&self) -> Self {
        let mut other = Self::default();
        other.reset(self.counts.len().saturating_sub(1), self.most, self.below);
        other
    }

    /// How many are looked for.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How many there are.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// Count what was found since; drop what is not below the bound by now. `len`: places beyond it are none.
    pub(super) fn settle(&mut self, len: usize) {
        let mut to = self.settled;
        for at in self.settled..self.found.len() {
            let entry = self.found[at];
            if distance(entry) >= self.below || place(entry) as usize >= len {
                continue;
            }
            self.found[to] = entry;
            to += 1;
            self.counts[distance(entry) as usize] += 1;
            self.kept += 1;
            if self.kept > self.most {
                self.counts[self.below as usize] -= 1;
                self.kept -= 1;
            } else if self.kept == self.most {
                self.below -= 1;
            }
            if self.kept == self.most {
                // The bound is the distance of the farthest that is kept.
                while self.below > 0 && self.counts[self.below as usize] == 0 {
                    self.below -= 1;
                }
            }
        }
        self.found.truncate(to);
        self.settled = to;
    }

    /// Take in what another found among higher places.
    pub fn absorb(&mut self, other: &Self) {
        self.found.extend_from_slice(&other.found);
        self.settle(usize::MAX);
    }

    /// Fill `rows` with the rows, by distance and then by number.
    pub fn rows(&mut self, signs: &Signs, rows: &mut Vec<u32>) {
        // From counts to where each distance begins.
        let mut begin = 0;
        for count in &mut self.counts {
            begin += std::mem::replace(count, begin);
        }
        self.sorted.clear();
        self.sorted.resize(self.kept, 0);
        // Full: of those at the last distance as many as there is room for. Not full: all.
        for &entry in &self.found {
            let at = &mut self.counts[distance(entry) as usize];
            if let Some(to) = self.sorted.get_mut(*at as usize).filter(|_| distance(entry) <= self.below) {
                *to = entry;
                *at += 1;
            }
        }
        rows.clear();
        rows.extend(self.sorted.iter().map(|&entry| signs.row(place(entry))));
    }
}

#[inline]
fn distance(entry: u64) -> u64 {
    entry >> 32
}

#[inline]
fn place(entry: u64) -> u32 {
    entry as u32
}
