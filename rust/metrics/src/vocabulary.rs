//! Strings to dense integer codes and back.

use std::hash::{BuildHasher, RandomState};

/// Names in the order they were first seen; a name's code is its position.
///
/// One arena holds the text, so a million identifiers are three allocations. Identifiers come from users: the table
/// is keyed (`SipHash` with a random key), so nobody can choose identifiers that collide.
#[derive(Debug, Default)]
pub struct Vocabulary {
    text: String,
    ends: Vec<usize>,
    hashes: Vec<u64>,
    /// Open addressing with linear probing; a power of two long, at most half full; `EMPTY` marks a free slot.
    slots: Vec<u32>,
    state: RandomState,
}

const EMPTY: u32 = u32::MAX;

impl Vocabulary {
    /// The code of `name`, which is added when it is new.
    ///
    /// # Panics
    /// When more than 2^32 - 1 names are added.
    pub fn code(&mut self, name: &str) -> u32 {
        if self.ends.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = self.state.hash_one(name);
        match self.find(name, hash) {
            Ok(code) => code,
            Err(slot) => {
                let code = u32::try_from(self.ends.len()).ok().filter(|&code| code != EMPTY);
                let code = code.expect("fewer than 2^32 - 1 names");
                self.text.push_str(name);
                self.ends.push(self.text.len());
                self.hashes.push(hash);
                self.slots[slot] = code;
                code
            }
        }
    }

    /// The code of `name`, if it was added.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        self.find(name, self.state.hash_one(name)).ok()
    }

    /// The name behind a code.
    ///
    /// # Panics
    /// When no name has this code.
    #[must_use]
    pub fn name(&self, code: u32) -> &str {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.text[start..self.ends[code]]
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name's code, or the slot where it belongs. The table must have a free slot.
    fn find(&self, name: &str, hash: u64) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let code = self.slots[slot];
            if code == EMPTY {
                return Err(slot);
            }
            if self.hashes[code as usize] == hash && self.name(code) == name {
                return Ok(code);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        self.slots.clear();
        self.slots.resize(size, EMPTY);
        for (code, &hash) in self.hashes.iter().enumerate() {
            let mut slot = hash as usize & (size - 1);
            while self.slots[slot] != EMPTY {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = code as u32;
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
        assert!(vocabulary.is_empty());
        assert_eq!((vocabulary.code("a"), vocabulary.code(""), vocabulary.code("")), (0, 1, 1));
        assert_eq!(vocabulary.name(1), "");
    }
}
