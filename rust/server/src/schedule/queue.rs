//! What waits in one lane with one priority, by age and by length.

use std::collections::BTreeSet;
use std::iter::Peekable;

use super::Id;

/// Ids rise with age's end: the smallest is the oldest.
#[derive(Debug, Default)]
pub(super) struct Queue {
    by_age: BTreeSet<Id>,
    by_length: BTreeSet<(u32, Id)>,
    tokens: usize,
}

/// Items with their lengths.
pub(super) type Items<'q> = Peekable<Box<dyn Iterator<Item = (u32, Id)> + 'q>>;

impl Queue {
    pub(super) fn insert(&mut self, id: Id, length: u32) {
        self.by_age.insert(id);
        self.by_length.insert((length, id));
        self.tokens += length as usize;
    }

    pub(super) fn remove(&mut self, id: Id, length: u32) {
        self.by_age.remove(&id);
        self.by_length.remove(&(length, id));
        self.tokens -= length as usize;
    }

    /// Tokens of all of them.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    pub(super) fn oldest(&self) -> Option<Id> {
        self.by_age.first().copied()
    }

    /// The shorter ones, longest first, and the longer ones, shortest first.
    pub(super) fn around(&self, id: Id, length: u32) -> (Items<'_>, Items<'_>) {
        let shorter: Box<dyn Iterator<Item = _>> = Box::new(self.by_length.range(..(length, id)).rev().copied());
        let longer: Box<dyn Iterator<Item = _>> = Box::new(self.by_length.range((length, id + 1)..).copied());
        (shorter.peekable(), longer.peekable())
    }

    pub(super) fn none<'q>() -> Items<'q> {
        let none: Box<dyn Iterator<Item = _>> = Box::new(std::iter::empty());
        none.peekable()
    }
}
