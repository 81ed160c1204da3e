//! From when on two texts are near-copies.

use crate::Error;

/// Thresholds. Similarities are shares, above 0 and at most 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Least Jaccard similarity of the pieces of words of two texts.
    pub characters: f64,
    /// Least Jaccard similarity of the word sequences of two texts.
    pub phrases: f64,
    /// Least share of the smaller text's word sequences that the larger one has.
    pub containment: f64,
    /// A text of more words than this is not compared by pieces of words.
    pub short_words: usize,
    /// A text of fewer words than this is not compared by word sequences.
    pub least_words: usize,
    /// Whether texts with different numbers are different texts.
    pub numbers: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { characters: 0.85, phrases: 0.7, containment: 0.9, short_words: 500, least_words: 5, numbers: true }
    }
}

impl Settings {
    /// # Errors
    /// [`Error::Parameter`], for the first that cannot be used.
    pub fn check(self) -> Result<Self, Error> {
        let shares = [("characters", self.characters), ("phrases", self.phrases), ("containment", self.containment)];
        for (name, value) in shares {
            if !(value > 0.0 && value <= 1.0) {
                return Err(Error::Parameter {
                    what: format!("a threshold {name} of {value}"),
                    expected: "above 0 and at most 1",
                });
            }
        }
        if self.least_words < crate::shingles::PHRASE {
            return Err(Error::Parameter {
                what: format!("{} least words", self.least_words),
                expected: "at least 3, the words of a sequence",
            });
        }
        Ok(self)
    }
}
