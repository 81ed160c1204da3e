//! One spelling for what reads the same: words in lower case with single blanks between them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// `text` in NFKC and lower case, without punctuation, symbols and characters that cannot be seen; words have one blank
/// between them.
///
/// Words are runs of letters, digits and combining marks. An apostrophe within a word is left out, so that "don't" and
/// "dont" are one; `+` and `#` stay behind a word that ends in a letter, so that "C++", "C#" and "C" are three. A text
/// without any word (an operator, an emoji) keeps its symbols: only its white space is tidied.
#[must_use]
pub fn normalise(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    if text.is_ascii() {
        keep_words(text.chars().map(|c| c.to_ascii_lowercase()), &mut words);
    } else {
        // Once more at the end: what stood between a letter and its mark may be gone.
        let mut kept = String::with_capacity(text.len());
        keep_words(folded(text), &mut kept);
        words.extend(kept.nfkc());
    }
    if words.is_empty() {
        let kept: String = folded(text).collect();
        return kept.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    words
}

/// NFKC, visible, in lower case. Character by character: the final sigma of a word is one with any other.
fn folded(text: &str) -> impl Iterator<Item = char> {
    let lower = text.chars().filter(|&c| !is_invisible(c)).nfkc().flat_map(char::to_lowercase);
    // A long s of German in capitals is two.
    lower
        .flat_map(|c| match c {
            'ς' => ['σ', '\0'],
            'ß' => ['s', 's'],
            c => [c, '\0'],
        })
        .filter(|&c| c != '\0')
}

fn keep_words(characters: impl Iterator<Item = char>, to: &mut String) {
    let mut characters = characters.peekable();
    let (mut last, mut gap) = (None::<char>, false);
    while let Some(c) = characters.next() {
        if is_word(c) {
            if gap && !to.is_empty() {
                to.push(' ');
            }
            to.push(c);
            (last, gap) = (Some(c), false);
            continue;
        }
        let after_word = !gap && last.is_some();
        let before_word = characters.peek().is_some_and(|&next| is_word(next));
        match c {
            '\'' | '\u{2019}' if after_word && before_word => {}
            '+' | '#' if after_word && last.is_some_and(|last| last.is_alphabetic() || matches!(last, '+' | '#')) => {
                // Its like may follow, and then no word: a+b are two.
                let mut run = 1;
                while characters.next_if_eq(&c).is_some() {
                    run += 1;
                }
                if characters.peek().is_none_or(|&next| !is_word(next)) {
                    to.extend(std::iter::repeat_n(c, run));
                }
                gap = true;
            }
            _ => gap = true,
        }
    }
}

fn is_word(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { c.is_alphanumeric() || is_combining_mark(c) }
}

/// Soft hyphen, zero-width space and joiners, word joiner, byte order mark, variation selectors; and NUL, which marks
/// nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\0' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}
