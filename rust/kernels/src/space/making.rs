//! How the sketch of a row, or of a vector that is none, is made.

use super::levels::Levels;
use super::records::{Records, TAME};
use super::sketches::Sketches;
use crate::aligned::Aligned;
use crate::backend::{Backend, FEW_STEP};
use crate::metric::Metric;

/// Makes one sketch after another.
pub(super) struct Maker<'s, B> {
    backend: B,
    centre: &'s [f32],
    levels: Option<&'s Levels>,
    metric: Metric,
    /// Where factors begin.
    at: usize,
    /// The vector, then what it differs by from the centre; filled up with zeros to a multiple of [`FEW_STEP`].
    vector: Vec<f32>,
    scratch: Vec<f32>,
    codes: Aligned<i8>,
    along: Vec<f32>,
}

/// Sums that are added up side by side.
const LANES: usize = 16;

impl<'s, B: Backend> Maker<'s, B> {
    pub(super) fn new(backend: B, sketches: &'s Sketches) -> Self {
        let centre: &[f32] = &sketches.filled_centre;
        let filled = centre.len();
        Self {
            backend,
            centre,
            levels: sketches.levels.as_ref(),
            metric: sketches.metric,
            at: sketches.factors_at(),
            vector: vec![0.0; filled],
            scratch: vec![0.0; filled],
            codes: Aligned::zeroed(filled),
            along: Vec::new(),
        }
    }

    /// Fill the sketch of a row, zeros so far.
    pub(super) fn row(&mut self, records: Records<'_>, row: usize, sketch: &mut [u8]) {
        self.vector[records.dimension()..].fill(0.0);
        decode(records, row, &mut self.vector);
        let (scale, add) = records.factors(records.record(row));
        self.make(scale, add, sketch);
    }

    /// Fill the sketch of a vector of the rows' dimension, zeros so far, but for what records say.
    pub(super) fn vector(&mut self, vector: &[f32], sketch: &mut [u8]) {
        self.vector[vector.len()..].fill(0.0);
        self.vector[..vector.len()].copy_from_slice(vector);
        self.make(0.0, 0.0, sketch);
    }

    fn make(&mut self, scale: f32, add: f32, sketch: &mut [u8]) {
        let Self { backend, centre, vector, .. } = self;
        // Lanes side by side, so that they are added up many at a time; behind the elements there are zeros.
        let (mut sizes, mut squares, mut along) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
        if self.levels.is_none() {
            for ((bits, x), c) in
                sketch.chunks_exact_mut(FEW_STEP / 8).zip(vector.chunks(FEW_STEP)).zip(centre.chunks(FEW_STEP))
            {
                bits.copy_from_slice(&backend.at_least(x, c).to_le_bytes());
            }
        }
        for (x, c) in vector.as_chunks_mut::<LANES>().0.iter_mut().zip(centre.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                let y = x[lane] - c[lane];
                sizes[lane] += y.abs();
                squares[lane] += y * y;
                along[lane] += c[lane] * y;
                x[lane] = y;
            }
        }
        let [size, square, along] = [sizes, squares, along].map(|lanes| lanes.iter().sum::<f32>());
        let first = match (self.levels, square) {
            (None, 0.0) => 0.0_f32.to_bits(),
            // What f32 may not hold, or lose, says nothing about where the row is: no comparison with it holds.
            (None, _) if !TAME.contains(&square) => f32::NAN.to_bits(),
            (None, _) => (square / size).to_bits(),
            (Some(levels), _) => {
                let coded = backend.encode_f32(vector, &mut self.scratch, &mut self.codes);
                levels.axes.along(*backend, &self.codes, coded.scale, &mut self.along);
                let (f, left) = levels.write(&self.along, (square, along), self.metric, sketch);
                match square {
                    0.0 => together(0.0, 0.0),
                    _ if !TAME.contains(&square) => together(f32::NAN, f32::NAN),
                    _ => together(f, left),
                }
            }
        };
        let factors = [first, along.to_bits(), add.to_bits(), scale.to_bits()];
        for (to, factor) in sketch[self.at..].chunks_exact_mut(4).zip(factors) {
            to.copy_from_slice(&factor.to_le_bytes());
        }
    }
}

/// Digits that are left out of f, and of what levels leave, so that 32 hold both, neither of which is negative: thirteen are
/// left of f, for the products of rows that are far from their mean are large, and four of the other. (With eight of each, of
/// rows in clusters as far from one another as thirty times what those differ by, some of the nearest were ruled out.)
const OF_F: u32 = 11;
const OF_LEFT: u32 = 19;
const BITS_OF_LEFT: u32 = 31 - OF_LEFT;

/// Two numbers in one.
fn together(f: f32, left: f32) -> u32 {
    let short = |x: f32, digits: u32| {
        // A number that is none stays one, and rounding up may lead to infinity.
        let bits = x.abs().to_bits();
        if x.is_nan() { bits >> digits } else { (bits + (1 << (digits - 1))) >> digits }
    };
    short(f, OF_F) << BITS_OF_LEFT | short(left, OF_LEFT)
}

/// And apart again.
#[inline]
pub(super) fn apart(both: u32) -> (f32, f32) {
    let left = both & ((1 << BITS_OF_LEFT) - 1);
    (f32::from_bits(both >> BITS_OF_LEFT << OF_F), f32::from_bits(left << OF_LEFT))
}

/// What a row's codes stand for. `to`: zeros behind it stay.
pub(super) fn decode(records: Records<'_>, row: usize, to: &mut [f32]) {
    let record = records.record(row);
    let scale = records.factors(record).0;
    for (to, &code) in to.iter_mut().zip(&record[..records.dimension()]) {
        *to = scale * f32::from(code.cast_signed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_come_apart_as_they_went_together() {
        for f in [0.0, 1e-30, 0.5, 0.999_99, 1.0, 1.234_567, 77.7, 1e20, f32::MAX] {
            for left in [0.0, 1e-20, 0.003, 1.0, 1.99, 5e9, f32::MAX] {
                let (of_f, of_left) = apart(together(f, left));
                let near = |a: f32, b: f32, off: f32| a == b || (a - b).abs() <= off * b || (b == f32::MAX && a > 1e38);
                assert!(near(of_f, f, 1.3e-4) && near(of_left, left, 0.032), "{f} {left}: {of_f} {of_left}");
            }
        }
        let (f, left) = apart(together(f32::NAN, f32::NAN));
        assert!(f.is_nan() && left.is_nan());
    }
}
