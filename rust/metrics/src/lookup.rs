//! Finding a document among those of one query.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// One key for the whole process, so that tags of judgments and of runs can be compared. Identifiers come from users:
/// the key is random, so nobody can choose identifiers whose tags collide.
static KEY: LazyLock<Tagger> = LazyLock::new(|| {
    let random = RandomState::new();
    Tagger([0, 1, 2].map(|i| random.hash_one(i) | 1))
});

/// The hash function of document ids. Tags that differ prove that ids differ; equal ones only suggest that ids are equal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tagger([u64; 3]);

impl Default for Tagger {
    fn default() -> Self {
        *KEY
    }
}

impl Tagger {
    /// Eight bytes at a time are mixed in by a multiplication whose two halves are folded together, as `wyhash` does.
    pub(crate) fn tag(&self, document: &str) -> u32 {
        let Self([start, factor, end]) = *self;
        let (words, rest) = document.as_bytes().as_chunks::<8>();
        let state = words.iter().fold(start, |state, word| fold(state ^ u64::from_le_bytes(*word), factor));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let state = fold(state ^ u64::from_le_bytes(last), factor);
        fold(state ^ document.len() as u64, end) as u32
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// A small hash table from documents to their positions, made anew for every query and kept small enough to stay in the
/// first cache: open addressing with linear probing, at most half full.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// Tag, and position + 1; 0 marks a free slot.
    slots: Vec<(u32, u32)>,
    mask: usize,
}

impl Lookup {
    /// Forget everything and make room for `count` documents.
    pub(crate) fn clear(&mut self, count: usize) {
        let size = (count * 4).next_power_of_two().max(2);
        self.slots.clear();
        self.slots.resize(size, (0, 0));
        self.mask = size - 1;
    }

    /// Note that the document with this tag has this position. When `is_it` knows it at an earlier position, nothing is
    /// noted and that position returned.
    pub(crate) fn insert(&mut self, tag: u32, position: usize, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        match self.probe(tag, is_it) {
            Ok(earlier) => Some(earlier),
            Err(slot) => {
                self.slots[slot] = (tag, position as u32 + 1);
                None
            }
        }
    }

    /// The position of the document with this tag that `is_it` recognises.
    pub(crate) fn find(&self, tag: u32, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        self.probe(tag, is_it).ok()
    }

    fn probe(&self, tag: u32, is_it: impl Fn(usize) -> bool) -> Result<usize, usize> {
        let mut at = tag as usize & self.mask;
        loop {
            let (other, position) = self.slots[at];
            if position == 0 {
                return Err(at);
            }
            let position = position as usize - 1;
            if other == tag && is_it(position) {
                return Ok(position);
            }
            at = (at + 1) & self.mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tags_are_told_apart_by_the_document() {
        let documents = ["a", "b", "c", "a"];
        let mut lookup = Lookup::default();
        for tag in [0, 7, u32::MAX] {
            lookup.clear(documents.len());
            let found: Vec<_> = documents
                .iter()
                .enumerate()
                .map(|(i, document)| lookup.insert(tag, i, |other| documents[other] == *document))
                .collect();
            assert_eq!(found, [None, None, None, Some(0)]);
            assert_eq!(lookup.find(tag, |i| documents[i] == "c"), Some(2));
            assert_eq!(lookup.find(tag, |i| documents[i] == "d"), None);
            assert_eq!(lookup.find(tag ^ 1, |_| true), None);
        }
        lookup.clear(0);
        assert_eq!(lookup.find(0, |_| true), None);
    }

    #[test]
    fn every_tagger_of_the_process_agrees() {
        assert_eq!(Tagger::default().tag("d1"), Tagger::default().tag("d1"));
        assert_ne!(Tagger::default().tag("d1"), Tagger::default().tag("d2"));
    }

    #[test]
    fn tags_of_different_ids_are_seldom_equal() {
        let tagger = Tagger::default();
        let mut tags: Vec<u32> = (0..100_000).map(|i| tagger.tag(&format!("doc-{i:09}"))).collect();
        tags.extend((0..100).map(|length| tagger.tag(&"\0".repeat(length))));
        let (all, low) =
            (tags.len(), tags.iter().map(|tag| tag % 1024).collect::<std::collections::HashSet<_>>().len());
        tags.sort_unstable();
        tags.dedup();
        // Of 100,100 random tags of 32 bits about 1.2 pairs are equal: more than 20 come once in 10^17 keys.
        assert!(all - tags.len() <= 20, "{} of {all} tags", all - tags.len());
        assert_eq!(low, 1024);
    }
}
