//! Finding a document among those of one query.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// One key for the whole process, so that tags of judgments and of runs can be compared. Identifiers come from users:
/// the key is random, so nobody can choose identifiers whose tags collide.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The hash function of document ids. Tags that differ prove that ids differ; equal ones only suggest that ids are equal.
#[derive(Debug, Clone)]
pub(crate) struct Tagger(RandomState);

impl Default for Tagger {
    fn default() -> Self {
        Self(KEY.clone())
    }
}

impl Tagger {
    pub(crate) fn tag(&self, document: &str) -> u32 {
        self.0.hash_one(document) as u32
    }
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
}
