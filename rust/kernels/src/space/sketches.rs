//! A bit an element: what tells that a row is farther than another without reading its codes.
//!
//! A walk compares most rows in vain: they are farther than what it has. Of six lines of codes, for 384 elements, one
//! of bits is enough to see that for most of them, and memory brings lines. (`RaBitQ`; Gao and Long 2024. Without its
//! rotation, which makes the errors provably small whatever the rows are: here they are measured on the rows themselves.)
//!
//! That is one kind. The other holds levels along a few directions in the same bytes (see `levels`); which of them tells more is
//! measured on rows and their neighbours, when sketches are made.
//!
//! A row x, as its codes have it, is the centre c of all rows and what it differs by, y. Its sketch holds the signs of y,
//! three numbers, and the scale of its codes, so that whoever reads those after it needs nothing else of the record. A
//! query P, whatever multiplies x in a distance, is k c + P', with the k that makes P' least:
//!
//! P x = P c + k (c y) + P' y, and P' y is about f sgn(y) P', where f is |y|² over the sum of y's absolute elements: just
//! right for P' = y.
//!
//! The error of that is in proportion to f |P'|. How much it is, the square root of its mean square, is measured on rows
//! and their neighbours; `MARGIN` times that is what a row is given before it counts as farther (in scans, a part of it;
//! see `least_distances`). So sketches that tell little rule little out.

use std::sync::{Mutex, PoisonError};

use super::levels::Levels;
use super::making::{Maker, apart, decode};
use super::point::Point;
use super::records::{Records, TAME, record_bytes};
use super::{BackEnd, on_chosen};
use crate::aligned::Aligned;
use crate::backend::{Backend, BitSums, DOTS, FEW_STEP, LINE_BYTES, LevelSums};
use crate::metric::Metric;
use crate::share_out::share_out;
use crate::{Error, Options, on_backend};

/// Sketches of rows, made of their records.
pub struct Sketches {
    bytes: Aligned<u8>,
    dimension: usize,
    stride: usize,
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

/// Errors of sketches, each as large as is usual, that a row is given. Measured on 100,000 rows of topics: 37 % of what a
/// walk reaches is compared after all, and 0.5 % of what it needed is lost. With 1, 31 % and 1.5 %; with 2, 42 % and 0.1 %,
/// which takes longer for the same recall.
const MARGIN: f64 = 1.5;

/// Bytes of f (of levels, and of what they leave), of c y, of what is added to a record's distances, and of its scale.
const FACTORS: usize = 16;

/// Records of so many times the bytes are worth a look at their sketches first.
const SMALLER: usize = 4;

/// Rows whose mean is the centre.
const CENTRED: usize = 4096;

/// The share of the nearest rows that must be among so many by the levels of eight and four bits alone, so that a scan reads no
/// others.
const LAID_WITHIN: usize = 256;
const LAID_SHARE: f64 = 0.97;

/// Elements up to which axes are looked for, since that takes their third power, and a query the second; and rows for each element,
/// of which axes tell what others will be.
const MOST_ELEMENTS: usize = 1024;
const ROWS_FOR_EACH: usize = 2;

/// What levels must be off by at most of what signs are, as a square, for the nearest and for others, or signs are taken: to
/// weigh levels takes longer. (Of rows of topics 0.1 and 0.1; of sentences by `MiniLM` 6.5 and 0.3: walks took a sixth longer
/// with levels, scans a fifth, and those found a hundredth more.)
const CLEARLY: f64 = 0.5;

/// And at most of the variance of the distances of the nearest. Where rows lie in clusters that are far from one another, a level
/// is wider than a cluster, all of whose rows are off by as much, and none would be compared. (Of rows of topics 0.13 of
/// 100,000 and 0.21 of a million, of sentences 2.)
const APART: f64 = 0.5;

/// Rows that are held against their neighbours.
const SAMPLED: usize = 128;

/// The nearest of them.
const NEAREST: usize = 4;

/// Other rows that each of them is held against.
const OTHERS: usize = 32;

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

    /// Choose between signs and levels: what is off by less for rows and their neighbours.
    fn choose<'n>(&mut self, records: Records<'_>, which: Which, neighbours: impl Fn(u32) -> &'n [u32]) {
        let signs = self.error(records, &neighbours);
        let mut chosen = signs;
        let worth = self.dimension <= MOST_ELEMENTS && records.len() >= ROWS_FOR_EACH * self.dimension;
        if which.may_be_levels()
            && (worth || which.must_be_levels())
            && on_chosen!(BackEnd::of_this_processor(), backend => backend.has_bit_sums())
        {
            self.levels = on_chosen!(BackEnd::of_this_processor(), backend => self.levels_of(backend, records));
        }
        if self.levels.is_some() {
            let levels = self.error(records, neighbours);
            // What is no number is not less.
            let less = |of: fn(&Off) -> f64| of(&levels) < CLEARLY * of(&signs);
            if which.must_be_levels() || levels.apart < APART && less(|off| off.near) && less(|off| off.far) {
                chosen = levels;
            } else {
                self.levels = None;
            }
        }
        self.margin = (MARGIN * chosen.usual) as f32;
    }

    /// The levels of rows like a sample of them.
    fn levels_of<B: Backend>(&self, backend: B, records: Records<'_>) -> Option<Levels> {
        let filled = self.filled_centre.len();
        let rows = (0..records.len()).step_by(records.len().div_ceil(CENTRED));
        let mut sample = vec![0.0; rows.len() * filled];
        for (row, y) in rows.zip(sample.chunks_mut(filled)) {
            decode(records, row, y);
            y.iter_mut().zip(&self.filled_centre).for_each(|(y, c)| *y -= c);
        }
        Levels::of(backend, (&sample, &self.filled_centre), (filled, filled / FEW_STEP), self.metric)
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

    /// What sketches are off by, for rows and their neighbours.
    fn error<'n>(&self, records: Records<'_>, neighbours: impl Fn(u32) -> &'n [u32]) -> Off {
        on_chosen!(BackEnd::of_this_processor(), backend => self.error_on(backend, records, neighbours))
    }

    fn error_on<'n, B: Backend>(&self, backend: B, records: Records<'_>, neighbours: impl Fn(u32) -> &'n [u32]) -> Off {
        let (mut point, mut maker) = (Point::new(self.dimension), Maker::new(backend, self));
        let mut sketch = vec![0; self.stride];
        let [mut usual, mut near, mut far, mut apart] = [const { Vec::new() }; 4];
        for (number, row) in (0..records.len()).step_by(records.len().div_ceil(SAMPLED)).enumerate() {
            point.copy(backend, records, row, self.metric);
            point.sketch(backend, self);
            let mut off = |to: u32| {
                let record = records.record(to as usize);
                let (scale, add) = records.factors(record);
                let products = point.codes.iter().zip(&record[..self.dimension]);
                let dot: i32 = products.map(|(&a, &b)| i32::from(a) * i32::from(b.cast_signed())).sum();
                let exact = f64::from(point.scale * scale) * f64::from(dot);
                sketch.fill(0);
                maker.row(records, to as usize, &mut sketch);
                let rows = [&*sketch; DOTS];
                let ([f, off_by, along, _], [sum, ..]) = if self.have_levels() {
                    (self.factors::<true>(&sketch), self.sums::<_, true>(backend, &point, rows))
                } else {
                    (self.factors::<false>(&sketch), self.sums::<_, false>(backend, &point, rows))
                };
                let off = exact - f64::from(point.sketched.product(sum, f, along));
                let unit = f64::from(off_by * point.sketched.norm);
                Some((off, unit, f64::from(add) - exact)).filter(|_| unit > 0.0 && off.is_finite())
            };
            let links = neighbours(row as u32).iter().filter(|&&to| (to as usize) < records.len());
            let mut some: Vec<(f64, f64, f64)> = links.filter_map(|&to| off(to)).collect();
            usual.extend(some.iter().map(|(off, unit, _)| (off / unit).powi(2)));
            // Links lead to other places too.
            some.sort_by(|a, b| a.2.total_cmp(&b.2));
            some.truncate(NEAREST);
            near.extend(some.iter().map(|(off, ..)| off.powi(2)));
            // Of equal rows, all but the first have no neighbours.
            if some.is_empty() {
                continue;
            }
            let middle = mean(some.iter().map(|(.., distance)| *distance));
            let spread = mean(some.iter().map(|(.., distance)| (distance - middle).powi(2)));
            let part = mean(some.iter().map(|(off, ..)| off.powi(2))) / spread;
            apart.push(if part.is_nan() { f64::INFINITY } else { part });
            // Every so many, from elsewhere for each row.
            let others = (number..records.len()).step_by(records.len().div_ceil(OTHERS));
            far.extend(others.filter_map(|to| off(to as u32)).map(|(off, ..)| off.powi(2)));
        }
        apart.sort_unstable_by(f64::total_cmp);
        let [usual, near, far] = [usual, near, far].map(|of| mean(of.into_iter()));
        Off { usual: usual.sqrt(), near, far, apart: apart.get(apart.len() / 2).copied().unwrap_or(f64::NAN) }
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

/// What sketches are off by.
#[derive(Clone, Copy)]
struct Off {
    /// For neighbours, the square root of the mean square of it as a part of |P'| and of f, or of what levels leave. Not finite
    /// where nothing could be compared.
    usual: f64,
    /// The mean square of it, for the nearest of those.
    near: f64,
    /// And for other rows: the less it is, the fewer are taken for near.
    far: f64,
    /// The mean square of it as a part of the variance of distances, of the nearest of a row; for half of all rows it is less.
    apart: f64,
}

/// No number for none.
fn mean(of: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = of.len() as f64;
    of.sum::<f64>() / count
}

/// Which sketches are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that are off by less.
    Better,
    /// Of signs.
    #[cfg(test)]
    Signs,
    /// Of levels, where this processor is fast with them.
    #[cfg(test)]
    Levels,
}

impl Which {
    fn may_be_levels(self) -> bool {
        match self {
            Self::Better => true,
            #[cfg(test)]
            Self::Signs => false,
            #[cfg(test)]
            Self::Levels => true,
        }
    }

    fn must_be_levels(self) -> bool {
        self.may_be_levels() && self != Self::Better
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
