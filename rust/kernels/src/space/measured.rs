//! The rows that differ least, of runs of rows that were all measured.
//!
//! A bound that falls with every row that is found costs a branch that no processor foresees for each. Where rows are a few
//! thousand, it takes less to write all distances down, two bytes each, to count how many rows there are at each, and then
//! to collect those up to where the cut is.

use std::ops::Range;

use super::point::Point;
use super::signs::Signs;
use super::{BackEnd, on_chosen};
use crate::backend::{BIT_LANES, Backend, FEW_STEP};

/// Distances of rows, run after run. Used again for the next query.
#[derive(Default)]
pub struct Measured {
    distances: Vec<u16>,
    /// Of each run, where its distances begin, and the place of the first.
    runs: Vec<(usize, u32)>,
    counts: Vec<u32>,
    hits: Vec<u32>,
}

/// The distance of what is no row of a run. (One of as many bits, of the 2^16 that there may be, is as far.)
const NO_ROW: u16 = u16::MAX;

impl Measured {
    /// Forget all.
    pub fn clear(&mut self) {
        self.distances.clear();
        self.runs.clear();
    }

    /// The least distance; of no row, that of what is none.
    #[cfg(test)]
    pub(crate) fn first(&self) -> usize {
        usize::from(self.distances.iter().copied().min().unwrap_or(NO_ROW))
    }

    /// Fill `rows` with the `most` that differ in the fewest signs, by distance and then as they were measured; of more than
    /// [`COUNTED`] with about so many, half of them at least. `signs`: those that were measured.
    pub fn nearest(&mut self, signs: &Signs, most: usize, rows: &mut Vec<u32>) {
        // Of many, a part says where the cut is, but for little; or, where rows come in turns, wrongly.
        let step = self.distances.len() / COUNTED + 1;
        self.collect(signs, most, step);
        if step > 1 && self.hits.len() < most.div_ceil(2) {
            self.collect(signs, most, 1);
        }
        let Self { distances, runs, counts, hits } = self;
        // From how many there are at each distance to where each begins.
        counts.fill(0);
        for &hit in &*hits {
            counts[usize::from(distances[hit as usize])] += 1;
        }
        let mut begin = 0;
        for count in &mut *counts {
            begin += std::mem::replace(count, begin);
        }
        rows.clear();
        rows.resize(most.min(hits.len()), 0);
        let mut run = 0;
        for &hit in &*hits {
            while runs.get(run + 1).is_some_and(|&(begins, _)| begins <= hit as usize) {
                run += 1;
            }
            let (begins, place) = runs[run];
            let at = &mut counts[usize::from(distances[hit as usize])];
            if let Some(to) = rows.get_mut(*at as usize) {
                *to = signs.row(place + (hit - begins as u32));
            }
            *at += 1;
        }
    }

    /// Collect what lies up to the cut, of which `counts` has every distance: one in `step` is counted to find it.
    fn collect(&mut self, signs: &Signs, most: usize, step: usize) {
        let Self { distances, counts, hits, .. } = self;
        let bits = (signs.words() * FEW_STEP).min(usize::from(NO_ROW) - 1);
        counts.clear();
        counts.resize(bits + 2, 0);
        for &distance in distances.iter().step_by(step) {
            counts[usize::from(distance).min(bits + 1)] += 1;
        }
        // Two deviations more than were counted, or half of all cuts would be too near.
        let spare = if step > 1 { 2 * (most * step).isqrt() + step } else { 0 };
        let (mut nearer, mut last) = (0, 0);
        for (distance, &count) in counts[..=bits].iter().enumerate() {
            nearer += count as usize * step;
            last = distance;
            if nearer >= most + spare {
                break;
            }
        }
        hits.clear();
        on_chosen!(BackEnd::of_this_processor(), backend => backend.places_at_most(distances, last as u16, hits));
        counts.truncate(last + 1);
    }
}

/// Distances that are counted, about, to see where the cut is.
const COUNTED: usize = 1024;

impl Signs {
    /// Fetch the runs that `measure` will look at first.
    ///
    /// # Panics
    /// As `measure`.
    pub fn fetch_runs(&self, runs: &[Range<usize>]) {
        on_chosen!(BackEnd::of_this_processor(), backend => {
            runs.iter().take(AHEAD).for_each(|run| self.fetch_run(backend, run));
        });
    }

    /// Measure the rows of runs, none of which has a place of another.
    ///
    /// # Panics
    /// When a run ends behind the last place, or the point's signs were not set by the sketches that these were made of.
    pub fn measure(&self, runs: &[Range<usize>], point: &Point, to: &mut Measured) {
        assert!(runs.iter().all(|run| run.start <= run.end && run.end <= self.len()), "runs of these rows");
        assert_eq!(point.signs.len(), self.words(), "signs of a point of these rows");
        on_chosen!(BackEnd::of_this_processor(), backend => {
            for (number, run) in runs.iter().enumerate() {
                // Runs lie anywhere, and a look at one is over before the next has come from an outer cache.
                runs.get(number + AHEAD).into_iter().for_each(|run| self.fetch_run(backend, run));
                let groups = run.start / BIT_LANES * BIT_LANES..run.end.next_multiple_of(BIT_LANES);
                let begins = to.distances.len();
                to.runs.push((begins, groups.start as u32));
                to.distances.resize(begins + groups.len(), NO_ROW);
                let distances = &mut to.distances[begins..];
                backend.sign_distances(&point.signs, self.words_of(groups.clone()), distances);
                // What shares its first and last eight is no row of this run.
                distances[..run.start - groups.start].fill(NO_ROW);
                let end = distances.len() - (groups.end - run.end);
                distances[end..].fill(NO_ROW);
            }
        });
    }

    #[inline]
    fn fetch_run<B: Backend>(&self, backend: B, run: &Range<usize>) {
        let words = self.words_of(run.start / BIT_LANES * BIT_LANES..run.end.next_multiple_of(BIT_LANES));
        backend.fetch(words.as_ptr().cast(), size_of_val(words).min(FETCHED));
    }
}

/// Runs by which the one that is fetched is ahead of the one that is measured, and bytes of it: the processor foresees the
/// rest.
const AHEAD: usize = 8;
const FETCHED: usize = 4 << 10;
