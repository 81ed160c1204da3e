//! Which known texts have a shingle: postings, those for whom it is among their rarest first.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::Error;

/// Shingles are hashes already.
#[derive(Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

pub(crate) type Hashed<T> = HashMap<u64, T, BuildHasherDefault<AsItIs>>;

/// The postings of one shingle: `start..rare` are texts for whom it is among the rarest, `rare..end` the others.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) rare: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn frequency(self) -> u32 {
        self.end - self.start
    }
}

/// The sets of known texts, and the postings of their elements.
#[derive(Debug, Default)]
pub(crate) struct Table {
    spans: Hashed<Span>,
    postings: Vec<u32>,
    offsets: Vec<usize>,
    elements: Vec<u64>,
}

impl Table {
    /// `sets`: sorted, one a known text. `rarest`: how many elements of a set of this size are its rarest.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub(crate) fn build(sets: &[Vec<u64>], rarest: impl Fn(usize) -> usize) -> Result<Self, Error> {
        let total: usize = sets.iter().map(Vec::len).sum();
        if u32::try_from(total).is_err() || u32::try_from(sets.len()).is_err() {
            return Err(Error::TooMany);
        }
        let mut spans: Hashed<Span> = Hashed::default();
        for &element in sets.iter().flatten() {
            spans.entry(element).or_default().end += 1;
        }
        let mut start = 0;
        for span in spans.values_mut() {
            let frequency = span.end;
            *span = Span { start, rare: start, end: start + frequency };
            start = span.end;
        }
        let mut table = Self { spans, postings: vec![0; total], offsets: vec![0], elements: Vec::with_capacity(total) };
        // The rare ones from the front; then the others from where those end, with `filled` for how many there are.
        let mut filled: Hashed<u32> = Hashed::default();
        let mut order: Vec<(u32, u64)> = Vec::new();
        for rare in [true, false] {
            for (text, set) in sets.iter().enumerate() {
                order.clear();
                order.extend(set.iter().map(|element| (table.spans[element].frequency(), *element)));
                order.sort_unstable();
                let (first, rest) = order.split_at(rarest(set.len()).min(set.len()));
                for (_, element) in if rare { first } else { rest } {
                    let Some(span) = table.spans.get_mut(element) else { continue };
                    if rare {
                        table.postings[span.rare as usize] = text as u32;
                        span.rare += 1;
                    } else {
                        let more = filled.entry(*element).or_default();
                        table.postings[(span.rare + *more) as usize] = text as u32;
                        *more += 1;
                    }
                }
            }
        }
        for set in sets {
            table.elements.extend_from_slice(set);
            table.offsets.push(table.elements.len());
        }
        Ok(table)
    }

    pub(crate) fn set(&self, text: u32) -> &[u64] {
        &self.elements[self.offsets[text as usize]..self.offsets[text as usize + 1]]
    }

    pub(crate) fn span(&self, element: u64) -> Option<Span> {
        self.spans.get(&element).copied()
    }

    /// Known texts for whom the element is among the rarest.
    pub(crate) fn rare(&self, span: Span) -> &[u32] {
        &self.postings[span.start as usize..span.rare as usize]
    }

    /// The others.
    pub(crate) fn common(&self, span: Span) -> &[u32] {
        &self.postings[span.rare as usize..span.end as usize]
    }
}
