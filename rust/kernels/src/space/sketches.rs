//! A bit an element: what tells that a row is farther than another without reading its codes.
//!
//! A walk compares most rows in vain: they are farther than what it has. Of six lines of codes, for 384 elements, one
//! of bits is enough to see that for most of them, and memory brings lines. (`RaBitQ`; Gao and Long 2024. Without its
//! rotation, which makes the errors provably small whatever the rows are: here they are measured on the rows themselves.)
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

use super::point::Point;
use super::records::{Records, TAME, record_bytes};
use crate::aligned::Aligned;
use crate::backend::{Backend, FEW_STEP, LINE_BYTES, generic};
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
    /// What of f |P'| a row is given.
    pub(super) margin: f32,
    /// See [`Sketches::share_within`].
    pub(super) ranks: Vec<usize>,
}

/// Errors of sketches, each as large as is usual, that a row is given. Measured on 100,000 rows of topics: 37 % of what a
/// walk reaches is compared after all, and 0.5 % of what it needed is lost. With 1, 31 % and 1.5 %; with 2, 42 % and 0.1 %,
/// which takes longer for the same recall.
const MARGIN: f64 = 1.5;

/// Bytes of f, of c y, of what is added to a record's distances, and of its scale.
const FACTORS: usize = 16;

/// Records of so many times the bytes are worth a look at their sketches first.
const SMALLER: usize = 4;

/// Rows whose mean is the centre.
const CENTRED: usize = 4096;

/// Rows that are held against their neighbours.
const SAMPLED: usize = 128;

/// Rows that a thread takes at a time.
const STEP: usize = 512;

/// Sums that are added up side by side.
const LANES: usize = 16;

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
        let norm = norm(records);
        let (bytes, margin) = (Aligned::zeroed(length), f32::INFINITY);
        let mut sketches =
            Self { bytes, dimension, stride, centre, centre_square, filled_centre, norm, margin, ranks: Vec::new() };
        sketches.fill(records, options)?;
        sketches.margin = (MARGIN * sketches.error(records, metric, &neighbours)) as f32;
        sketches.ranks = sketches.ranks(records, metric, neighbours, options)?;
        Ok(Some(sketches).filter(|sketches| sketches.margin.is_finite()))
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

    /// f, c y, and what is added.
    #[inline]
    pub(super) fn factors(&self, sketch: &[u8]) -> [f32; 3] {
        match sketch[bits_of(self.dimension)..].first_chunk::<FACTORS>() {
            Some(&[a, b, c, d, e, f, g, h, i, j, k, l, ..]) => {
                [f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h]), f32::from_le_bytes([i, j, k, l])]
            }
            None => [0.0; 3],
        }
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
        let centre = self.filled_centre.clone();
        let filled = centre.len();
        let parts: Vec<Mutex<&mut [u8]>> = self.bytes.chunks_mut(STEP * stride).map(Mutex::new).collect();
        share_out(
            parts.len(),
            Options { mask: None, ..options },
            |part| part * STEP,
            || vec![0.0; filled],
            |vector, part, _| {
                let mut some = parts[part].lock().unwrap_or_else(PoisonError::into_inner);
                for (row, sketch) in (part * STEP..).zip(some.chunks_mut(stride)) {
                    make(backend, records, row, (&centre, vector), sketch);
                }
                Ok(())
            },
        )
    }

    /// The square root of the mean square of what sketches are off, as a part of f |P'|. Not finite where nothing could
    /// be compared.
    fn error<'n>(&self, records: Records<'_>, metric: Metric, neighbours: impl Fn(u32) -> &'n [u32]) -> f64 {
        let mut point = Point::new(self.dimension);
        let (mut squares, mut count) = (0.0, 0_usize);
        for row in (0..records.len()).step_by(records.len().div_ceil(SAMPLED)) {
            super::copy_and_sketch(&mut point, records, row, metric, self);
            for &to in neighbours(row as u32).iter().filter(|&&to| (to as usize) < records.len()) {
                let record = records.record(to as usize);
                let (scale, _) = records.factors(record);
                let products = point.codes.iter().zip(&record[..self.dimension]);
                let dot: i32 = products.map(|(&a, &b)| i32::from(a) * i32::from(b.cast_signed())).sum();
                let exact = f64::from(point.scale * scale) * f64::from(dot);
                let sketch = self.of(to);
                let bits = generic::bit_sum(&point.sketched.codes, sketch);
                let [f, along, _] = self.factors(sketch);
                let off = exact - f64::from(point.sketched.product(bits, f, along));
                let unit = f64::from(f * point.sketched.norm);
                if unit > 0.0 && off.is_finite() {
                    squares += (off / unit).powi(2);
                    count += 1;
                }
            }
        }
        (squares / count as f64).sqrt()
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

/// Fill the sketch of one row. `centre` and `vector`: filled up to a multiple of [`FEW_STEP`].
fn make<B: Backend>(
    backend: B,
    records: Records<'_>,
    row: usize,
    (centre, vector): (&[f32], &mut [f32]),
    sketch: &mut [u8],
) {
    let record = records.record(row);
    let (scale, add) = records.factors(record);
    let dimension = records.dimension();
    for (to, &code) in vector.iter_mut().zip(&record[..dimension]) {
        *to = scale * f32::from(code.cast_signed());
    }
    for ((bits, x), c) in
        sketch.chunks_exact_mut(FEW_STEP / 8).zip(vector.chunks(FEW_STEP)).zip(centre.chunks(FEW_STEP))
    {
        bits.copy_from_slice(&backend.at_least(x, c).to_le_bytes());
    }
    // Lanes side by side, so that they are added up many at a time; behind the elements there are zeros.
    let (mut sizes, mut squares, mut along) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
    for (x, c) in vector.as_chunks::<LANES>().0.iter().zip(centre.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let y = x[lane] - c[lane];
            sizes[lane] += y.abs();
            squares[lane] += y * y;
            along[lane] += c[lane] * y;
        }
    }
    let [size, square, along] = [sizes, squares, along].map(|lanes| lanes.iter().sum::<f32>());
    let f = match square {
        0.0 => 0.0,
        // What f32 may not hold, or lose, says nothing about where the row is: no comparison with it holds.
        _ if !TAME.contains(&square) => f32::NAN,
        _ => square / size,
    };
    let at = bits_of(dimension);
    for (to, factor) in sketch[at..].chunks_exact_mut(4).zip([f, along, add, scale]) {
        to.copy_from_slice(&factor.to_le_bytes());
    }
}
