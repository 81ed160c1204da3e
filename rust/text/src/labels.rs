//! Codes within a run, which others stand beside without a blank: `ERR_0x80070005` in `code:ERR_0x80070005:denied`.
//!
//! Log lines, paths and tables write a label before a code, or a number behind it. What stands between `:` or `\` is a code
//! of its own; and without the words that a `/` puts before or behind it, in which no digit is: `AB-12/9` in `part/AB-12/9`,
//! and `foo_bar.rs` in `src/foo_bar.rs`. Dates, versions and `AB-12/9` itself stay as they are.

use crate::runs::{Run, joiner};

/// Call `each` with the byte range of every code in a run that is not all of it: of two words at least.
pub(crate) fn codes_within(text: &str, run: &Run, mut each: impl FnMut(usize, usize)) {
    let words = &run.words;
    let mut first = 0;
    while first < words.len() {
        let apart = |&last: &usize| last + 1 == words.len() || stands(text, run, last, b":\\");
        let last = (first..words.len()).find(apart).unwrap_or(words.len() - 1);
        if last - first + 1 < words.len() {
            tell(text, run, (first, last), &mut each);
        }
        let (mut from, mut to) = (first, last);
        while from < to && is_label(text, words[from]) && stands(text, run, from, b"/") {
            from += 1;
        }
        while from < to && is_label(text, words[to]) && stands(text, run, to - 1, b"/") {
            to -= 1;
        }
        if (from, to) != (first, last) {
            tell(text, run, (from, to), &mut each);
        }
        first = last + 1;
    }
}

fn tell(text: &str, run: &Run, (first, last): (usize, usize), each: &mut impl FnMut(usize, usize)) {
    let ends = last + 1 == run.words.len();
    let end = if ends { run.end } else { run.words[last].1 };
    let suffix = end > run.words[last].1;
    let binding = (first..last).any(|word| joiner(&text[run.words[word].1..]).is_some_and(|joiner| joiner.binding));
    let digits = || run.words[first..=last].iter().any(|&word| !is_label(text, word));
    if last > first && (suffix || binding || digits()) {
        each(run.words[first].0, end);
    }
}

/// Whether one of these, and nothing else, is between a word and the next.
fn stands(text: &str, run: &Run, word: usize, among: &[u8]) -> bool {
    let between = &text.as_bytes()[run.words[word].1..run.words[word + 1].0];
    between.len() == 1 && among.contains(&between[0])
}

fn is_label(text: &str, (from, to): (usize, usize)) -> bool {
    !text[from..to].contains(char::is_numeric)
}
