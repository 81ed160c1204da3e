//! Rows in codes of eight bits, each with what turns products of codes into distances.

use std::sync::{Mutex, PoisonError};

use crate::backend::{Backend, FEW_STEP};
use crate::element::{Corpus, Element, Table, on_table};
use crate::metric::Metric;
use crate::share_out::share_out;
use crate::{Error, Options, exact, on_backend};

/// Bytes of a record: the codes, one a byte; at the end the scale and what is added, f32 in little-endian order; filled
/// up with zeros to whole cache lines, so that a row is no more of them than it must be.
#[must_use]
pub fn record_bytes(dimension: usize) -> usize {
    (dimension + FACTORS).next_multiple_of(FEW_STEP)
}

/// Bytes of a scale and of what is added.
const FACTORS: usize = 8;

/// Records of rows.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    bytes: &'a [u8],
    dimension: usize,
    stride: usize,
    len: usize,
}

impl<'a> Records<'a> {
    /// View `bytes` as the records of `len` rows of `dimension` elements.
    ///
    /// # Errors
    /// [`Error::Length`] when they are not just as many bytes as that takes, [`Error::TooLarge`] for more than 2^16
    /// elements, for which products would not fit 32 bits.
    pub fn new(bytes: &'a [u8], dimension: usize, len: usize) -> Result<Self, Error> {
        let stride = record_bytes(dimension);
        if dimension > MOST_CODED {
            return Err(Error::TooLarge);
        }
        let expected = len.checked_mul(stride).ok_or(Error::TooLarge)?;
        if bytes.len() != expected {
            return Err(Error::Length { what: "bytes of records", length: bytes.len(), expected });
        }
        Ok(Self { bytes, dimension, stride, len })
    }

    /// Fill `bytes` with the records of `corpus` for `metric`. Each row gets a scale of its own, and codes from -127 to
    /// 127, but for rows of codes, which keep what they have.
    ///
    /// # Errors
    /// As [`Records::new`]; [`Error::Row`] for the first row that is not finite; [`Error::Interrupted`].
    pub fn encode(corpus: Corpus<'_>, metric: Metric, bytes: &mut [u8], options: Options<'_>) -> Result<(), Error> {
        Records::new(bytes, corpus.dimension(), corpus.len())?;
        on_backend!(backend => on_table!(corpus, table => encode(backend, table, metric, bytes, options)))
    }

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

    /// Elements of a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The record of a row.
    #[inline]
    pub(super) fn record(&self, row: usize) -> &'a [u8] {
        &self.bytes[row * self.stride..][..self.stride]
    }

    /// The codes of a row, filled up to a multiple of [`FEW_STEP`].
    #[inline]
    pub(super) fn codes(&self, row: usize) -> &'a [u8] {
        &self.record(row)[..self.dimension.next_multiple_of(FEW_STEP).min(self.stride)]
    }

    /// A record's scale, and what is added to its distances.
    #[inline]
    #[allow(clippy::unused_self, reason = "a record is one of these")]
    pub(super) fn factors(&self, record: &[u8]) -> (f32, f32) {
        match record.last_chunk::<FACTORS>() {
            Some(&[a, b, c, d, e, f, g, h]) => (f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h])),
            None => (0.0, 0.0),
        }
    }

    /// What a row's codes stand for.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn vector(&self, row: usize) -> Vec<f32> {
        let record = self.record(row);
        let scale = self.factors(record).0;
        record[..self.dimension].iter().map(|&code| scale * f32::from(code.cast_signed())).collect()
    }

    /// The sum of squares of what a row's codes stand for.
    pub(super) fn square(&self, row: usize) -> f64 {
        let record = self.record(row);
        let squares = record[..self.dimension].iter().map(|&code| i64::from(code.cast_signed()).pow(2)).sum::<i64>();
        f64::from(self.factors(record).0).powi(2) * squares as f64
    }

    /// Whether row `row` of `corpus` could be behind its record: codes one off at most, factors but for rounding.
    /// Processors round codes differently where an element lies midway between two.
    #[must_use]
    pub fn fits(&self, corpus: Corpus<'_>, row: usize, metric: Metric) -> bool {
        let mut made = vec![0; self.stride];
        let done = encode_one(corpus, row, metric, &mut made);
        let ours = self.record(row);
        let near = |a: f32, b: f32| (a - b).abs() <= 1e-4 * (a.abs() + b.abs());
        let ((scale, add), (other_scale, other_add)) = (self.factors(ours), self.factors(&made));
        let codes = ours[..self.dimension].iter().zip(&made);
        done && near(scale, other_scale)
            && near(add, other_add)
            && codes.map(|(a, b)| a.cast_signed().abs_diff(b.cast_signed())).all(|off| off <= 1)
    }
}

/// Elements of a vector up to which a product of codes stays below 2^31.
const MOST_CODED: usize = 1 << 16;

/// What codes leave of a vector besides themselves: it is about scale * codes.
pub(super) struct Code {
    scale: f64,
    /// Its norm.
    norm: f64,
    /// The sum of squares of what the codes stand for.
    square: f64,
}

/// Squares within which a scan's codes, and sums in f32, are good.
pub(super) const TAME: std::ops::Range<f32> = 1e-20..1e20;

impl Code {
    /// Turn a finite vector into codes; zeros for one that is not. `scratch` and `codes`: room for it, filled up to a
    /// multiple of [`FEW_STEP`].
    pub(super) fn of<B: Backend>(backend: B, vector: &[f32], scratch: &mut [f32], codes: &mut [i8]) -> Self {
        let coded = backend.encode_f32(vector, scratch, codes);
        if TAME.contains(&coded.square) {
            return Self::with_codes(
                backend,
                f64::from(coded.scale),
                f64::from(coded.square).sqrt(),
                &codes[..vector.len()],
            );
        }
        let greatest = vector.iter().fold(0.0_f64, |greatest, &x| greatest.max(f64::from(x).abs()));
        codes.fill(0);
        if greatest == 0.0 || !greatest.is_finite() {
            return Self { scale: 0.0, norm: 0.0, square: 0.0 };
        }
        let scale = greatest / 127.0;
        for (to, &x) in codes.iter_mut().zip(vector) {
            *to = (f64::from(x) / scale).round_ties_even() as i8;
        }
        Self::with_codes(backend, scale, exact::squares(vector, exact::plain).sqrt(), &codes[..vector.len()])
    }

    fn with_codes<B: Backend>(backend: B, scale: f64, norm: f64, codes: &[i8]) -> Self {
        Self { scale, norm, square: scale * scale * f64::from(backend.sums_i8(codes).1) }
    }

    /// The record's scale, and what is added to its distances.
    pub(super) fn factors(&self, metric: Metric) -> (f32, f32) {
        let clamped = |x: f64| x.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) as f32;
        match metric {
            Metric::InnerProduct => (clamped(self.scale), 0.0),
            Metric::Cosine if self.norm == 0.0 => (0.0, 0.0),
            Metric::Cosine => (clamped(self.scale / self.norm), 0.0),
            Metric::L2 => (clamped(self.scale), clamped(self.square)),
        }
    }
}

/// Bytes of records that a thread takes at a time.
const STEP: usize = 1 << 18;

fn encode<B: Backend, E: Element>(
    backend: B,
    table: Table<'_, E>,
    metric: Metric,
    bytes: &mut [u8],
    options: Options<'_>,
) -> Result<(), Error> {
    let stride = record_bytes(table.rows.dimension());
    let step = (STEP / stride).max(1);
    let chunks: Vec<Mutex<&mut [u8]>> = bytes.chunks_mut(step * stride).map(Mutex::new).collect();
    share_out(
        chunks.len(),
        options,
        |chunk| chunk * step,
        || (),
        |(), chunk, _| {
            let mut records = chunks[chunk].lock().unwrap_or_else(PoisonError::into_inner);
            for (row, record) in (chunk * step..).zip(records.chunks_mut(stride)) {
                if !encode_row(backend, table, row, metric, record) {
                    return Err((row, Error::Row(row)));
                }
            }
            Ok(())
        },
    )
}

/// Fill the record of one row; whether the row is finite.
fn encode_one(corpus: Corpus<'_>, row: usize, metric: Metric, record: &mut [u8]) -> bool {
    on_backend!(backend => on_table!(corpus, table => encode_row(backend, table, row, metric, record)))
}

/// The same, on a back end.
fn encode_row<B: Backend, E: Element>(
    backend: B,
    table: Table<'_, E>,
    row: usize,
    metric: Metric,
    record: &mut [u8],
) -> bool {
    let dimension = table.rows.dimension();
    let filled = dimension.next_multiple_of(FEW_STEP);
    let (mut scratch, mut codes) = (vec![0.0; filled], vec![0; filled]);
    let code = if let Some(own) = E::as_i8(table.rows.row(row)) {
        codes[..dimension].copy_from_slice(own);
        // Nothing times a scale is nothing, whatever the scale: two of them may be more than f32 holds.
        let scale = if own.iter().all(|&code| code == 0) { 0.0 } else { f64::from(table.scale(row)) };
        let of = Code::with_codes(backend, scale, 0.0, own);
        Code { norm: of.square.sqrt(), ..of }
    } else {
        let mut decoded = vec![0.0; dimension];
        let vector = table.vector(backend, row, &mut decoded);
        if !vector.iter().all(|x| x.is_finite()) {
            return false;
        }
        Code::of(backend, vector, &mut scratch, &mut codes)
    };
    record.fill(0);
    for (to, &from) in record.iter_mut().zip(&codes[..dimension]) {
        *to = from.cast_unsigned();
    }
    let (scale, add) = code.factors(metric);
    if let Some(factors) = record.last_chunk_mut::<FACTORS>() {
        let (of_scale, of_add) = factors.split_at_mut(FACTORS / 2);
        of_scale.copy_from_slice(&scale.to_le_bytes());
        of_add.copy_from_slice(&add.to_le_bytes());
    }
    true
}
