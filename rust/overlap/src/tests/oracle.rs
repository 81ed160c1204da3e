//! The obvious twin: every pair, sets of strings.

use std::collections::BTreeSet;

use crate::normalise;
use crate::shingles::{is_unspaced, unspaced_words};
use crate::{Kind, Settings};

type Set = BTreeSet<String>;

/// Each pair as text, known text, kind, similarity.
pub(super) fn find(
    texts: &[String],
    known: &[String],
    s: &Settings,
    contained: bool,
) -> Vec<(usize, usize, Kind, f64)> {
    let mut found = vec![];
    for (i, text) in texts.iter().enumerate() {
        for (j, other) in known.iter().enumerate() {
            if let Some((kind, similarity)) = compare(text, other, s, contained) {
                found.push((i, j, kind, similarity));
            }
        }
    }
    found
}

fn compare(text: &str, known: &str, s: &Settings, contained: bool) -> Option<(Kind, f64)> {
    let (a, b) = (normalise(text), normalise(known));
    if a.is_empty() || b.is_empty() {
        return None;
    }
    if a == b {
        return Some((if text == known { Kind::Exact } else { Kind::Normalised }, 1.0));
    }
    let (some, more) = (numbers(&a), numbers(&b));
    let (shared, fewer) = (some.intersection(&more).count() as f64, some.len().min(more.len()) as f64);
    if s.numbers && fewer > 0.0 && shared / fewer < 0.9 {
        return None;
    }
    if let Some((a, b)) = short(&a, s).zip(short(&b, s)) {
        let like = a.intersection(&b).count() as f64 / a.union(&b).count() as f64;
        if like >= s.characters {
            return Some((Kind::Characters, like));
        }
    }
    let (a, b) = long(&a, s).zip(long(&b, s))?;
    let shared = a.intersection(&b).count() as f64;
    let like = shared / a.union(&b).count() as f64;
    if like >= s.phrases {
        return Some((Kind::Phrases, like));
    }
    let within = shared / a.len().min(b.len()) as f64;
    (contained && within >= s.containment).then_some((Kind::Containment, within))
}

fn words(normal: &str) -> Vec<String> {
    let mut words = vec![];
    if normal.chars().any(char::is_alphanumeric) {
        normal.split(' ').for_each(|word| unspaced_words(word, |word| words.push(word.to_owned())));
    }
    words
}

fn numbers(normal: &str) -> Set {
    normal.split(' ').filter(|word| word.chars().any(char::is_numeric)).map(str::to_owned).collect()
}

fn short(normal: &str, s: &Settings) -> Option<Set> {
    if !(1..=s.short_words).contains(&words(normal).len()) {
        return None;
    }
    let pieces = |word: &str| -> Vec<String> {
        let unspaced = word.chars().any(is_unspaced);
        let padded: Vec<char> = if unspaced { word.to_owned() } else { format!("^{word}$") }.chars().collect();
        let size = if unspaced { 2 } else { 4 }.min(padded.len());
        padded.windows(size).map(|piece| piece.iter().collect()).collect()
    };
    Some(normal.split(' ').flat_map(pieces).collect())
}

fn long(normal: &str, s: &Settings) -> Option<Set> {
    let words = words(normal);
    (words.len() >= s.least_words).then(|| words.windows(3).map(|three| three.join(" ")).collect())
}
