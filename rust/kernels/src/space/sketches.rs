//! A bit an element: what tells that a row is farther than another without reading its codes.
//!
//! A walk compares most rows in vain: they are farther than what it has. Of six lines of codes, for 384 elements, one
//! of bits is enough to see that for most of them, and memory brings lines. (`RaBitQ`; Gao and Long 2024. Without its
//! rotation, which makes the errors provably small whatever the rows are: here they are measured on the rows themselves.)
//!
//! That is one kind. The other holds levels along a few directions in the same bytes (see `levels`). Which of them is made
//! is chosen when they are: see `chosen`.
//!
//! A row x, as its codes have it, is the centre c of all rows and what it differs by, y. Its sketch holds the signs of y,
//! three numbers, and the scale of its codes, so that whoever reads those after it needs nothing else of the record. A
//! query P, whatever multiplies x in a distance, is k c + P', with the k that makes P' least:
//!
//! P x = P c + k (c y) + P' y, and P' y is about f sgn(y) P', where f is |y|² over the sum of y's absolute elements: just
//! right for P' = y.
//!
//! The error of that is in proportion to f |P'|. How much it is, the square root of its mean square, is measured on rows
//! and their neighbours (in `chosen`); `MARGIN` times that is what a row is given before it counts as farther (in scans, a part of it;
//! see `least_distances`). So sketches that tell little rule little out.

use std::sync::{Mutex, PoisonError};

use super::chosen::Which;
use super::levels::Levels;
use super::making::{Maker, apart};
use super::point::Point;
use super::records::{Records, TAME, record_bytes};
use crate::aligned::Aligned;
use crate::backend::{Backend, BitSums, DOTS, FEW_STEP, LINE_BYTES, LevelSums};
use crate::metric::Metric;
use crate::share_out::share_out;
use crate::{Error, Options, on_backend};

/// Sketches of rows, made of their records.
pub struct Sketches {
    bytes: Aligned<u8>,
    pub(super) dimension: usize,
    pub(super) stride: usize,
    pub(crate) centre: Vec<f32>,
    pub(super) centre_square: f32,
    /// The centre, filled up with zeros to a multiple of [`FEW_STEP`].
    pub(super) filled_centre: Vec<f32>,
    /// The mean of the rows' lengths, and where that is no number, 1.
    pub(crate) norm: f32,
    /// What a row is given of |P'| and of f, or of what its levels leave.
    pub(super) margin: f32,
    /// See [`Sketches::share_within`].
    pub(super) ranks: Vec<usize>,
    pub(super) metric: Metric,
    /// None where sketches have signs.
    pub(super) levels: Option<Levels>,
}

/// Bytes of f (of levels, and of what they leave), of c y, of what is added to a record's distances, and of its scale.
const FACTORS: usize = 16;

/// Records of so many times the bytes are worth a look at their sketches first.
const SMALLER: usize = 4;

/// Rows whose mean is the centre.
pub(super) const CENTRED: usize = 4096;

/// The share of the nearest rows that must be among so many by the levels of eight and four bits alone, so that a scan reads no
/// others.
const LAID_WITHIN: usize = 256;
const LAID_SHARE: f64 = 0.97;

/// Rows that a thread takes at a time.
const STEP: usize = 512;

/// Where the factors lie in a sketch: behind a bit for every element, and for those that a point is filled up with.
#[inline]
fn bits_of(dimension: usize) -> usize {
    dimension.next_multiple_of(FEW_STEP) / 8
}

/// Whole lines.
fn stride_of(dimension: usize) -> usize {
    (bits_of(dimension) + FACTORS).next_multiple_of(LINE_BYTES)
}

impl Sketches {
    /// The sketches of all rows; None where records are too short for that to save anything, or no row differs from
    /// others. `neighbours`: rows that a walk for this one would compare.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::TooLarge`] where they would take more bytes than there can be.
    pub fn new<'n>(
        records: Records<'_>,
        metric: Metric,
        neighbours: impl Fn(u32) -> &'n [u32],
        options: Options<'_>,
    ) -> Result<Option<Self>, Error> {
        Self::of_which(records, metric, neighbours, Which::Better, options)
    }

    /// The same, of one kind where both could be.
    pub(crate) fn of_which<'n>(
        records: Records<'_>,
        metric: Metric,
        neighbours: impl Fn(u32) -> &'n [u32],
        which: Which,
        options: Options<'_>,
    ) -> Result<Option<Self>, Error> {
        let (dimension, rows) = (records.dimension(), records.len());
        let stride = stride_of(dimension);
        if rows == 0 || !Self::pay(dimension) {
            return Ok(None);
        }
        let length = rows.checked_mul(stride).ok_or(Error::TooLarge)?;
        let centre = centre(records);
        let centre_square = square(&centre);
        let mut filled_centre = centre.clone();
        filled_centre.resize(dimension.next_multiple_of(FEW_STEP), 0.0);
        let mut sketches = Self {
            bytes: Aligned::zeroed(0),
            dimension,
            stride,
            centre,
            centre_square,
            filled_centre,
            norm: norm(records),
            margin: f32::INFINITY,
            ranks: Vec::new(),
            metric,
            levels: None,
        };
        sketches.choose(records, which, &neighbours);
        if !sketches.margin.is_finite() {
            return Ok(None);
        }
        sketches.bytes = Aligned::zeroed(length);
        sketches.fill(records, options)?;
        sketches.ranks = sketches.ranks(records, &neighbours, options)?;
        if sketches.share_within(LAID_WITHIN) < LAID_SHARE
            && let Some(levels) = &mut sketches.levels
        {
            levels.laid = levels.cut;
            sketches.ranks = sketches.ranks(records, neighbours, options)?;
        }
        Ok(Some(sketches))
    }

    /// Whether records of vectors of this dimension are long enough for a look at their sketches first.
    #[must_use]
    pub fn pay(dimension: usize) -> bool {
        record_bytes(dimension) >= SMALLER * stride_of(dimension)
    }

    /// Bytes that they take.
    #[must_use]
    pub fn nbytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.stride
    }

    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    #[inline]
    pub(super) fn of(&self, row: u32) -> &[u8] {
        &self.bytes[row as usize * self.stride..][..self.stride]
    }

    /// f, what P' is off by of its length, but for a factor, c y, and what is added.
    #[inline]
    pub(super) fn factors<const LEVELS: bool>(&self, sketch: &[u8]) -> [f32; 4] {
        let Some(&[a, b, c, d, e, g, h, i, j, k, l, m, ..]) =
            sketch[bits_of(self.dimension)..].first_chunk::<FACTORS>()
        else {
            return [0.0; 4];
        };
        let first = u32::from_le_bytes([a, b, c, d]);
        let (f, off) = if LEVELS { apart(first) } else { (f32::from_bits(first), f32::from_bits(first)) };
        [f, off, f32::from_le_bytes([e, g, h, i]), f32::from_le_bytes([j, k, l, m])]
    }

    /// Whether they have levels, which tell more than signs.
    #[must_use]
    pub fn have_levels(&self) -> bool {
        self.levels.is_some()
    }

    /// Words of a row that a scan reads.
    #[must_use]
    pub fn words(&self) -> usize {
        self.levels.as_ref().map_or(self.dimension.div_ceil(FEW_STEP), |levels| levels.laid.words())
    }

    /// Where the factors of a sketch begin.
    pub(super) fn factors_at(&self) -> usize {
        bits_of(self.dimension)
    }

    /// Bytes of a sketch.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Where a sketch's factors lie, from the beginning of a line on.
    #[inline]
    pub(super) fn line_of_factors(&self, row: u32) -> &[u8] {
        let at = bits_of(self.dimension);
        &self.of(row)[at / LINE_BYTES * LINE_BYTES..at + FACTORS]
    }

    /// The scale of a row's record, and what is added to its distances, as the record has them: of a row whose sketch was looked
    /// at, another line of memory need not come for them.
    #[inline]
    pub(super) fn of_record(&self, row: u32) -> (f32, f32) {
        match self.of(row)[bits_of(self.dimension)..].first_chunk::<FACTORS>() {
            Some(&[.., i, j, k, l, m, n, o, p]) => (f32::from_le_bytes([m, n, o, p]), f32::from_le_bytes([i, j, k, l])),
            None => (0.0, 0.0),
        }
    }

    pub(super) fn fits(&self, records: &Records<'_>) -> bool {
        self.dimension == records.dimension() && self.bytes.len() == records.len() * self.stride
    }

    fn fill(&mut self, records: Records<'_>, options: Options<'_>) -> Result<(), Error> {
        on_backend!(backend => self.fill_on(backend, records, options))
    }

    fn fill_on<B: Backend>(&mut self, backend: B, records: Records<'_>, options: Options<'_>) -> Result<(), Error> {
        let stride = self.stride;
        let mut bytes = std::mem::take(&mut self.bytes);
        let parts: Vec<Mutex<&mut [u8]>> = bytes.chunks_mut(STEP * stride).map(Mutex::new).collect();
        let filled = share_out(
            parts.len(),
            Options { mask: None, ..options },
            |part| part * STEP,
            || Maker::new(backend, self),
            |maker, part, _| {
                let mut some = parts[part].lock().unwrap_or_else(PoisonError::into_inner);
                for (row, sketch) in (part * STEP..).zip(some.chunks_mut(stride)) {
                    maker.row(records, row, sketch);
                }
                Ok(())
            },
        );
        drop(parts);
        self.bytes = bytes;
        filled
    }

    /// What sketches have in common with a point: the sums of its codes whose bits are set, or of levels times its weights.
    #[inline]
    pub(super) fn sums<B: Backend, const LEVELS: bool>(
        &self,
        backend: B,
        point: &Point,
        rows: [&[u8]; DOTS],
    ) -> [i32; DOTS] {
        if LEVELS && let Some(levels) = &self.levels {
            let all = &point.sketched.weights;
            let weights = std::array::from_fn(|level| &all[level * self.stride..][..self.stride]);
            backend.level_sums(LevelSums { cut: levels.cut, weights, rows })
        } else {
            backend.bit_sums(BitSums { point: &point.sketched.codes, rows })
        }
    }
}

/// The mean of rows, as their codes have them; zeros where that is too large.
fn centre(records: Records<'_>) -> Vec<f32> {
    let dimension = records.dimension();
    let step = records.len().div_ceil(CENTRED);
    let mut sums = vec![0.0_f64; dimension];
    for row in (0..records.len()).step_by(step) {
        let record = records.record(row);
        let scale = f64::from(records.factors(record).0);
        for (sum, &code) in sums.iter_mut().zip(record) {
            *sum += scale * f64::from(code.cast_signed());
        }
    }
    let count = records.len().div_ceil(step) as f64;
    let centre: Vec<f32> = sums.into_iter().map(|sum| (sum / count) as f32).collect();
    if TAME.contains(&square(&centre)) { centre } else { vec![0.0; dimension] }
}

/// The mean of the lengths of rows, as their codes have them.
fn norm(records: Records<'_>) -> f32 {
    let rows = (0..records.len()).step_by(records.len().div_ceil(CENTRED));
    let count = rows.len() as f64;
    let sum: f64 = rows.map(|row| records.square(row).sqrt()).sum();
    let mean = (sum / count) as f32;
    if mean.is_finite() { mean } else { 1.0 }
}

/// The sum of squares.
fn square(x: &[f32]) -> f32 {
    x.iter().map(|x| x * x).sum()
}
