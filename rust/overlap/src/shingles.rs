//! A text as sets of numbers: pieces of its words, sequences of its words, its numbers.

use twox_hash::XxHash3_64;
use unicode_normalization::char::is_combining_mark;

/// Characters of a piece of a word.
pub(crate) const PIECE: usize = 4;
/// Characters of a piece in scripts that put no blanks between words.
pub(crate) const UNSPACED_PIECE: usize = 2;
/// Words of a sequence.
pub(crate) const PHRASE: usize = 3;

/// What stands before and after a word, so that its ends are pieces too. No word has one.
const EDGE: char = '\u{1}';

/// A text as sets; each sorted, without repetition. They are of 64-bit hashes: that two shingles of a pair share one by
/// chance has odds of one in 10^19 for each two of them, and would move a similarity by one shingle.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shingles {
    /// How many words it has; each character of a script without blanks counts as one.
    pub(crate) words: usize,
    /// Pieces of its words, whatever their order. Empty for a text with too many words for that.
    pub(crate) pieces: Vec<u64>,
    /// Sequences of its words. Empty for a text with too few words.
    pub(crate) phrases: Vec<u64>,
    /// Words with a digit in them.
    pub(crate) numbers: Vec<u64>,
    /// The hash of each word in order: scratch.
    hashes: Vec<u64>,
    /// The word at hand: scratch.
    padded: Vec<char>,
}

impl Shingles {
    /// Of a normalised text. `short_words`, `least_words`: as in `Settings`.
    pub(crate) fn read(&mut self, normal: &str, short_words: usize, least_words: usize) {
        self.hashes.clear();
        for word in normal.split(' ') {
            if word.is_ascii() || !word.chars().any(is_unspaced) {
                self.hashes.push(hash(word));
            } else {
                unspaced_words(word, |word| self.hashes.push(hash(word)));
            }
        }
        // A text of symbols alone has words only for the eye.
        if !normal.chars().any(char::is_alphanumeric) {
            self.hashes.clear();
        }
        self.words = self.hashes.len();
        self.pieces.clear();
        self.phrases.clear();
        self.numbers.clear();
        if self.words == 0 {
            return;
        }
        if self.words <= short_words {
            for word in normal.split(' ') {
                self.read_pieces(word);
            }
            tidy(&mut self.pieces);
        }
        let with_digits = normal.split(' ').filter(|word| word.chars().any(char::is_numeric));
        self.numbers.extend(with_digits.map(hash));
        tidy(&mut self.numbers);
        if self.words >= least_words {
            self.phrases.extend(self.hashes.windows(PHRASE).map(|words| {
                let chained = |so_far: u64, &word: &u64| mix(so_far ^ word);
                words.iter().fold(PHRASE as u64, chained)
            }));
            tidy(&mut self.phrases);
        }
    }

    fn read_pieces(&mut self, word: &str) {
        self.padded.clear();
        let unspaced = !word.is_ascii() && word.chars().any(is_unspaced);
        let (size, edge) = if unspaced { (UNSPACED_PIECE, None) } else { (PIECE, Some(EDGE)) };
        self.padded.extend(edge.into_iter().chain(word.chars()).chain(edge));
        let size = size.min(self.padded.len());
        self.pieces.extend(self.padded.windows(size).map(|piece| {
            let chained = |so_far: u64, &c: &char| mix(so_far ^ u64::from(c));
            piece.iter().fold(0, chained)
        }));
    }
}

fn tidy(set: &mut Vec<u64>) {
    set.sort_unstable();
    set.dedup();
}

/// A word of a script without blanks: each character with the marks behind it; runs of other characters stay whole.
pub(crate) fn unspaced_words<'a>(word: &'a str, mut each: impl FnMut(&'a str)) {
    let mut start = 0;
    let mut before = false;
    for (at, c) in word.char_indices() {
        if at > start && !is_combining_mark(c) && (before || is_unspaced(c)) {
            each(&word[start..at]);
            start = at;
        }
        if !is_combining_mark(c) {
            before = is_unspaced(c);
        }
    }
    each(&word[start..]);
}

/// Chinese, Japanese kana, Thai, Lao, Khmer, Burmese, Tibetan: written without blanks between words.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(
        c,
        '\u{e00}'..='\u{eff}' | '\u{f00}'..='\u{fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

pub(crate) fn hash(text: &str) -> u64 {
    XxHash3_64::oneshot(text.as_bytes())
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014) after its increment: one number to one number.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
