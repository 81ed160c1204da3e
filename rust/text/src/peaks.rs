//! What a term gives a row at most, window by window, whatever the formula's settings and the other parts are.
//!
//! A contribution grows with the frequency and falls with the length. So of the rows of a window only those count that no
//! other beats in both: mostly one or two. What a term gives is often a half of its weight at most, for a row that has it
//! once; a scan that knows this leaves out more of them than one that knows the weight (Ding and Suel 2011, "Faster top-k
//! document retrieval using block-max indexes").
//!
//! To make them takes as long as to read all of the term's rows. Of few it is done for every query, and of a block not at
//! all; others are kept in memory with a segment, for the terms that have been searched for twice: about half a byte for
//! each row that has the term, and no more than one and a quarter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::postings::BlockSegmentPostings;

use crate::bm25::Norms;

/// Rows of a window. Tests have few rows, and many windows all the same.
pub(crate) const WINDOW: usize = if cfg!(test) { 128 } else { 4096 };

/// Rows a window, on average, from which windows have peaks of their own. Where a term has fewer, most windows have none
/// of its rows, and where it has one is soon found.
const ROWS_A_WINDOW: usize = 16;

/// Rows of a term from which its peaks are made, and from which they are kept.
const MADE: u32 = 129;
const KEPT: u32 = 1024;

/// Frequencies that are told apart; those from there on count as the greatest of them.
const FREQUENCIES: usize = 8;

/// Below this, what a length adds is so little that frequencies which differ may come to the same quotient.
const TOLD_APART: f64 = 1e-6;

/// How often a row has the term, and the byte of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peak {
    pub(crate) frequency: u32,
    pub(crate) length: u8,
}

impl Peak {
    /// What it gets, and at least what any row gets that has the term less often, or is longer.
    ///
    /// Rounding keeps the order of lengths, and that of frequencies f' < f as long as a / (f (f' + a)), by which their
    /// quotients differ at least as a part of the greater, is more than a few roundings. (Where a is 0 all are 1.)
    pub(crate) fn bound(self, weight: f64, norms: &Norms) -> u64 {
        let added = norms.of(self.length);
        let in_order = self.frequency < FREQUENCIES as u32 && (added == 0.0 || added >= TOLD_APART);
        norms.contribution(weight, self.frequency, self.length) + u64::from(!in_order)
    }
}

/// A peak of a window: its frequency, where `FREQUENCIES` stands for the greatest that any row has.
type Short = (u8, u8);

/// The peaks of a term in one segment: no row has one that gives more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Peaks {
    all: Vec<Short>,
    /// Window after window; none where windows have none of their own.
    of_windows: Vec<Short>,
    /// Where those of each window start, and where the last end.
    starts: Vec<u32>,
    greatest: u32,
}

/// The rows that count of some, growing.
struct Front {
    /// By frequency, from one: the least length.
    least: [Option<u8>; FREQUENCIES],
}

impl Front {
    fn new() -> Self {
        Self { least: [None; FREQUENCIES] }
    }

    #[inline]
    fn add(&mut self, frequency: u32, length: u8) {
        let least = &mut self.least[(frequency.max(1) as usize).min(FREQUENCIES) - 1];
        *least = Some(least.map_or(length, |least| least.min(length)));
    }

    /// Those that no other beats, the most frequent first.
    fn peaks(&self) -> impl Iterator<Item = Short> + '_ {
        let mut shortest = None::<u8>;
        self.least.iter().enumerate().rev().filter_map(move |(place, &length)| {
            let length = length.filter(|&length| shortest.is_none_or(|shortest| length < shortest))?;
            shortest = Some(length);
            Some((place as u8 + 1, length))
        })
    }
}

impl Peaks {
    /// Those of a list from where it is. `lengths`: of all rows, a byte each.
    pub(crate) fn of(mut postings: BlockSegmentPostings, lengths: &[u8]) -> Self {
        let windows = lengths.len().div_ceil(WINDOW);
        let dense = postings.doc_freq() as usize >= ROWS_A_WINDOW * windows && windows > 1;
        let mut found = Self::default();
        let (mut all, mut one) = (Front::new(), Front::new());
        while !postings.docs().is_empty() {
            for (&row, &frequency) in postings.docs().iter().zip(postings.freqs()) {
                if dense {
                    // Windows before this row's are over.
                    while found.starts.len() <= row as usize / WINDOW {
                        found.end_window(&mut one, &mut all);
                    }
                }
                one.add(frequency, lengths[row as usize]);
                found.greatest = found.greatest.max(frequency);
            }
            postings.advance();
        }
        if dense {
            while found.starts.len() <= windows {
                found.end_window(&mut one, &mut all);
            }
        }
        one.peaks().for_each(|(frequency, length)| all.add(frequency.into(), length));
        found.all = all.peaks().collect();
        found.all.shrink_to_fit();
        found.of_windows.shrink_to_fit();
        found.starts.shrink_to_fit();
        found
    }

    /// `starts` begins with the start of the first window, which nothing came before.
    fn end_window(&mut self, one: &mut Front, all: &mut Front) {
        for (frequency, length) in one.peaks() {
            self.of_windows.push((frequency, length));
            all.add(frequency.into(), length);
        }
        *one = Front::new();
        self.starts.push(self.of_windows.len() as u32);
    }

    /// What a row gets at most.
    pub(crate) fn bound(&self, weight: f64, norms: &Norms) -> u64 {
        self.highest(&self.all, weight, norms)
    }

    /// What a row of this window gets at most; None where windows have no peaks of their own.
    #[inline]
    pub(crate) fn bound_within(&self, window: usize, weight: f64, norms: &Norms) -> Option<u64> {
        let (&start, &end) = (self.starts.get(window)?, self.starts.get(window + 1)?);
        Some(self.highest(&self.of_windows[start as usize..end as usize], weight, norms))
    }

    fn highest(&self, peaks: &[Short], weight: f64, norms: &Norms) -> u64 {
        let of = |&(frequency, length): &Short| {
            let frequency = if usize::from(frequency) < FREQUENCIES { frequency.into() } else { self.greatest };
            Peak { frequency, length }.bound(weight, norms)
        };
        peaks.iter().map(of).max().unwrap_or(0)
    }
}

/// The peaks of the terms of one segment that have been asked for.
#[derive(Default)]
pub(crate) struct Known(Mutex<HashMap<Box<str>, Option<Arc<Peaks>>>>);

impl Known {
    /// Those of a term that so many rows have. None where these are few, and when it is asked for the first time.
    pub(crate) fn of(&self, term: &str, rows: u32, make: impl FnOnce() -> Peaks) -> Option<Arc<Peaks>> {
        if rows < KEPT {
            return (rows >= MADE).then(|| Arc::new(make()));
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(term) {
            Some(Some(peaks)) => return Some(Arc::clone(peaks)),
            Some(None) => {}
            None => {
                known.insert(term.into(), None);
                return None;
            }
        }
        drop(known);
        // Nobody waits meanwhile; who asks at the same time makes the same.
        let made = Arc::new(make());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(term.into(), Some(Arc::clone(&made)));
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{build, plain, scratch};
    use crate::{Bm25, lengths};

    /// `(frequency, length)` by row; no frequency 0 in a row that has the term.
    fn check(rows: &[(usize, usize)]) {
        let texts: Vec<String> =
            rows.iter().map(|&(often, length)| "a ".repeat(often) + &"b ".repeat(length - often)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let directory = scratch();
        let segment = build(&directory.path().join("s"), &texts, &plain(), false);
        let postings = segment.postings("a").unwrap().unwrap();
        let peaks = Peaks::of(postings, segment.lengths());
        let tokens = rows.iter().map(|row| row.1 as u64).sum();
        for (k1, b) in [(1.2, 0.75), (0.0, 0.0), (0.9, 0.0), (30.0, 1.0)] {
            let norms = Norms::new(Bm25::new(k1, b).unwrap(), rows.len() as u64, tokens);
            let most = |some: &[(usize, usize)]| {
                let with = some.iter().filter(|row| row.0 > 0);
                with.map(|&(often, length)| norms.contribution(7.0, often as u32, lengths::code(length as u32))).max()
            };
            // No more than is given; where frequencies are not told apart it may be.
            let fits = |bound: u64, most: Option<u64>| {
                let told_apart = rows.iter().all(|row| row.0 < FREQUENCIES);
                let most = most.unwrap_or(0);
                if told_apart || most == 0 { bound == most } else { bound > most }
            };
            assert!(fits(peaks.bound(7.0, &norms), most(rows)));
            for (window, some) in rows.chunks(WINDOW).enumerate() {
                if let Some(bound) = peaks.bound_within(window, 7.0, &norms) {
                    assert!(fits(bound, most(some)), "{window}");
                }
            }
        }
        let dense = rows.iter().filter(|row| row.0 > 0).count() >= ROWS_A_WINDOW * rows.len().div_ceil(WINDOW);
        let windows = if dense && rows.len() > WINDOW { rows.len().div_ceil(WINDOW) } else { 0 };
        let has_own = |window: usize| peaks.bound_within(window, 7.0, &Norms::new(Bm25::default(), 1, 1)).is_some();
        assert_eq!((0..rows.len()).filter(|&window| has_own(window)).count(), windows);
    }

    #[test]
    fn no_row_gets_more_and_one_gets_as_much() {
        let mut state = 1_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for (count, most, every) in [(1, 3, 1), (100, 5, 1), (700, 3, 2), (700, 7, 90), (1_000, 40, 3)] {
            let rows: Vec<(usize, usize)> = (0..count)
                .map(|row| {
                    let often = if row % every == 0 { 1 + next(most) } else { 0 };
                    (often, often + next(60))
                })
                .collect();
            check(&rows);
        }
        // Windows without any, at the beginning, between and at the end.
        let rows: Vec<(usize, usize)> =
            (0..6 * WINDOW).map(|row| (usize::from(matches!(row / WINDOW, 1 | 4)), 3 + row % 50)).collect();
        check(&rows);
    }

    #[test]
    fn those_of_many_rows_are_made_when_a_term_is_asked_for_again() {
        let known = Known::default();
        assert_eq!(known.of("a", KEPT, || panic!("not yet")), None);
        assert!(known.of("a", KEPT, Peaks::default).is_some());
        assert!(known.of("a", KEPT, || panic!("they are known")).is_some());
        assert_eq!(known.of("b", KEPT, || panic!("not yet")), None);
        assert!(known.of("rare", KEPT - 1, Peaks::default).is_some());
        assert_eq!(known.of("rare", MADE - 1, || panic!("too few")), None);
        assert!(!known.0.lock().unwrap().contains_key("rare"));
    }
}
