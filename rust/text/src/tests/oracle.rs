//! BM25 in ten lines.

use crate::lengths::{code, length};
use crate::{Analyser, Settings};

/// The tokens of a text.
pub(crate) fn tokens(text: &str, settings: &Settings) -> Vec<String> {
    let mut tokens = Vec::new();
    Analyser::new(settings).tokens(text, |token| tokens.push(token.to_owned()));
    tokens
}

/// The score of every row, in f64; and how many terms of the query it has.
pub(crate) fn scores(query: &str, texts: &[&str], settings: &Settings, k1: f64, b: f64) -> Vec<(f64, usize)> {
    let rows: Vec<Vec<String>> = texts.iter().map(|text| tokens(text, settings)).collect();
    let n = rows.len() as f64;
    let average = rows.iter().map(Vec::len).sum::<usize>() as f64 / n;
    let query = tokens(query, settings);
    let rows_with = |token: &String| rows.iter().filter(|row| row.contains(token)).count() as f64;
    let df: Vec<f64> = query.iter().map(rows_with).collect();
    let score = |row: &Vec<String>| {
        let matching: Vec<_> = query.iter().zip(&df).filter(|(token, _)| row.contains(token)).collect();
        let kept = f64::from(length(code(row.len() as u32)));
        let one = |&(token, df): &(&String, &f64)| {
            let tf = row.iter().filter(|other| *other == token).count() as f64;
            (1.0 + (n - df + 0.5) / (df + 0.5)).ln() * tf / (tf + k1 * (1.0 - b + b * kept / average))
        };
        (matching.iter().map(one).sum(), matching.len())
    };
    rows.iter().map(score).collect()
}

/// How far a score may be from the exact one, which has `terms` tokens of the query.
///
/// Each distinct term is rounded to a unit, and is at least one; before that, an idf and a fraction of f64 have a few
/// roundings each: 16 stands for them, and for those of the oracle's own sum.
pub(crate) fn tolerance(score: f64, terms: usize) -> f64 {
    terms as f64 * crate::units::UNIT + (16 + terms) as f64 * f64::EPSILON * score
}
