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
    let mut start = 0;
    let mut since_start = 0;
    let mut before = [None; 2];
    let mut characters = word.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let next = characters.peek().map(|&(_, next)| next);
        let cut = c.is_uppercase() && before[0].is_some_and(char::is_lowercase)
            || c.is_uppercase() && before[0].is_some_and(char::is_uppercase) && next.is_some_and(char::is_lowercase);
        let alone = next.is_none()
            || c.is_uppercase() && next.is_some_and(|next| next.is_lowercase()) && {
                // `URLs`: the plural of capitals.
                before[0].is_some_and(char::is_uppercase) && word[at + c.len_utf8()..].chars().nth(1).is_none()
            };
        if cut && since_start >= 2 && !alone {
            each(&word[start..at]);
            (start, since_start) = (at, 0);
        }
        since_start += 1;
        before = [Some(c), before[0]];
    }
    if start > 0 {
        each(&word[start..]);
    }
}
