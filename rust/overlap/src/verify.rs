//! What becomes of a candidate: the shingles of both texts are counted.

use crate::sets::{containment, fewest_for_containment, fewest_for_jaccard, jaccard, overlap, share};
use crate::{Settings, shingles::Shingles};

/// The share of numbers that must agree.
pub(crate) const AGREEMENT: f64 = 0.9;

/// How a text was found to be a copy; the first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Byte for byte.
    Exact = 0,
    /// The same after [`crate::normalise`].
    Normalised = 1,
    /// Texts of like words, in any order: Jaccard similarity of pieces of words.
    Characters = 2,
    /// Texts of like word sequences: their Jaccard similarity.
    Phrases = 3,
    /// The smaller text is, nearly, within the larger one.
    Containment = 4,
}

/// A text that is a copy of a known one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Its place in the batch.
    pub text: u32,
    /// The known one's place.
    pub known: u32,
    /// How it was found.
    pub kind: Kind,
    /// By that measure; 1 for the first two kinds.
    pub similarity: f64,
}

/// The sets of a known text.
pub(crate) struct Known<'a> {
    pub(crate) pieces: &'a [u64],
    pub(crate) phrases: &'a [u64],
    pub(crate) numbers: &'a [u64],
}

/// Whether the text is a near-copy, by what measure, and its value.
pub(crate) fn verify(text: &Shingles, known: &Known<'_>, settings: &Settings, contained: bool) -> Option<(Kind, f64)> {
    by_pieces(text, known, settings)
        .map(|similarity| (Kind::Characters, similarity))
        .or_else(|| by_phrases(text, known, settings, contained))
        .filter(|_| !settings.numbers || agree(&text.numbers, known.numbers))
}

fn by_pieces(text: &Shingles, known: &Known<'_>, settings: &Settings) -> Option<f64> {
    let (a, b) = (text.pieces.len(), known.pieces.len());
    if a.min(b) == 0 {
        return None;
    }
    let shared = overlap(&text.pieces, known.pieces, fewest_for_jaccard(a, b, settings.characters))?;
    Some(jaccard(shared, a, b))
}

fn by_phrases(text: &Shingles, known: &Known<'_>, settings: &Settings, contained: bool) -> Option<(Kind, f64)> {
    let (a, b) = (text.phrases.len(), known.phrases.len());
    if a.min(b) == 0 {
        return None;
    }
    let for_jaccard = fewest_for_jaccard(a, b, settings.phrases);
    let within = if contained { fewest_for_containment(a, b, settings.containment) } else { usize::MAX };
    let shared = overlap(&text.phrases, known.phrases, for_jaccard.min(within))?;
    let jaccard = jaccard(shared, a, b);
    if jaccard >= settings.phrases {
        return Some((Kind::Phrases, jaccard));
    }
    (shared >= within).then(|| (Kind::Containment, containment(shared, a, b)))
}

/// Nine tenths of the numbers of the text that has fewer are in the other. So texts with few numbers (a model, a year)
/// must not have different ones, either may have more, and in a table of many one may have been changed.
pub(crate) fn agree(a: &[u64], b: &[u64]) -> bool {
    a.is_empty() || b.is_empty() || {
        let shared = overlap(a, b, 0).unwrap_or(0);
        share(shared, a.len().min(b.len())) >= AGREEMENT
    }
}
