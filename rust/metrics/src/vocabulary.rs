//! Strings to dense integer codes and back.

use std::hash::{BuildHasher, RandomState};

use crate::texts::Texts;

/// Names in the order they were first seen; a name's code is its position.
///
/// One arena holds the text, so a million identifiers are three allocations. Identifiers come from users: the table
/// is keyed (`SipHash` with a random key), so nobody can choose identifiers that collide.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    names: Texts,
    /// Open addressing with linear probing; a power of two long, at most half full.
    slots: Vec<Slot>,
    state: RandomState,
}

/// A code and the low half of its name's hash, side by side: with many names every array looked at is a cache miss, and
/// the tag settles nearly every comparison of different names without one. It also gives the slot when the table grows.
#[derive(Debug, Clone, Copy)]
struct Slot {
    tag: u32,
    code: u32,
}

/// The code that marks a free slot.
const EMPTY: u32 = u32::MAX;
const FREE: Slot = Slot { tag: 0, code: EMPTY };

impl Vocabulary {
    /// The code of `name`, which is added when it is new.
    ///
    /// # Panics
    /// When more than 2^32 - 1 names are added.
    pub(crate) fn code(&mut self, name: &str) -> u32 {
        if self.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let tag = self.tag(name);
        match self.find(name, tag) {
            Ok(code) => code,
            Err(slot) => {
                let code = u32::try_from(self.len()).ok().filter(|&code| code != EMPTY);
                let code = code.expect("fewer than 2^32 - 1 names");
                self.names.push(name);
                self.slots[slot] = Slot { tag, code };
                code
            }
        }
    }

    /// The code of `name`, if it was added.
    pub(crate) fn get(&self, name: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        self.find(name, self.tag(name)).ok()
    }

    /// The name behind a code.
    ///
    /// # Panics
    /// When no name has this code.
    pub(crate) fn name(&self, code: u32) -> &str {
        self.names.get(code as usize)
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    fn tag(&self, name: &str) -> u32 {
        self.state.hash_one(name) as u32
    }

    /// The name's code, or the slot where it belongs. The table must have a free slot.
    fn find(&self, name: &str, tag: u32) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut at = tag as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.code == EMPTY {
                return Err(at);
            }
            if slot.tag == tag && self.name(slot.code) == name {
                return Ok(slot.code);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![FREE; size]);
        for slot in old.into_iter().filter(|slot| slot.code != EMPTY) {
            let mut at = slot.tag as usize & (size - 1);
            while self.slots[at].code != EMPTY {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_stable_and_reversible() {
        let mut vocabulary = Vocabulary::default();
        assert_eq!(vocabulary.get("x"), None);
        let names: Vec<String> = (0..5000).map(|i| format!("d{}", i % 1000)).collect();
        for (i, name) in names.iter().enumerate() {
            assert_eq!(vocabulary.code(name), (i % 1000) as u32);
        }
        assert_eq!(vocabulary.len(), 1000);
        for code in 0..1000 {
            assert_eq!(vocabulary.name(code), format!("d{code}"));
            assert_eq!(vocabulary.get(&format!("d{code}")), Some(code));
        }
        assert_eq!(vocabulary.get("d1000"), None);
    }

    #[test]
    fn the_empty_name_is_a_name() {
        let mut vocabulary = Vocabulary::default();
        assert_eq!((vocabulary.code("a"), vocabulary.code(""), vocabulary.code("")), (0, 1, 1));
        assert_eq!(vocabulary.name(1), "");
    }
}
