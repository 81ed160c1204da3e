//! Codes within a run, which others stand beside without a blank: `ERR_0x80070005` in `code:ERR_0x80070005:denied`.
//!
//! Log lines, paths and tables write a label before a code, or a number behind it. What stands between `:` or `\` is a code
//! of its own; and without what a `/` puts before it, or behind, and in which no digit is: `AB-12/9` in `part/AB-12/9`, and
//! `foo_bar.rs` in `src/my-app/foo_bar.rs`. Dates, versions and `AB-12/9` itself stay as they are.

use crate::runs::{Run, joiner};

/// Call `each` with the byte range of every code in a run that is not all of it.
pub(crate) fn codes_within(text: &str, run: &Run, mut each: impl FnMut(usize, usize)) {
    let words = &run.words;
    let mut first = 0;
    while first < words.len() {
        let last = end_of_part(text, run, (first, words.len() - 1), b":\\");
        if last - first + 1 < words.len() {
            tell(text, run, (first, last), &mut each);
        }
        let (mut from, mut to) = (first, last);
        loop {
            let end = end_of_part(text, run, (from, to), b"/");
            if end == to || !are_labels(text, &words[from..=end]) {
                break;
            }
            from = end + 1;
        }
        loop {
            let start = (from + 1..=to).rev().find(|&word| stands(text, run, word - 1, b"/"));
            match start {
                Some(start) if are_labels(text, &words[start..=to]) => to = start - 1,
                _ => break,
            }
        }
        if (from, to) != (first, last) {
            tell(text, run, (from, to), &mut each);
        }
        first = last + 1;
    }
}

/// The last of the words from the first on that none of these parts from it.
fn end_of_part(text: &str, run: &Run, (first, last): (usize, usize), among: &[u8]) -> usize {
    (first..last).find(|&word| stands(text, run, word, among)).unwrap_or(last)
}

fn tell(text: &str, run: &Run, (first, last): (usize, usize), each: &mut impl FnMut(usize, usize)) {
    let ends = last + 1 == run.words.len();
    let end = if ends { run.end } else { run.words[last].1 };
    let suffix = end > run.words[last].1;
    let binding = (first..last).any(|word| joiner(&text[run.words[word].1..]).is_some_and(|joiner| joiner.binding));
    // C++ is one with a single word.
    if suffix || (last > first && (binding || !are_labels(text, &run.words[first..=last]))) {
        each(run.words[first].0, end);
    }
}

/// Whether one of these, and nothing else, is between a word and the next.
fn stands(text: &str, run: &Run, word: usize, among: &[u8]) -> bool {
    let between = &text.as_bytes()[run.words[word].1..run.words[word + 1].0];
    between.len() == 1 && among.contains(&between[0])
}

/// Whether no digit is in any of them.
fn are_labels(text: &str, words: &[(usize, usize)]) -> bool {
    words.iter().all(|&(from, to)| !text[from..to].contains(char::is_numeric))
}
