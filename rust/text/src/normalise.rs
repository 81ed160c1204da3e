//! One spelling for what reads the same: NFKC, no invisible characters, one apostrophe; lower case.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// `text` in NFKC (Unicode Standard Annex 15), so that composed and decomposed, full-width and ordinary forms are one.
/// Characters that only say where a line may break or letters join are left out.
pub(crate) fn normalise(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let plain = |c| !is_invisible(c) && c != '\u{2019}';
    if is_nfkc_quick(text.chars()) == IsNormalized::Yes && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    let visible = text.chars().filter(|&c| !is_invisible(c)).nfkc();
    Cow::Owned(visible.map(|c| if c == '\u{2019}' { '\'' } else { c }).collect())
}

/// `word` as it is compared: normalised and in lower case.
pub(crate) fn lower_case(word: &str) -> String {
    let mut lower = String::with_capacity(word.len());
    push_lower_case(&normalise(word), &mut lower);
    lower
}

/// Append the lower case of `word`. Character by character: the final sigma of a word is one with any other.
pub(crate) fn push_lower_case(word: &str, to: &mut String) {
    if word.is_ascii() {
        let start = to.len();
        to.push_str(word);
        to[start..].make_ascii_lowercase();
        return;
    }
    for c in word.chars() {
        to.extend(c.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c }));
    }
}

/// Soft hyphen, zero-width space and joiners, word joiner, byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}
