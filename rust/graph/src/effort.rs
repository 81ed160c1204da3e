//! How far to walk for a recall that is aimed at, measured on a sample.

use crossfade_kernels::{Corpus, Options, Rows, top_k};

use crate::error::Error;
use crate::level::mixed;
use crate::open::Graph;
use crate::plan::Ways;
use crate::search::{Search, search_without};

/// An effort, and what it was worth on the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// The least `ef`, but for a sixteenth, with which the sample reached the target; or the greatest that was tried.
    pub ef: usize,
    /// The recall at k that it had on the sample: the share of the k best scores that walks found.
    pub recall: f64,
    /// The standard error of that: the standard deviation of the queries' recalls over the square root of their number.
    /// The recall of all queries like these is within two of it, in 19 of 20 samples.
    pub standard_error: f64,
    /// Queries of the sample.
    pub queries: usize,
    /// Whether the target was reached.
    pub reached: bool,
}

/// Find `ef` for a `target` recall at `k`, from more than 0 to 1, without a mask.
///
/// `queries`: a sample of those that will come; None draws `sample` rows of the corpus by `seed`, each of which is left out
/// of its own results and, where no two rows are equal, out of the walk: it would lead to its neighbours by its own links.
/// Even so, rows can be easier than queries: others have chosen their links with them there.
///
/// A row counts as found when its score is at least the k-th best score: of rows that score the same, any will do.
///
/// # Errors
/// As [`crate::search`]; [`Error::Setting`] for a target out of its range or no queries.
pub fn ef_for_recall(
    graph: &Graph,
    file: &[u8],
    (corpus, queries): (Corpus<'_>, Option<Rows<'_, f32>>),
    (target, k): (f64, usize),
    (sample, seed): (usize, u64),
    options: Options<'_>,
) -> Result<Effort, Error> {
    if !(target > 0.0 && target <= 1.0) {
        return Err(Error::Setting(format!("target must be greater than 0 and at most 1, not {target}")));
    }
    if k == 0 {
        return Err(Error::Setting("k must be at least 1, not 0".to_owned()));
    }
    graph.check_shape(corpus)?;
    let options = Options { mask: None, ..options };
    let (drawn, vectors) = if queries.is_some() { (Vec::new(), Vec::new()) } else { draw(corpus, sample, seed) };
    let queries = match queries {
        Some(queries) => queries,
        None => Rows::new(&vectors, corpus.dimension())?,
    };
    if queries.is_empty() {
        return Err(Error::Setting("there is no query to measure with: give some, or vectors to draw from".to_owned()));
    }
    let extra = usize::from(!drawn.is_empty());
    let wanted = k.saturating_add(extra);
    let exact = top_k(queries, corpus, wanted, graph.facts().metric, options)?;
    let least: Vec<f32> = without(&exact.scores, &exact.indices, exact.k, &drawn)
        .map(|scores| scores.last().copied().unwrap_or(f32::INFINITY))
        .collect();
    // Equal rows share a node: what equals a drawn row is a result.
    let twins = graph.sections(file)?.twins;
    let left_out: Vec<i64> = if twins.0.is_empty() { drawn.clone() } else { Vec::new() };
    let measure = |ef: usize| -> Result<Effort, Error> {
        let asked = Search { k: wanted, ef, ways: Ways::Walk };
        let found = search_without(graph, file, (corpus, queries), asked, &left_out, options)?.best;
        let recalls: Vec<f64> = without(&found.scores, &found.indices, found.k, &drawn)
            .zip(&least)
            .map(|(scores, least)| {
                let hits = scores.iter().filter(|score| *score >= least).count();
                if scores.is_empty() { 1.0 } else { hits as f64 / scores.len() as f64 }
            })
            .collect();
        Ok(summary(ef, &recalls, target))
    };
    let most = corpus.len().clamp(1, MOST_EF);
    let (mut low, mut high) = (0, measure(wanted.min(most))?);
    while !high.reached && high.ef < most {
        low = high.ef;
        high = measure((2 * high.ef).min(most))?;
    }
    // With more, a walk finds more, but for a few queries: halving ends beside the least that does.
    while high.reached && low > 0 && high.ef - low > (high.ef / 16).max(1) {
        let middle = measure(low.midpoint(high.ef))?;
        if middle.reached { high = middle } else { low = middle.ef }
    }
    Ok(high)
}

/// The greatest `ef` that is tried.
const MOST_EF: usize = 1 << 14;

/// Rows of the corpus, as queries.
fn draw(corpus: Corpus<'_>, sample: usize, seed: u64) -> (Vec<i64>, Vec<f32>) {
    let (rows, dimension) = (corpus.len(), corpus.dimension());
    let mut drawn: Vec<i64> = if sample >= rows {
        (0..rows as i64).collect()
    } else {
        (0..2 * sample as u64).map(|i| (mixed(seed ^ mixed(i)) % rows as u64) as i64).collect()
    };
    drawn.sort_unstable();
    drawn.dedup();
    // In an order of their own again, or the last rows would be left out.
    drawn.sort_by_key(|&row| mixed(seed ^ row as u64));
    drawn.truncate(sample);
    let mut vectors = vec![0.0; drawn.len() * dimension];
    for (&row, vector) in drawn.iter().zip(vectors.chunks_mut(dimension)) {
        corpus.decode(row as usize, vector);
    }
    (drawn, vectors)
}

/// The scores of each query, without that of its own row, or else without the last.
fn without<'s>(scores: &'s [f32], rows: &'s [i64], k: usize, drawn: &'s [i64]) -> impl Iterator<Item = Vec<f32>> + 's {
    scores.chunks(k.max(1)).zip(rows.chunks(k.max(1))).enumerate().map(|(query, (scores, rows))| {
        let mut scores = scores.to_vec();
        if let Some(own) = drawn.get(query) {
            let place = rows.iter().position(|row| row == own).unwrap_or(scores.len().saturating_sub(1));
            if place < scores.len() {
                scores.remove(place);
            }
        }
        scores
    })
}

fn summary(ef: usize, recalls: &[f64], target: f64) -> Effort {
    let n = recalls.len() as f64;
    let mean = recalls.iter().sum::<f64>() / n;
    let squares: f64 = recalls.iter().map(|recall| (recall - mean).powi(2)).sum();
    let standard_error = if recalls.len() < 2 { 0.0 } else { (squares / (n - 1.0) / n).sqrt() };
    Effort { ef, recall: mean, standard_error, queries: recalls.len(), reached: mean >= target }
}
