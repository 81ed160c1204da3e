//! BM25 as Lucene has it (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond",
//! without the factor k1 + 1, which moves no order).
//!
//! score(q, d) = Σ over the tokens t of q: idf(t) · tf / (tf + k1 · (1 - b + b · length(d) / average length))
//! idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5))

use crate::Error;
use crate::lengths::length;
use crate::units::units;

/// The formula's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25 {
    k1: f64,
    b: f64,
}

impl Default for Bm25 {
    fn default() -> Self {
        Self { k1: 1.2, b: 0.75 }
    }
}

impl Bm25 {
    /// `k1`: how slowly more of the same word counts less, from 0 to 1000. `b`: how far length counts, from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Parameter`] beyond these ranges.
    pub fn new(k1: f64, b: f64) -> Result<Self, Error> {
        if !(0.0..=1000.0).contains(&k1) {
            return Err(Error::Parameter { what: format!("k1 = {k1}"), expected: "from 0 to 1000" });
        }
        if !(0.0..=1.0).contains(&b) {
            return Err(Error::Parameter { what: format!("b = {b}"), expected: "from 0 to 1" });
        }
        Ok(Self { k1, b })
    }
}

/// What a row's length adds below the fraction, by the length's byte.
pub(crate) struct Norms([f64; 256]);

impl Norms {
    /// `tokens` in `rows` rows; neither is 0 where there is anything to score.
    pub(crate) fn new(bm25: Bm25, rows: u64, tokens: u64) -> Self {
        let average = tokens as f64 / rows as f64;
        Self(std::array::from_fn(|code| bm25.k1 * (1.0 - bm25.b + bm25.b * f64::from(length(code as u8)) / average)))
    }

    #[inline]
    pub(crate) fn of(&self, code: u8) -> f64 {
        self.0[usize::from(code)]
    }

    /// What one term adds to a row's score, in units. `weight`: its idf, as often as the query has it.
    #[inline]
    pub(crate) fn contribution(&self, weight: f64, frequency: u32, code: u8) -> u64 {
        contribution(weight, frequency, self.of(code))
    }
}

/// The same, where what the length adds is known.
#[inline]
pub(crate) fn contribution(weight: f64, frequency: u32, added: f64) -> u64 {
    let frequency = f64::from(frequency);
    units(weight * (frequency / (frequency + added)))
}

/// Inverse document frequency: rows that have the term, of all.
pub(crate) fn idf(rows: u64, with_term: u64) -> f64 {
    let (rows, with_term) = (rows as f64, with_term as f64);
    ((rows - with_term + 0.5) / (with_term + 0.5)).ln_1p()
}
