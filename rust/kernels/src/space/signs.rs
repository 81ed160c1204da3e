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

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::nearest::Nearest;
use super::point::Point;
use super::sketches::Sketches;
use super::{BackEnd, on_chosen};
use crate::aligned::Aligned;
use crate::backend::{BIT_LANES, Backend, FEW_STEP, SignRows};
use crate::share_out::share_out;
use crate::{Error, Metric, Options, exact, on_backend};

/// Signs of some rows; by default, of none.
#[derive(Default)]
pub struct Signs {
    words_by_eight: Aligned<u64>,
    /// Words of a row.
    words: usize,
    len: usize,
    /// The rows; none where they are all, from 0 on.
    rows: Option<Vec<u32>>,
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

    /// Where `parts` like parts of the places begin and end; fewer where there are not so many.
    #[must_use]
    pub fn parts(&self, parts: usize) -> Vec<Range<usize>> {
        let step = self.len.div_ceil(parts.max(1)).next_multiple_of(BIT_LANES).max(BIT_LANES);
        (0..self.len).step_by(step).map(|from| from..self.len.min(from + step)).collect()
    }

    /// Of the places of a part, find the `most` that differ from each point in the fewest signs; those that differ as
    /// much, by their number.
    ///
    /// # Panics
    /// When the part is none of `parts`, or a point's signs were not set by the sketches that these were made of.
    pub fn scan(&self, part: Range<usize>, most: usize, queries: &mut [(&Point, &mut Nearest)]) {
        assert!(part.start.is_multiple_of(BIT_LANES) && part.end <= self.len, "a part of these rows");
        for (point, nearest) in &mut *queries {
            assert_eq!(point.signs.len(), self.words, "signs of a point of these rows");
            nearest.reset(self.words * FEW_STEP, most);
        }
        on_chosen!(BackEnd::of_this_processor(), backend => self.scan_on(backend, part, queries));
    }

    fn scan_on<B: Backend>(&self, backend: B, part: Range<usize>, queries: &mut [(&Point, &mut Nearest)]) {
        let step = (BLOCK_BYTES / (self.words * size_of::<u64>())).next_multiple_of(BIT_LANES);
        for first in part.clone().step_by(step) {
            let last = part.end.min(first + step);
            let rows = &self.words_by_eight[first * self.words..last.next_multiple_of(BIT_LANES) * self.words];
            for (point, nearest) in &mut *queries {
                // The bound falls fast in the beginning.
                let mut from = first;
                let mut some = if first == part.start { FIRST } else { step };
                while from < last {
                    let to = last.min(from + some);
                    let rows = &rows[(from - first) * self.words..];
                    let rows = &rows[..(to.next_multiple_of(BIT_LANES) - from) * self.words];
                    let of = SignRows { query: &point.signs, rows, first: from as u32, below: nearest.below };
                    backend.signs_below(of, &mut nearest.found);
                    nearest.settle(part.end);
                    (from, some) = (to, step);
                }
            }
        }
    }
}

/// Rows, a multiple of eight, after which the bound is first set.
const FIRST: usize = 256;

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
        let words = self.dimension().div_ceil(FEW_STEP);
        let all = len.checked_next_multiple_of(BIT_LANES).and_then(|len| len.checked_mul(words));
        let mut signs = Signs { words_by_eight: Aligned::zeroed(all.ok_or(Error::TooLarge)?), words, len, rows };
        self.lay(&mut signs, options)?;
        Ok(signs)
    }

    fn lay(&self, signs: &mut Signs, options: Options<'_>) -> Result<(), Error> {
        on_backend!(backend => self.lay_on(backend, signs, options))
    }

    fn lay_on<B: Backend>(&self, backend: B, signs: &mut Signs, options: Options<'_>) -> Result<(), Error> {
        let Signs { words_by_eight, words, len, rows } = signs;
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
                        let (bits, _) = self.of(row_of(place)).as_chunks::<{ size_of::<u64>() }>();
                        for (to, &bits) in to.chunks_mut(BIT_LANES).zip(bits) {
                            to[place - first] = u64::from_le_bytes(bits);
                        }
                    }
                }
                Ok(())
            },
        )
    }

    /// Give a point the signs of a vector, to be held against those of rows.
    ///
    /// # Panics
    /// When the vector has another dimension than the rows.
    pub fn set_signs(&self, point: &mut Point, vector: &[f32], metric: Metric) {
        assert_eq!(vector.len(), self.dimension(), "a vector of the rows' dimension");
        let norm = || exact::squares(vector, exact::plain).sqrt();
        // A query of inner products, or of cosines, is a direction; as long as rows are, it lies where they lie.
        let factor = match metric {
            Metric::L2 => 1.0,
            Metric::InnerProduct | Metric::Cosine => match norm() {
                0.0 => 0.0,
                norm => f64::from(self.norm) / norm,
            },
        };
        let mut scaled = std::mem::take(&mut point.decoded);
        scaled.clear();
        scaled.extend(vector.iter().map(|&x| (factor * f64::from(x)) as f32));
        scaled.resize(vector.len().next_multiple_of(FEW_STEP), 0.0);
        point.signs.clear();
        on_chosen!(BackEnd::of_this_processor(), backend => {
            let centre = self.filled_centre.chunks(FEW_STEP);
            point.signs.extend(scaled.chunks(FEW_STEP).zip(centre).map(|(x, c)| backend.at_least(x, c)));
        });
        point.decoded = scaled;
    }
}
