//! A text as runs: words that punctuation without blanks holds together, such as `foo_bar.baz` or `well-known`.

use unicode_normalization::char::is_combining_mark;

/// Words joined without a blank.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Byte ranges of its words, in order; at least one.
    pub(crate) words: Vec<(usize, usize)>,
    /// Where the whole ends: at its last word, or after a `++` or `#` behind it.
    pub(crate) end: usize,
    /// Whether something in it says that it is no prose.
    pub(crate) code: bool,
    /// Whether it is letters with dots between, as `e.g` or `U.S`: no word of it means anything.
    pub(crate) abbreviation: bool,
}

/// Call `each` with every run of `text`. Memory O(the longest run), time O(text).
pub(crate) fn runs(text: &str, run: &mut Run, mut each: impl FnMut(&Run)) {
    let mut at = 0;
    while let Some((start, first)) = next_word(text, at) {
        run.words.clear();
        (run.code, run.abbreviation, run.end) = (false, false, start);
        if is_ideograph(first) {
            at = start + first.len_utf8();
            run.words.push((start, at));
            run.end = at;
            each(run);
            continue;
        }
        let (mut from, mut digits, mut binding, mut dotted) = (start, false, false, true);
        loop {
            let (end, has_digit) = word_end(text, from);
            run.words.push((from, end));
            digits |= has_digit;
            dotted &= !has_digit && text[from..end].chars().nth(1).is_none();
            at = end;
            run.end = end;
            let Some(joiner) = joiner(&text[end..]) else { break };
            let next = text[end + joiner.length..].chars().next();
            if next.is_some_and(|c| is_word(c) && !is_ideograph(c)) {
                binding |= joiner.binding;
                dotted &= text.as_bytes()[end] == b'.';
                from = end + joiner.length;
            } else {
                // C++, C#: only where no letter follows.
                if joiner.suffix {
                    (binding, dotted, run.end, at) = (true, false, end + joiner.length, end + joiner.length);
                }
                break;
            }
        }
        run.code = binding || (digits && run.words.len() > 1);
        run.abbreviation = dotted && run.words.len() > 1;
        each(run);
    }
}

/// Letters, digits, and marks on them; of the ASCII characters, the letters and digits.
pub(crate) fn is_word(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { c.is_alphanumeric() || is_combining_mark(c) }
}

/// Han and Hiragana are written without blanks: each character is a word, as in Unicode Standard Annex 29.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{309f}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn next_word(text: &str, at: usize) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    let mut at = at;
    // Most of what lies between words is a blank.
    while at < bytes.len() && bytes[at].is_ascii() && !bytes[at].is_ascii_alphanumeric() {
        at += 1;
    }
    text[at..].char_indices().find(|&(_, c)| is_word(c)).map(|(offset, c)| (at + offset, c))
}

/// Where the word that starts at `start` ends, and whether it has a digit. An apostrophe between letters is of the word.
fn word_end(text: &str, start: usize) -> (usize, bool) {
    let bytes = text.as_bytes();
    let (mut at, mut digit) = (start, false);
    loop {
        while at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
            digit |= bytes[at].is_ascii_digit();
            at += 1;
        }
        match text[at..].chars().next() {
            Some(c) if !c.is_ascii() && is_word(c) && !is_ideograph(c) => {
                digit |= c.is_numeric();
                at += c.len_utf8();
            }
            Some('\'') if between_letters(text, at) => at += 1,
            _ => return (at, digit),
        }
    }
}

fn between_letters(text: &str, at: usize) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() && !is_ideograph(c));
    letter(text[..at].chars().next_back()) && letter(text[at + 1..].chars().next())
}

/// What may stand between two words of a run.
pub(crate) struct Joiner {
    length: usize,
    /// Whether it makes code of any two words: prose has `well-known` and `and/or`, but no `foo_bar` or `R&D`.
    pub(crate) binding: bool,
    /// Whether it may also end a run, as in `C++` and `C#`.
    suffix: bool,
}

/// What `rest` begins with, if that may stand between two words.
pub(crate) fn joiner(rest: &str) -> Option<Joiner> {
    let bytes = rest.as_bytes();
    let found = |length, binding, suffix| Some(Joiner { length, binding, suffix });
    match bytes {
        [b'_', ..] => found(bytes.iter().take_while(|&&byte| byte == b'_').count(), true, false),
        [b':', b':', ..] | [b'-', b'>', ..] => found(2, true, false),
        [b'+', b'+', ..] => found(2, true, true),
        [b'#', ..] => found(1, true, true),
        [b'.' | b'@' | b'&' | b'\\', ..] => found(1, true, false),
        [b'-' | b'/' | b':' | b'+', ..] => found(1, false, false),
        _ => None,
    }
}
