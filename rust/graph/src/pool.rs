//! The best nodes that a walk has seen, nearest first, each with a mark: whether the walk has gone on from it.
//!
//! The paper has a heap of candidates and a heap of results. A candidate farther than the worst of `ef` results is never
//! gone on from, so that one sorted list of `ef` nodes is enough; an insertion moves half of a few hundred numbers on
//! average, which takes less time than two heaps.

/// A distance as a number that orders as it does, the node, and in the lowest bit the mark.
pub(crate) type Entry = u64;

/// The entry of a node that has not been gone on from.
#[inline]
pub(crate) fn entry(distance: f32, node: u32) -> Entry {
    let bits = distance.to_bits();
    // Negative numbers order the other way round, and below the positive ones.
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(node) << 1
}

/// The node of an entry.
#[inline]
pub(crate) fn node(entry: Entry) -> u32 {
    (entry as u32) >> 1
}

/// The distance of an entry.
#[inline]
pub(crate) fn distance(entry: Entry) -> f32 {
    let ordered = (entry >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

/// Entries up to which a place is looked for one by one, from the end.
const SHORT: usize = 32;

/// The `ef` nearest so far.
#[derive(Default)]
pub(crate) struct Pool {
    entries: Vec<Entry>,
    ef: usize,
    /// The first that has not been gone on from.
    next: usize,
}

impl Pool {
    /// Empty it, for `ef` nodes.
    pub(crate) fn reset(&mut self, ef: usize) {
        self.entries.clear();
        self.ef = ef;
        self.next = 0;
    }

    /// Put a node in, if it is among the nearest.
    #[inline]
    pub(crate) fn insert(&mut self, distance: f32, node: u32) {
        let new = entry(distance, node);
        if self.entries.len() == self.ef {
            if self.entries.last().is_none_or(|&worst| new >= worst) {
                return;
            }
            self.entries.pop();
        }
        let place = if self.ef <= SHORT {
            // What comes late is mostly near the end.
            self.entries.push(new);
            let mut place = self.entries.len() - 1;
            while place > 0 && self.entries[place - 1] > new {
                self.entries[place] = self.entries[place - 1];
                place -= 1;
            }
            self.entries[place] = new;
            place
        } else {
            let place = self.entries.partition_point(|&other| other < new);
            self.entries.insert(place, new);
            place
        };
        self.next = self.next.min(place);
    }

    /// Whether a node at this distance would be put in.
    #[inline]
    pub(crate) fn takes(&self, distance: f32) -> bool {
        self.entries.len() < self.ef || self.entries.last().is_some_and(|&worst| entry(distance, 0) < worst)
    }

    /// The distance of the worst of `ef`; None while there are fewer.
    #[inline]
    pub(crate) fn worst(&self) -> Option<f32> {
        self.entries.last().filter(|_| self.is_full()).map(|&worst| distance(worst))
    }

    /// Whether there are `ef`.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() == self.ef
    }

    /// Mark the nearest node that has not been marked.
    #[inline]
    pub(crate) fn advance(&mut self) -> Option<u32> {
        let at = self.entries[self.next..].iter().position(|entry| entry & 1 == 0)? + self.next;
        self.entries[at] |= 1;
        self.next = at + 1;
        Some(node(self.entries[at]))
    }

    /// The nearest node that has not been marked, which is likely to be the next one.
    #[inline]
    pub(crate) fn coming(&self) -> Option<u32> {
        self.entries.get(self.next).filter(|entry| *entry & 1 == 0).map(|&entry| node(entry))
    }

    /// All, nearest first.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is kept is what sorting keeps, and each node is gone on from once, nearest first.
        #[test]
        fn keeps_the_nearest(distances in prop::collection::vec(-3_i8..4, 0..120), ef in 1_usize..2 * SHORT, often in 1_usize..4) {
            let mut pool = Pool::default();
            pool.reset(ef);
            let mut marked = Vec::new();
            for (node, distance) in distances.iter().enumerate() {
                pool.insert(f32::from(*distance), node as u32);
                if node % often == 0 {
                    marked.extend(pool.advance());
                }
            }
            while let Some(node) = pool.advance() {
                marked.push(node);
            }
            let mut all: Vec<(i8, u32)> = distances.iter().copied().zip(0..).collect();
            all.sort_unstable();
            let found: Vec<(i8, u32)> = pool.entries().iter().map(|&entry| (distance(entry) as i8, node(entry))).collect();
            prop_assert_eq!(&found, &all[..ef.min(all.len())]);
            let mut once = marked.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), marked.len());
            prop_assert!(found.iter().all(|(_, node)| marked.contains(node)));
        }
    }

    #[test]
    fn an_entry_orders_as_its_distance() {
        let distances = [f32::NEG_INFINITY, -1.0, -1e-40, 0.0, 1e-40, 1.0, f32::MAX, f32::INFINITY];
        for pair in distances.windows(2) {
            assert!(entry(pair[0], u32::MAX >> 1) < entry(pair[1], 0));
            assert_eq!(distance(entry(pair[0], 5)), pair[0]);
            assert_eq!(node(entry(pair[0], u32::MAX >> 1)), u32::MAX >> 1);
        }
    }
}
