//! What is known of the rows of a block before they are compared: what their sums are multiplied by, how long they are,
//! how far their codes are off, and which of them no scan can compare.

use super::{ENCODER_FETCHES, Greatest, Scanner, pitch};
use crate::backend::{BIAS, Backend};
use crate::bound::{LEAST_SQUARE, MOST_SQUARE, error_above, norm_above};
use crate::element::Element;
use crate::metric::Metric;

impl<B: Backend, E: Element> Scanner<'_, B, E> {
    /// Fill `scales` from `squares`, and find the wild rows.
    ///
    /// `scale` is what a row's sums are multiplied by where the scan takes its elements without it.
    pub(super) fn know(&mut self, ids: &[u32], scale: impl Fn(usize) -> f32) -> Result<Greatest, usize> {
        let dimension = self.table.rows.dimension();
        let metric = self.queries.metric;
        let mut most = 0.0_f32;
        for (row, &id) in ids.iter().enumerate() {
            let scale = scale(id as usize);
            let square = self.squares[row] * scale * scale;
            self.scales[row] = match metric {
                Metric::InnerProduct => scale,
                Metric::L2 => -1.0,
                Metric::Cosine => scale / square.sqrt(),
            };
            // False for NaN too.
            if !(square <= MOST_SQUARE && (metric != Metric::Cosine || square >= LEAST_SQUARE)) {
                self.doubt(row, id)?;
            } else if square > most {
                most = square;
            }
        }
        let norm = if metric == Metric::Cosine { 1.0 } else { norm_above(most, dimension) };
        Ok(Greatest { norm, error: 0.0 })
    }

    /// The same for rows that are codes, and fill `biases`.
    pub(super) fn know_codes(&mut self, ids: &[u32]) -> Result<Greatest, usize> {
        let mut most = 0.0_f32;
        for (row, &id) in ids.iter().enumerate() {
            let codes = E::as_i8(self.rows[row]).unwrap_or(&[]);
            if !self.codes.is_empty() {
                self.codes[row * pitch::<i8>(codes.len())..][..codes.len()].copy_from_slice(codes);
            }
            let (sum, square) = self.backend.sums_i8(codes);
            self.biases[row] = BIAS * sum;
            most = most.max(self.know_code(row, id, square)?);
        }
        Ok(self.greatest_code(most))
    }

    /// Fill `scales` for one row of codes with this sum of squares, and return the square of the norm that the scan must
    /// reckon with.
    pub(super) fn know_code(&mut self, row: usize, id: u32, square: i32) -> Result<f32, usize> {
        let scale = self.table.scale(id as usize);
        let value = square as f32 * scale * scale;
        self.scales[row] = match self.queries.metric {
            Metric::Cosine if square == 0 => 0.0,
            Metric::Cosine => 1.0 / (square as f32).sqrt(),
            Metric::InnerProduct | Metric::L2 => scale,
        };
        if value <= MOST_SQUARE && (value >= LEAST_SQUARE || square == 0) {
            return Ok(value);
        }
        // A code times its scale may be beyond the range of f32.
        self.doubt(row, id)?;
        Ok(0.0)
    }

    pub(super) fn greatest_code(&self, most: f32) -> Greatest {
        let cosine = self.queries.metric == Metric::Cosine;
        Greatest { norm: if cosine { 1.0 } else { norm_above(most, 1) }, error: 0.0 }
    }

    /// Turn rows into codes, and fill `scales` and `biases`.
    pub(super) fn encode(&mut self, ids: &[u32]) -> Result<Greatest, usize> {
        let dimension = self.table.rows.dimension();
        let cosine = self.queries.metric == Metric::Cosine;
        // The square of the greatest norm, and of the greatest error, or of the greatest ratio of the two.
        let (mut most, mut most_error) = (0.0_f32, 0.0_f32);
        let early = self.queries.panels::<B>().count() == ENCODER_FETCHES;
        for (row, &id) in ids.iter().enumerate() {
            let codes = &mut self.codes[row * pitch::<i8>(dimension)..];
            if early && let Some(&next) = self.ahead.get(row) {
                self.backend.fetch(next, dimension * size_of::<E>());
            }
            let coded = E::encode(self.backend, self.rows[row], &mut self.scratch, codes).unwrap_or_default();
            let square = coded.square;
            if (LEAST_SQUARE..=MOST_SQUARE).contains(&square) {
                most = most.max(square);
                most_error = most_error.max(if cosine { coded.error / square } else { coded.error });
                self.biases[row] = BIAS * coded.sum;
                self.scales[row] = if cosine { coded.scale / square.sqrt() } else { coded.scale };
            } else {
                // What its codes are does not matter.
                self.biases[row] = 0;
                self.scales[row] = 0.0;
                self.doubt(row, id)?;
            }
        }
        let norm = if cosine { 1.0 } else { norm_above(most, dimension) };
        let error = error_above(most_error.sqrt(), norm, dimension);
        Ok(Greatest { norm: norm + error, error })
    }

    /// A row whose sum of squares is too large, too small, or no number. The error is the row, if it is not finite.
    fn doubt(&mut self, row: usize, id: u32) -> Result<(), usize> {
        let vector = self.table.vector(self.backend, id as usize, &mut self.one);
        if !vector.iter().all(|x| x.is_finite()) {
            return Err(id as usize);
        }
        if vector.iter().all(|&x| x == 0.0) {
            // Its product with anything is 0; its distance is like any other.
            if self.queries.metric != Metric::L2 {
                self.scales[row] = 0.0;
            }
        } else {
            self.mark_wild(row);
        }
        Ok(())
    }

    fn mark_wild(&mut self, row: usize) {
        self.scales[row] = f32::NAN;
        self.wild.push(row);
    }
}
