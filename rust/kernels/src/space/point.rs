//! A vector in the form in which it is compared.

use super::records::{Code, Records};
use crate::aligned::Aligned;
use crate::backend::{Backend, FEW_STEP};
use crate::exact;
use crate::metric::Metric;

/// A query, or a row, that others are compared with; made by [`crate::Space::set`] and used again for the next.
pub struct Point {
    /// Filled up with zeros to a multiple of [`FEW_STEP`].
    pub(super) codes: Aligned<i8>,
    /// The sum of the codes.
    pub(super) sum: i32,
    /// What a product of codes is multiplied by, besides the row's scale.
    pub(super) scale: f32,
    /// What is added to each distance.
    pub(super) base: f32,
    /// The vector as `few` wants it, where rows are compared as they lie.
    pub(super) floats: Aligned<f32>,
    /// Room for rows that are decoded.
    pub(super) decoded: Vec<f32>,
}

impl Point {
    /// Room for vectors of `dimension` elements.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        Self {
            codes: Aligned::zeroed(dimension.next_multiple_of(FEW_STEP)),
            sum: 0,
            scale: 0.0,
            base: 0.0,
            floats: Aligned::zeroed(dimension.next_multiple_of(FEW_STEP)),
            decoded: Vec::new(),
        }
    }

    pub(super) fn encode<B: Backend>(&mut self, backend: B, vector: &[f32], metric: Metric) {
        let code = Code::of(backend, vector, &mut self.floats, &mut self.codes);
        self.codes[vector.len()..].fill(0);
        self.finish(&code, metric);
    }

    pub(super) fn copy(&mut self, records: Records<'_>, row: usize, metric: Metric) {
        let record = records.record(row);
        for (to, &from) in self.codes.iter_mut().zip(&record[..records.dimension()]) {
            *to = from.cast_signed();
        }
        let (scale, add) = records.factors(record);
        self.sum = self.codes.iter().map(|&code| i32::from(code)).sum();
        (self.scale, self.base) = if metric == Metric::L2 { (2.0 * scale, add) } else { (scale, 0.0) };
    }

    fn finish(&mut self, code: &Code, metric: Metric) {
        let (scale, add) = code.factors(metric);
        self.sum = self.codes.iter().map(|&code| i32::from(code)).sum();
        (self.scale, self.base) = if metric == Metric::L2 { (2.0 * scale, add) } else { (scale, 0.0) };
    }

    /// The vector itself, of unit length but for L2: products of unit vectors stay within f32.
    pub(super) fn lay(&mut self, vector: &[f32], metric: Metric) {
        let norm = exact::squares(vector, exact::plain).sqrt();
        let divisor = if metric == Metric::L2 || norm == 0.0 { 1.0 } else { norm };
        for (to, &from) in self.floats.iter_mut().zip(vector) {
            *to = (f64::from(from) / divisor) as f32;
        }
    }
}
