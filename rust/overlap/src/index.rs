//! The known texts, and how others are held against them.

use std::ops::Range;

use crate::normalise::normalise;
use crate::parts::Parts;
use crate::sets::prefix;
use crate::share_out::share_out;
use crate::shingles::{Shingles, hash};
use crate::table::{Hashed, Span, Table};
use crate::verify::{Kind, Known, Match, verify};
use crate::{Error, Settings};

/// How a search is done.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Whether a text that lies within another is a near-copy of it.
    pub containment: bool,
    /// 0: one a core.
    pub threads: usize,
    /// Asked by the calling thread every now and then; the search ends when it says so.
    pub interrupted: Option<&'a dyn Fn() -> bool>,
}

/// Known texts. Safe to search from many threads.
#[derive(Debug)]
pub struct Index {
    settings: Settings,
    texts: Vec<Box<str>>,
    normals: Vec<Box<str>>,
    by_normal: Hashed<Vec<u32>>,
    numbers: Vec<Vec<u64>>,
    pieces: Vec<Vec<u64>>,
    parts: Parts,
    phrases: Table,
}

/// What a thread reuses.
#[derive(Default)]
struct Scratch {
    shingles: Shingles,
    present: Vec<(u32, u64, Span)>,
    sums: Vec<u64>,
    /// For each known text, the last text for which it was a candidate, plus one.
    seen: Vec<u64>,
    candidates: Vec<u32>,
}

impl Index {
    /// Time and memory O(the size of the texts). A text without a visible character is like no other.
    ///
    /// # Errors
    /// [`Error::Parameter`] for settings that cannot be used, [`Error::TooMany`], [`Error::Interrupted`].
    pub fn build<T: AsRef<str> + Sync>(texts: &[T], settings: Settings, options: Options<'_>) -> Result<Self, Error> {
        let settings = settings.check()?;
        let read = share_out(texts.len(), options.threads, options.interrupted, |range, shingles: &mut Shingles| {
            let one = |text: &T| {
                let normal = normalise(text.as_ref());
                shingles.read(&normal, settings.short_words, settings.least_words);
                let sets = (shingles.pieces.clone(), shingles.phrases.clone(), shingles.numbers.clone());
                (normal.into_boxed_str(), sets)
            };
            texts[range].iter().map(one).collect::<Vec<_>>()
        })?;
        let (normals, sets): (Vec<_>, Vec<_>) = read.into_iter().flatten().unzip();
        let mut by_normal: Hashed<Vec<u32>> = Hashed::default();
        for (place, normal) in normals.iter().enumerate().filter(|(_, normal)| !normal.is_empty()) {
            by_normal.entry(hash(normal)).or_default().push(u32::try_from(place).map_err(|_| Error::TooMany)?);
        }
        let (mut pieces, mut phrases, mut numbers) = (vec![], vec![], vec![]);
        for (some, more, digits) in sets {
            pieces.push(some);
            phrases.push(more);
            numbers.push(digits);
        }
        // Of like sets, each has at least a share `phrases` of the other; of one that lies within another, `containment`.
        let least = settings.phrases.min(settings.containment);
        Ok(Self {
            parts: Parts::build(&pieces, settings.characters)?,
            pieces,
            phrases: Table::build(&phrases, |size| prefix(size, least))?,
            texts: texts.iter().map(|text| text.as_ref().into()).collect(),
            settings,
            normals,
            by_normal,
            numbers,
        })
    }

    /// How many texts are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The thresholds.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every pair of a text and a known one that are copies or near-copies: by text, then by known one.
    ///
    /// The result depends neither on threads nor on the batch. Memory O(the known texts) a thread, and O(the result).
    ///
    /// # Errors
    /// [`Error::Interrupted`], and [`Error::TooMany`] for a batch of more than 2^32 - 1 texts.
    pub fn find<T: AsRef<str> + Sync>(&self, texts: &[T], options: Options<'_>) -> Result<Vec<Match>, Error> {
        u32::try_from(texts.len()).map_err(|_| Error::TooMany)?;
        let found = share_out(texts.len(), options.threads, options.interrupted, |range: Range<usize>, scratch| {
            let mut found = Vec::new();
            for place in range {
                self.find_one(place as u32, texts[place].as_ref(), options.containment, scratch, &mut found);
            }
            found
        })?;
        Ok(found.concat())
    }

    fn find_one(&self, place: u32, text: &str, contained: bool, scratch: &mut Scratch, found: &mut Vec<Match>) {
        let normal = normalise(text);
        if normal.is_empty() {
            return;
        }
        scratch.seen.resize(self.texts.len(), 0);
        let first = found.len();
        let stamp = u64::from(place) + 1;
        for &known in self.by_normal.get(&hash(&normal)).into_iter().flatten() {
            if *self.normals[known as usize] == *normal {
                let kind = if *self.texts[known as usize] == *text { Kind::Exact } else { Kind::Normalised };
                found.push(Match { text: place, known, kind, similarity: 1.0 });
                scratch.seen[known as usize] = stamp;
            }
        }
        scratch.shingles.read(&normal, self.settings.short_words, self.settings.least_words);
        scratch.candidates.clear();
        self.candidates(contained, stamp, scratch);
        for &known in &scratch.candidates {
            let sets = Known {
                pieces: &self.pieces[known as usize],
                phrases: self.phrases.set(known),
                numbers: &self.numbers[known as usize],
            };
            if let Some((kind, similarity)) = verify(&scratch.shingles, &sets, &self.settings, contained) {
                found.push(Match { text: place, known, kind, similarity });
            }
        }
        found[first..].sort_unstable_by_key(|one| one.known);
    }

    /// Known texts that can be near-copies.
    ///
    /// Of word sequences: `prefix` elements of a set cannot all be missing in one that has as much of it as a threshold
    /// asks for. So one of its rarest must be found there.
    fn candidates(&self, contained: bool, stamp: u64, scratch: &mut Scratch) {
        let Scratch { shingles, present, sums, seen, candidates } = scratch;
        let mut take = |some: &[u32]| {
            for &known in some {
                if seen[known as usize] != stamp {
                    seen[known as usize] = stamp;
                    candidates.push(known);
                }
            }
        };
        self.parts.candidates(&shingles.pieces, sums, &mut take);
        // A known text within this one: its prefix against all of this. This one within a known text: the reverse.
        rarest_first(&self.phrases, &shingles.phrases, present);
        let absent = shingles.phrases.len() - present.len();
        let all = if contained {
            prefix(shingles.phrases.len(), self.settings.containment).saturating_sub(absent)
        } else {
            0
        };
        for (rank, (_, _, span)) in present.iter().enumerate() {
            take(self.phrases.rare(*span));
            if rank < all {
                take(self.phrases.common(*span));
            }
        }
    }
}

/// Those elements that a known text has too, in the order of the table's prefixes.
fn rarest_first(table: &Table, elements: &[u64], present: &mut Vec<(u32, u64, Span)>) {
    present.clear();
    present.extend(elements.iter().filter_map(|&element| {
        let span = table.span(element)?;
        Some((span.frequency(), element, span))
    }));
    present.sort_unstable_by_key(|&(frequency, element, _)| (frequency, element));
}
