//! The rows that differ least, of runs of rows that were all measured.
//!
//! A bound that falls with every row that is found costs a branch that no processor foresees for each. Where rows are a few
//! thousand, it takes less to write all distances down, two bytes each, to halve the numbers that the cut may be until it is
//! known, counting all rows below each time, and then to collect those up to it.

use std::ops::Range;

use super::point::Point;
use super::signs::Signs;
use super::{BackEnd, on_chosen};
use crate::backend::{BIT_LANES, Backend};

/// Distances of rows, run after run. Used again for the next query.
#[derive(Default)]
pub struct Measured {
    distances: Vec<u16>,
    /// Of each eight distances, the place of the first.
    places: Vec<u32>,
    sample: Vec<u16>,
    counts: Vec<u32>,
    hits: Vec<u32>,
}

/// The distance of what is no row of a run. (One of as many bits, of the 2^16 that there may be, is as far.)
pub(super) const NO_ROW: u16 = u16::MAX;

/// Distances of which, of more than twice as many, a sample says about where the cut is; and how many of them follow one
/// another.
const SAMPLED: usize = 512;
const TOGETHER: usize = 64;

impl Measured {
    /// Forget all.
    pub fn clear(&mut self) {
        self.distances.clear();
        self.places.clear();
    }

    /// The least distance; of no row, that of what is none.
    #[cfg(test)]
    pub(crate) fn first(&self) -> usize {
        usize::from(self.distances.iter().copied().min().unwrap_or(NO_ROW))
    }

    /// Where the distances of what is measured next begin.
    #[must_use]
    pub fn end(&self) -> usize {
        self.distances.len()
    }

    /// Fill `rows` with the `most` that differ in the fewest signs, by distance and then as they were measured. `signs`: those
    /// that were measured.
    pub fn nearest(&mut self, signs: &Signs, most: usize, rows: &mut Vec<u32>) {
        self.nearest_since(0, signs, most, rows);
    }

    /// The same, but for those whose distances begin before `since`, an earlier `end`: as far as the `most` nearest of all
    /// go, and so few more that as many are as far.
    pub fn nearest_since(&mut self, since: usize, signs: &Signs, most: usize, rows: &mut Vec<u32>) {
        on_chosen!(BackEnd::of_this_processor(), backend => self.nearest_on(backend, since, signs, most, rows));
    }

    /// Fill `places` with where the distances are of the `most` that differ in the fewest signs, and of what is as far as the
    /// last of them; ascending.
    pub fn nearest_places(&mut self, signs: &Signs, most: usize, places: &mut Vec<u32>) {
        places.clear();
        on_chosen!(BackEnd::of_this_processor(), backend => {
            let last = self.cut(backend, signs.farthest(), most);
            backend.places_at_most(&self.distances, last, places);
        });
    }

    #[inline]
    fn nearest_on<B: Backend>(&mut self, backend: B, since: usize, signs: &Signs, most: usize, rows: &mut Vec<u32>) {
        let last = self.cut(backend, signs.farthest(), most);
        let Self { distances, places, counts, hits, .. } = self;
        let (distances, places) = (&distances[since..], &places[since / BIT_LANES..]);
        hits.clear();
        backend.places_at_most(distances, last, hits);
        // From how many there are at each distance to where each begins.
        counts.clear();
        counts.resize(usize::from(last) + 1, 0);
        for &hit in &*hits {
            counts[usize::from(distances[hit as usize])] += 1;
        }
        let mut begin = 0;
        for count in &mut *counts {
            begin += std::mem::replace(count, begin);
        }
        rows.clear();
        rows.resize(most.min(hits.len()), 0);
        for &hit in &*hits {
            let hit = hit as usize;
            let at = &mut counts[usize::from(distances[hit])];
            if let Some(to) = rows.get_mut(*at as usize) {
                *to = signs.row(places[hit / BIT_LANES] + (hit % BIT_LANES) as u32);
            }
            *at += 1;
        }
    }

    /// The least distance up to which there are `most` rows; `greatest` where there are not so many.
    #[inline]
    fn cut<B: Backend>(&mut self, backend: B, greatest: u16, most: usize) -> u16 {
        let Self { distances, sample, .. } = self;
        if distances.len() <= 2 * SAMPLED {
            return cut(backend, distances, (0, greatest), most);
        }
        sample.clear();
        for part in distances.chunks(distances.len().div_ceil(SAMPLED / TOGETHER)) {
            sample.extend_from_slice(&part[..part.len().min(TOGETHER)]);
        }
        let about = cut(backend, sample, (0, greatest), most * sample.len() / distances.len());
        // From there on in steps that double, until the cut is between two of them.
        let (mut low, mut high, mut step) = (0, greatest, 1);
        if backend.count_at_most(distances, about) < most {
            low = about;
            while low < greatest {
                let next = low.saturating_add(step).min(greatest);
                if backend.count_at_most(distances, next) >= most {
                    high = next;
                    break;
                }
                (low, step) = (next, step.saturating_mul(2));
            }
            low = low.saturating_add(1).min(greatest);
        } else {
            high = about;
            while high > 0 {
                let next = high.saturating_sub(step);
                if backend.count_at_most(distances, next) < most {
                    low = next + 1;
                    break;
                }
                (high, step) = (next, step.saturating_mul(2));
            }
        }
        cut(backend, distances, (low, high), most)
    }
}

/// Of the numbers from `low` to `high`, the least up to which there are `most` of `numbers`; `high` where there are not so many.
#[inline]
fn cut<B: Backend>(backend: B, numbers: &[u16], (mut low, mut high): (u16, u16), most: usize) -> u16 {
    while low < high {
        let middle = low + (high - low) / 2;
        if backend.count_at_most(numbers, middle) >= most {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

impl Signs {
    /// Measure the rows of runs, none of which has a place of another.
    ///
    /// # Panics
    /// When a run ends behind the last place, or the point's signs were not set by the sketches that these were made of.
    pub fn measure(&self, runs: &[Range<usize>], point: &Point, to: &mut Measured) {
        assert!(runs.iter().all(|run| run.start <= run.end && run.end <= self.len()), "runs of these rows");
        assert_eq!(point.signs.len(), self.words_of_query(), "signs of a point of these rows");
        let groups = |run: &Range<usize>| run.start / BIT_LANES * BIT_LANES..run.end.next_multiple_of(BIT_LANES);
        let mut begins = to.distances.len();
        to.distances.resize(begins + runs.iter().map(|run| groups(run).len()).sum::<usize>(), NO_ROW);
        on_chosen!(BackEnd::of_this_processor(), backend => {
            runs.iter().take(AHEAD).for_each(|run| self.fetch_run(backend, run));
            for (number, run) in runs.iter().enumerate() {
                // Runs lie anywhere, and a look at one is over before the next has come from an outer cache.
                runs.get(number + AHEAD).into_iter().for_each(|run| self.fetch_run(backend, run));
                let groups = groups(run);
                to.places.extend(groups.clone().step_by(BIT_LANES).map(|place| place as u32));
                let distances = &mut to.distances[begins..begins + groups.len()];
                begins += groups.len();
                self.distances(backend, point, self.words_of(groups.clone()), distances);
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
const AHEAD: usize = 4;
const FETCHED: usize = 512;
