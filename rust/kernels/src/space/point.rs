//! A vector in the form in which it is compared.

use super::levels::{Scaled, Weighed};
use super::records::{Code, Records, TAME};
use super::sketches::Sketches;
use crate::aligned::Aligned;
use crate::backend::{Backend, FEW_STEP, QUARTERS};
use crate::exact;
use crate::metric::Metric;

/// A query, or a row, that others are compared with; made by [`crate::Space::set`] and used again for the next.
pub struct Point {
    /// Filled up with zeros to a multiple of [`FEW_STEP`].
    pub(super) codes: Aligned<i8>,
    /// The sum of the codes.
    pub(super) sum: i32,
    /// The sum of their squares; below 2^31, for no vector has more elements than 2^16.
    pub(super) squares: i32,
    /// What a product of codes is multiplied by, besides the row's scale.
    pub(super) scale: f32,
    /// What is added to each distance.
    pub(super) base: f32,
    /// The vector as `few` wants it, where rows are compared as they lie.
    pub(super) floats: Aligned<f32>,
    /// Room for rows that are decoded.
    pub(super) decoded: Vec<f32>,
    /// What is held against sketches of rows.
    pub(super) sketched: Sketched,
    /// What is held against signs of rows, or against their levels.
    pub(super) signs: Vec<u64>,
    /// How that becomes a distance, of levels.
    pub(super) scaled: Scaled,
    /// For L2, the weights of q - c, which are others than those of P'.
    pub(super) from_centre: Weighed,
}

/// P' of `sketches`, and what else of a point its comparisons with sketches need.
pub(super) struct Sketched {
    /// Filled up with zeros to a multiple of [`FEW_STEP`].
    pub(super) codes: Aligned<i8>,
    /// The weights of levels, by byte of a sketch, as many for each level that a byte may be.
    pub(super) weights: Vec<i8>,
    pub(super) weighed: Weighed,
    /// What a sum of codes, or of weights times levels, is multiplied by, and what is added then.
    scale: f32,
    constant: f32,
    /// |P'|; NaN where it is too large, or too small, for f32: then every row may be near.
    pub(super) norm: f32,
    /// P c.
    base: f32,
    /// k.
    pub(super) along: f32,
    /// What a row is given, but for its f, or what its levels leave of it.
    pub(super) margin: f32,
}

impl Sketched {
    /// About P x, of a row with whose sketch the point has this sum in common.
    #[inline]
    pub(super) fn product(&self, sum: i32, f: f32, along: f32) -> f32 {
        self.base + self.along * along + f * (self.scale * sum as f32 + self.constant)
    }
}

impl Point {
    /// Room for vectors of `dimension` elements.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        Self {
            codes: Aligned::zeroed(dimension.next_multiple_of(FEW_STEP)),
            sum: 0,
            squares: 0,
            scale: 0.0,
            base: 0.0,
            floats: Aligned::zeroed(dimension.next_multiple_of(FEW_STEP)),
            decoded: Vec::new(),
            sketched: Sketched {
                codes: Aligned::zeroed(dimension.next_multiple_of(FEW_STEP)),
                weights: Vec::new(),
                weighed: Weighed::default(),
                scale: 0.0,
                constant: 0.0,
                norm: f32::NAN,
                base: 0.0,
                along: 0.0,
                margin: f32::NAN,
            },
            signs: Vec::new(),
            scaled: Scaled::default(),
            from_centre: Weighed::default(),
        }
    }

    /// Make ready what is held against sketches: of the point's codes, which stand already.
    pub(super) fn sketch<B: Backend>(&mut self, backend: B, sketches: &Sketches) {
        let centre = &*sketches.centre;
        let mut rest = std::mem::take(&mut self.decoded);
        rest.resize(centre.len(), 0.0);
        backend.decode_i8(&self.codes[..centre.len()], self.scale, &mut rest);
        let whole = backend.squares(&rest);
        let base = backend.exact_dot(&rest, centre) as f32;
        let along = if sketches.centre_square > 0.0 { base / sketches.centre_square } else { 0.0 };
        for (p, c) in rest.iter_mut().zip(centre) {
            *p -= along * c;
        }
        let sketched = &mut self.sketched;
        let coded = backend.encode_f32(&rest, &mut self.floats, &mut sketched.codes);
        sketched.codes[rest.len()..].fill(0);
        match &sketches.levels {
            None => {
                // The codes where bits are set, less all others.
                sketched.scale = 2.0 * coded.scale;
                sketched.constant = -coded.scale * backend.sums_i8(&sketched.codes).0 as f32;
            }
            Some(levels) => {
                let Sketched { codes, weights, weighed, .. } = sketched;
                levels.axes.along(backend, codes, coded.scale, &mut weighed.along);
                // For L2 a scan weighs what is about the centre, and this is for looks at one row.
                let other =
                    if sketches.metric == Metric::L2 { 0.0 } else { levels.weight_of_other(along, sketches.metric) };
                levels.weigh(weighed, other);
                weights.resize(QUARTERS * sketches.stride(), 0);
                levels.by_byte(weighed, weights, sketches.stride());
                (sketched.scale, sketched.constant) = (weighed.scale, weighed.constant);
            }
        }
        let tame = TAME.contains(&coded.square) && TAME.contains(&whole);
        sketched.norm = if tame { coded.square.sqrt() } else { f32::NAN };
        (sketched.base, sketched.along) = (base, along);
        sketched.margin = sketches.margin * sketched.norm;
        self.decoded = rest;
    }

    pub(super) fn encode<B: Backend>(&mut self, backend: B, vector: &[f32], metric: Metric) {
        let code = Code::of(backend, vector, &mut self.floats, &mut self.codes);
        self.codes[vector.len()..].fill(0);
        self.finish(backend, &code, metric);
    }

    pub(super) fn copy<B: Backend>(&mut self, backend: B, records: Records<'_>, row: usize, metric: Metric) {
        let record = records.record(row);
        for (to, &from) in self.codes.iter_mut().zip(&record[..records.dimension()]) {
            *to = from.cast_signed();
        }
        let (scale, add) = records.factors(record);
        self.stand_for(backend, scale, add, metric);
    }

    fn finish<B: Backend>(&mut self, backend: B, code: &Code, metric: Metric) {
        let (scale, add) = code.factors(metric);
        self.stand_for(backend, scale, add, metric);
    }

    /// What goes with the codes, which stand already.
    fn stand_for<B: Backend>(&mut self, backend: B, scale: f32, add: f32, metric: Metric) {
        (self.sum, self.squares) = backend.sums_i8(&self.codes);
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
