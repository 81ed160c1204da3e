//! The parts of a word in camel case.

/// Call `each` with the parts of `word`, where it has more than one: `CamelCase`, `getUserName`, `HTTPServer`.
///
/// It is parted before a capital after a small letter, and before the last of several capitals that a small letter
/// follows. Both sides of a cut have at least two characters, so that `iPhone`, `kHz` and `GmbH` stay whole.
pub(crate) fn camel_parts(word: &str, mut each: impl FnMut(&str)) {
    // The first capital says nothing, and most words have no other.
    if word.is_ascii() && !word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase()) {
        return;
    }
    let (mut start, mut length, mut before) = (0, 0, ' ');
    let mut characters = word.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let next = characters.peek().map(|&(_, next)| next);
        let capital = c.is_uppercase() && next.is_some() && length >= 2;
        let last_capital = before.is_uppercase()
            && next.is_some_and(char::is_lowercase)
            // `URLs`: the plural of capitals.
            && word[at..].chars().nth(2).is_some();
        if capital && (before.is_lowercase() || last_capital) {
            each(&word[start..at]);
            (start, length) = (at, 0);
        }
        length += 1;
        before = c;
    }
    if start > 0 {
        each(&word[start..]);
    }
}
