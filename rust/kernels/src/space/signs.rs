//! A bit an element, of rows that are all looked at: the signs of sketches without their numbers, eight rows side by side.
//!
//! A filter may leave a walk more to pass by than to find. To count the signs in which a row differs from the query takes
//! half a nanosecond (384 elements, AVX-512 with its population count), less than it takes to fetch a row that lies
//! anywhere; so rows that a filter leaves are laid side by side once, and every query of that filter reads them all.
//!
//! The signs are those of x - c, of sketches, and of q - c, with q of the length that rows have: the number of signs that
//! differ goes with the angle between the two, about the centre. (To hold P' of `sketches` against them instead finds a
//! fifth as well: of 100,000 rows of topics, 19 in 20 of the nearest ten were among 555 by P', and among 72 by q - c.)
//! That is rough, and the best of them are compared by sketches and by codes.
//!
//! Where sketches have levels (`levels`), it is those that lie here, as many words of them as tell enough, and a distance is what
//! is left when levels times weights are taken from what they could be at most. Whatever is said of signs, here and in the crate
//! that scans them, holds of both but where they are told apart.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::levels::{self, Scaled};
use super::making::Maker;
use super::measured::NO_ROW;
use super::nearest::Nearest;
use super::point::Point;
use super::records::Records;
use super::sketches::Sketches;
use super::{BackEnd, Space, on_chosen};
use crate::aligned::Aligned;
use crate::backend::{BIT_LANES, Backend, Cut, FEW_STEP, LevelRows, SignRows};
use crate::share_out::share_out;
use crate::{Error, Metric, Options, on_backend};

/// Signs of some rows, or levels; by default, of none.
#[derive(Default)]
pub struct Signs {
    words_by_eight: Aligned<u64>,
    /// Words of a row.
    words: usize,
    len: usize,
    /// The rows; none where they are all, from 0 on.
    rows: Option<Vec<u32>>,
    /// How words are cut up, where they are levels and not signs.
    cut: Option<Cut>,
}

/// Bytes of rows that are held against one query after another.
const BLOCK_BYTES: usize = 24 << 10;

/// Groups of eight rows that a thread lays side by side at a time.
const STEP: usize = 256;

/// Rows by which the one that is fetched is ahead of the one that is copied.
const AHEAD: usize = 16;

impl Signs {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that they take.
    #[must_use]
    pub fn nbytes(&self) -> usize {
        size_of_val(&*self.words_by_eight) + self.rows.as_ref().map_or(0, |rows| size_of_val(rows.as_slice()))
    }

    /// The row at a place.
    #[inline]
    pub(super) fn row(&self, place: u32) -> u32 {
        self.rows.as_ref().map_or(place, |rows| rows[place as usize])
    }

    /// Those of some places, in the order given, which are the rows of the result.
    ///
    /// # Panics
    /// When there is no such place.
    #[must_use]
    pub fn of_places(&self, places: &[u32]) -> Self {
        let of = |place: usize, w: usize| (place / BIT_LANES * self.words + w) * BIT_LANES + place % BIT_LANES;
        let mut all = Aligned::zeroed(places.len().next_multiple_of(BIT_LANES) * self.words);
        for (to, &from) in places.iter().enumerate() {
            assert!((from as usize) < self.len, "a place of these rows");
            for w in 0..self.words {
                all[of(to, w)] = self.words_by_eight[of(from as usize, w)];
            }
        }
        Self { words_by_eight: all, words: self.words, len: places.len(), rows: None, cut: self.cut }
    }

    /// Where `parts` like parts of the places begin and end; fewer where there are not so many.
    #[must_use]
    pub fn parts(&self, parts: usize) -> Vec<Range<usize>> {
        let step = self.len.div_ceil(parts.max(1)).next_multiple_of(BIT_LANES).max(BIT_LANES);
        (0..self.len).step_by(step).map(|from| from..self.len.min(from + step)).collect()
    }

    /// Make `nearest` ready for the `most` that differ from a point in the fewest signs; those that differ as much, by
    /// their number. A few of the rows say about how few signs that is.
    ///
    /// # Panics
    /// When the point's signs were not set by the sketches that these were made of.
    pub fn begin(&self, point: &Point, most: usize, nearest: &mut Nearest) {
        assert_eq!(point.signs.len(), self.words_of_query(), "signs of a point of these rows");
        let farthest = usize::from(self.farthest());
        let few = SPARE + (SPARE_SHARE * most as f64 / EVERY as f64) as usize;
        let sampled = self.len / (EVERY * SAMPLE) * SAMPLE;
        let mut below = u64::MAX;
        if few * LEAST_SAMPLED <= sampled {
            nearest.reset(farthest, few, below);
            on_chosen!(BackEnd::of_this_processor(), backend => {
                for from in (0..self.len - SAMPLE).step_by(EVERY * SAMPLE) {
                    self.scan_run(backend, from..from + SAMPLE, (point, nearest));
                }
            });
            // As far as the last of those few.
            below = nearest.below + 1;
        }
        nearest.reset(farthest, most, below);
    }

    /// Words of a row.
    #[inline]
    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// Words of what is held against them.
    pub(super) fn words_of_query(&self) -> usize {
        self.cut.map_or(self.words, Cut::weights)
    }

    /// The greatest distance that there may be.
    pub(super) fn farthest(&self) -> u16 {
        match self.cut {
            None => (self.words * FEW_STEP).min(usize::from(NO_ROW) - 1) as u16,
            Some(_) => levels::FARTHEST,
        }
    }

    /// How far rows are, of whole groups of eight.
    #[inline]
    pub(super) fn distances<B: Backend>(&self, backend: B, point: &Point, rows: &[u64], to: &mut [u16]) {
        match self.cut {
            None => backend.sign_distances(&point.signs, rows, to),
            Some(cut) => {
                let (weights, Scaled { offset, shift }) = (&*point.signs, point.scaled);
                let of = LevelRows { cut, weights, rows, offset, shift, farthest: levels::FARTHEST };
                backend.level_distances(of, to);
            }
        }
    }

    /// Append the rows of whole groups of eight that are nearer than `below`: the distance above, the place in the lower 32
    /// bits. `first`: the place of the first.
    fn below<B: Backend>(
        &self,
        backend: B,
        point: &Point,
        rows: &[u64],
        (first, below): (u32, u64),
        found: &mut Vec<u64>,
    ) {
        if self.cut.is_none() {
            return backend.signs_below(SignRows { query: &point.signs, rows, first, below }, found);
        }
        let (mut distances, mut first) = ([0; WRITTEN], first);
        for some in rows.chunks(self.words * WRITTEN) {
            let distances = &mut distances[..some.len() / self.words];
            self.distances(backend, point, some, distances);
            let near = (first..).zip(&*distances).filter(|&(_, &distance)| u64::from(distance) < below);
            found.extend(near.map(|(place, &distance)| u64::from(distance) << 32 | u64::from(place)));
            first += distances.len() as u32;
        }
    }

    /// The words of rows from a multiple of eight to another.
    #[inline]
    pub(super) fn words_of(&self, groups: Range<usize>) -> &[u64] {
        &self.words_by_eight[groups.start * self.words..groups.end * self.words]
    }

    /// Look for them among the places of a part.
    ///
    /// # Panics
    /// When the part is none of `parts`, or nothing was begun.
    pub fn scan(&self, part: Range<usize>, queries: &mut [(&Point, &mut Nearest)]) {
        assert!(part.start.is_multiple_of(BIT_LANES) && part.end <= self.len, "a part of these rows");
        assert!(
            queries.iter().all(|(point, _)| point.signs.len() == self.words_of_query()),
            "signs of points of these rows"
        );
        on_chosen!(BackEnd::of_this_processor(), backend => self.scan_on(backend, part, queries));
    }

    /// After all parts: look for them again, without a bound, where the few rows have said too little.
    pub fn end(&self, point: &Point, nearest: &mut Nearest) {
        let most = nearest.most();
        if nearest.kept() < most.min(self.len) {
            nearest.reset(usize::from(self.farthest()), most, u64::MAX);
            self.scan(0..self.len, &mut [(point, nearest)]);
        }
    }

    /// Some rows that follow one another.
    #[inline]
    fn scan_run<B: Backend>(&self, backend: B, run: Range<usize>, (point, nearest): (&Point, &mut Nearest)) {
        let rows = self.words_of(run.start..run.end.next_multiple_of(BIT_LANES));
        self.below(backend, point, rows, (run.start as u32, nearest.below), &mut nearest.found);
        nearest.settle(run.end);
    }

    fn scan_on<B: Backend>(&self, backend: B, part: Range<usize>, queries: &mut [(&Point, &mut Nearest)]) {
        let step = (BLOCK_BYTES / (self.words * size_of::<u64>())).next_multiple_of(BIT_LANES);
        for first in part.clone().step_by(step) {
            let last = part.end.min(first + step);
            for (point, nearest) in &mut *queries {
                // Without a bound it falls fast in the beginning.
                let between = last.min(if first == part.start { first + FIRST } else { last });
                self.scan_run(backend, first..between, (point, nearest));
                self.scan_run(backend, between..last, (point, nearest));
            }
        }
    }
}

/// Rows, a multiple of eight, after which the bound is first set.
const FIRST: usize = 256;

/// Rows whose distances by levels are written down at a time.
const WRITTEN: usize = 64;

/// Rows that follow one another of which a sample is made.
const SAMPLE: usize = 64;

/// So many times as many are left out.
const EVERY: usize = 16;

/// Of the sample as many are taken as, in proportion, make one and a half times those that are looked for, and so many
/// more: then one query in some hundred finds fewer.
const SPARE: usize = 4;
const SPARE_SHARE: f64 = 1.5;

/// A sample must be so many times as many as are taken of it, or it is not worth its time.
const LEAST_SAMPLED: usize = 16;

/// Rows whose neighbours are ranked, how many of each, and the rows, of all, among which. A graph's links lead in all
/// directions, so that only the first few are to the nearest rows.
const RANKED: usize = 128;
const NEAREST: usize = 4;
const OTHERS: usize = 8192;

impl Sketches {
    /// The signs of some rows, or of all, laid side by side.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::TooLarge`] where they would take more bytes than there can be.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn signs(&self, rows: Option<Vec<u32>>, options: Options<'_>) -> Result<Signs, Error> {
        let len = rows.as_ref().map_or(self.len(), Vec::len);
        let words = self.words();
        let all = len.checked_next_multiple_of(BIT_LANES).and_then(|len| len.checked_mul(words));
        let cut = self.levels.as_ref().map(|levels| levels.laid);
        let mut signs = Signs { words_by_eight: Aligned::zeroed(all.ok_or(Error::TooLarge)?), words, len, rows, cut };
        self.lay(&mut signs, options)?;
        Ok(signs)
    }

    /// The signs of vectors that are none of the rows, as `set_signs` has those of a query: as long as rows are, but for L2. Or
    /// their levels, as those of rows.
    ///
    /// # Panics
    /// When a vector has another dimension than the rows.
    #[must_use]
    pub fn signs_of(&self, vectors: impl ExactSizeIterator<Item = Vec<f32>>) -> Signs {
        let (len, words) = (vectors.len(), self.words());
        let mut all = Aligned::zeroed(len.next_multiple_of(BIT_LANES) * words);
        let mut point = Point::new(self.dimension());
        let mut sketch = vec![0; self.stride()];
        on_chosen!(BackEnd::of_this_processor(), backend => {
            let mut maker = Maker::new(backend, self);
            for (place, vector) in vectors.enumerate() {
                assert_eq!(vector.len(), self.dimension(), "a vector of the rows' dimension");
                if self.levels.is_some() {
                    sketch.fill(0);
                    maker.vector(&vector, &mut sketch);
                    point.signs = words_of(&sketch, words).collect();
                } else {
                    self.set_signs(&mut point, &vector);
                }
                for (w, &word) in point.signs.iter().enumerate() {
                    all[(place / BIT_LANES * words + w) * BIT_LANES + place % BIT_LANES] = word;
                }
            }
        });
        let cut = self.levels.as_ref().map(|levels| levels.laid);
        Signs { words_by_eight: all, words, len, rows: None, cut }
    }

    fn lay(&self, signs: &mut Signs, options: Options<'_>) -> Result<(), Error> {
        on_backend!(backend => self.lay_on(backend, signs, options))
    }

    fn lay_on<B: Backend>(&self, backend: B, signs: &mut Signs, options: Options<'_>) -> Result<(), Error> {
        let Signs { words_by_eight, words, len, rows, .. } = signs;
        let (words, len) = (*words, *len);
        let row_of = |place: usize| rows.as_ref().map_or(place as u32, |rows| rows[place]);
        let parts: Vec<Mutex<&mut [u64]>> =
            words_by_eight.chunks_mut(STEP * words * BIT_LANES).map(Mutex::new).collect();
        share_out(
            parts.len(),
            Options { mask: None, ..options },
            |_| 0,
            || (),
            |(), part, _| {
                let mut some = parts[part].lock().unwrap_or_else(PoisonError::into_inner);
                let first = part * STEP * BIT_LANES;
                for (group, to) in some.chunks_mut(words * BIT_LANES).enumerate() {
                    let first = first + group * BIT_LANES;
                    for place in first..len.min(first + BIT_LANES) {
                        if place + AHEAD < len {
                            let coming = self.of(row_of(place + AHEAD));
                            backend.fetch(coming.as_ptr(), words * size_of::<u64>());
                        }
                        for (to, word) in to.chunks_mut(BIT_LANES).zip(self.words_of_row(row_of(place))) {
                            to[place - first] = word;
                        }
                    }
                }
                Ok(())
            },
        )
    }

    /// Of the nearest rows of rows, a sample, the share that is among the `most` that differ from them in the fewest signs:
    /// what a scan finds at most, of queries that are like rows.
    #[must_use]
    pub fn share_within(&self, most: usize) -> f64 {
        let within = self.ranks.partition_point(|&rank| rank < most);
        if self.ranks.is_empty() { 1.0 } else { within as f64 / self.ranks.len() as f64 }
    }

    /// Of neighbours of rows, about how many others differ in fewer signs, ascending.
    pub(super) fn ranks<'n>(
        &self,
        records: Records<'_>,
        neighbours: impl Fn(u32) -> &'n [u32],
        options: Options<'_>,
    ) -> Result<Vec<usize>, Error> {
        let rows = self.len();
        let others: Vec<u32> = (0..rows as u32).step_by(rows.div_ceil(OTHERS)).collect();
        let stands_for = rows as f64 / others.len() as f64;
        let signs = self.signs(Some(others), options)?;
        let space = Space::codes(records, self.metric);
        let (mut point, mut distances) = (Point::new(self.dimension()), Vec::new());
        let (mut found, mut ranks, mut alone) = (Vec::new(), Vec::new(), vec![0; BIT_LANES * signs.words()]);
        for row in (0..rows as u32).step_by(rows.div_ceil(RANKED)) {
            space.set_row(&mut point, row);
            let near: Vec<u32> = neighbours(row).iter().copied().filter(|&to| (to as usize) < rows).collect();
            space.distances(&mut point, &near, &mut distances);
            let mut near: Vec<(f32, u32)> = distances.iter().copied().zip(near).collect();
            near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            near.truncate(NEAREST);
            on_chosen!(BackEnd::of_this_processor(), backend => {
                if self.levels.is_some() {
                    point.sketch(backend, self);
                    self.set_levels(&mut point);
                } else {
                    point.signs = self.words_of_row(row).collect();
                }
                let mut differ = |to: u32| {
                    alone.chunks_mut(BIT_LANES).zip(self.words_of_row(to)).for_each(|(to, word)| to[0] = word);
                    let mut distances = [0; BIT_LANES];
                    signs.distances(backend, &point, &alone, &mut distances);
                    u64::from(distances[0])
                };
                let near: Vec<u64> = near.into_iter().map(|(_, to)| differ(to)).collect();
                let below = near.iter().copied().max().unwrap_or(0);
                found.clear();
                signs.below(backend, &point, &signs.words_by_eight, (0, below + 1), &mut found);
                found.retain(|&entry| (entry as u32 as usize) < signs.len());
                ranks.extend(near.iter().map(|&distance| {
                    let nearer = found.iter().filter(|&&entry| entry >> 32 < distance).count();
                    // Levels may not tell many apart, of which it is any.
                    let as_far = found.iter().filter(|&&entry| entry >> 32 == distance).count();
                    let before = if self.levels.is_some() { as_far.saturating_sub(1) / 2 } else { 0 };
                    ((nearer + before) as f64 * stands_for) as usize
                }));
            });
        }
        ranks.sort_unstable();
        Ok(ranks)
    }

    /// The signs, or levels, of a row.
    fn words_of_row(&self, row: u32) -> impl Iterator<Item = u64> {
        words_of(self.of(row), self.words())
    }

    /// Give a point, which a space with these sketches has set, what is held against levels.
    fn set_levels(&self, point: &mut Point) {
        let Some(levels) = &self.levels else { return };
        assert_eq!(point.sketched.weighed.along.len(), levels.places(), "a point that was set with these sketches");
        let Point { sketched, signs, from_centre, scaled, .. } = point;
        if self.metric == Metric::L2 {
            levels.about_centre(&sketched.weighed.along, sketched.along, &mut from_centre.along);
            levels.weigh(from_centre, levels.weight_of_other(sketched.along, self.metric));
            *scaled = levels.by_word(from_centre, signs);
        } else {
            *scaled = levels.by_word(&sketched.weighed, signs);
        }
    }

    /// Give a point, which a space with these sketches has set to this vector, what is held against signs, or levels, of rows.
    ///
    /// # Panics
    /// When the vector has another dimension than the rows; where there are levels, when no such space has set the point.
    pub fn set_signs(&self, point: &mut Point, vector: &[f32]) {
        assert_eq!(vector.len(), self.dimension(), "a vector of the rows' dimension");
        if self.levels.is_some() {
            return self.set_levels(point);
        }
        let mut scaled = std::mem::take(&mut point.decoded);
        scaled.clear();
        scaled.resize(vector.len().next_multiple_of(FEW_STEP), 0.0);
        point.signs.clear();
        on_chosen!(BackEnd::of_this_processor(), backend => {
            // A query of inner products, or of cosines, is a direction; as long as rows are, it lies where they lie.
            let factor = match self.metric {
                Metric::L2 => 1.0,
                Metric::InnerProduct | Metric::Cosine => match backend.exact_squares(vector).sqrt() {
                    0.0 => 0.0,
                    norm => f64::from(self.norm) / norm,
                },
            };
            scaled.iter_mut().zip(vector).for_each(|(to, &x)| *to = (factor * f64::from(x)) as f32);
            let centre = self.filled_centre.chunks(FEW_STEP);
            point.signs.extend(scaled.chunks(FEW_STEP).zip(centre).map(|(x, c)| backend.at_least(x, c)));
        });
        point.decoded = scaled;
    }
}

/// The first words of a sketch.
fn words_of(sketch: &[u8], count: usize) -> impl Iterator<Item = u64> {
    let (words, _) = sketch.as_chunks::<{ size_of::<u64>() }>();
    words[..count].iter().map(|&word| u64::from_le_bytes(word))
}
