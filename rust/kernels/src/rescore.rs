//! The second stage of a search in two: exact scores for given candidates.

use std::sync::{Mutex, PoisonError};

use crate::backend::Backend;
use crate::element::{Corpus, Element, Table, on_table};
use crate::metric::Metric;
use crate::queries::{Queries, Way};
use crate::read_ahead::bring;
use crate::search::{Options, TopK, check};
use crate::select::{Key, key};
use crate::share_out::share_out;
use crate::{Error, Rows, exact, on_backend};

/// The `k` best of each query's `candidates`, scored and ordered as [`crate::top_k`] does.
///
/// `candidates`: shape (queries, `per_query`), rows of `corpus`, each at most once for a query. The options' mask must be
/// None: the first stage has applied it.
///
/// # Errors
/// See [`Error`]; [`Error::Candidate`] for a candidate that is no row.
pub fn rescore(
    queries: Rows<'_, f32>,
    corpus: Corpus<'_>,
    (candidates, per_query): (&[i64], usize),
    k: usize,
    metric: Metric,
    options: Options<'_>,
) -> Result<TopK, Error> {
    let task = Rescore { queries, candidates, per_query, k, metric, options };
    check(queries, corpus, options.mask)?;
    let expected = queries.len() * per_query;
    if candidates.len() != expected {
        return Err(Error::Length { what: "candidates", length: candidates.len(), expected });
    }
    if let Some(place) = candidates.iter().position(|&row| !usize::try_from(row).is_ok_and(|row| row < corpus.len())) {
        return Err(Error::Candidate(place));
    }
    on_backend!(backend => on_table!(corpus, table => rescore_of(backend, &task, table)))
}

/// The same for one query and a few candidates, on this thread: without what it takes to share out work. `keys`: room, to be
/// used again.
///
/// # Errors
/// As [`rescore`], but that a query that is not finite is only seen where a candidate is scored.
pub fn rescore_one(
    query: &[f32],
    corpus: Corpus<'_>,
    candidates: &[i64],
    k: usize,
    metric: Metric,
    keys: &mut Vec<u64>,
) -> Result<TopK, Error> {
    if query.len() != corpus.dimension() {
        return Err(Error::Dimension { queries: query.len(), corpus: corpus.dimension() });
    }
    let k = k.min(candidates.len());
    let mut result = TopK::reserved(k, 1)?;
    keys.clear();
    fill_keys((query, candidates, metric), corpus, keys)?;
    for &key in nearest_first(keys, k) {
        result.push(key);
    }
    Ok(result)
}

/// Append the keys of a query's candidates.
fn fill_keys(of: (&[f32], &[i64], Metric), corpus: Corpus<'_>, keys: &mut Vec<Key>) -> Result<(), Error> {
    on_backend!(backend => on_table!(corpus, table => keys_of(backend, of, table, keys)))
}

fn keys_of<B: Backend, E: Element>(
    backend: B,
    (query, candidates, metric): (&[f32], &[i64], Metric),
    table: Table<'_, E>,
    keys: &mut Vec<Key>,
) -> Result<(), Error> {
    let cosine = metric == Metric::Cosine;
    let norm = if cosine { backend.exact_squares(query).sqrt() } else { 1.0 };
    let mut room = vec![0.0; if E::F32 { 0 } else { query.len() }];
    let mut bad_row = None;
    for (place, &candidate) in candidates.iter().enumerate() {
        let row = usize::try_from(candidate).ok().filter(|&row| row < table.rows.len());
        let row = row.ok_or(Error::Candidate(place))?;
        let coming = candidates.get(place + AHEAD).and_then(|&coming| usize::try_from(coming).ok());
        if let Some(coming) = coming.filter(|&coming| coming < table.rows.len()) {
            let coming = table.rows.row(coming);
            backend.fetch(coming.as_ptr().cast(), size_of_val(coming));
        }
        let vector = table.vector(backend, row, &mut room);
        let sum = match metric {
            Metric::L2 => backend.exact_squared_difference(query, vector),
            Metric::InnerProduct | Metric::Cosine => backend.exact_dot(query, vector),
        };
        let norms = if cosine { norm * backend.exact_squares(vector).sqrt() } else { 1.0 };
        // Of what is not finite neither is the sum: f64 holds what f32 may sum up to.
        if sum.is_finite() {
            keys.push(key(exact::score(metric, sum, norms), row));
        } else {
            bad_row = Some(bad_row.map_or(row, |other: usize| other.min(row)));
        }
    }
    match bad_row {
        None => Ok(()),
        Some(_) if Rows::new(query, query.len())?.not_finite().is_some() => Err(Error::Query(0)),
        Some(row) => Err(Error::Row(row)),
    }
}

/// The `k` greatest keys, the greatest first.
fn nearest_first(keys: &mut [Key], k: usize) -> &[Key] {
    if k < keys.len() && k > 0 {
        keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
    }
    let best = &mut keys[..k];
    best.sort_unstable_by(|a, b| b.cmp(a));
    best
}

struct Rescore<'a> {
    queries: Rows<'a, f32>,
    candidates: &'a [i64],
    per_query: usize,
    k: usize,
    metric: Metric,
    options: Options<'a>,
}

/// Candidates that a thread scores at a time.
const STEP: usize = 512;

/// Candidates by which the one that is fetched is ahead of the one that is scored: they lie anywhere.
const AHEAD: usize = 2;

/// Candidates between two looks at whether it is interrupted: each may have to come from a disk.
const ASKED: usize = 32;

fn rescore_of<B: Backend, E: Element>(backend: B, task: &Rescore<'_>, table: Table<'_, E>) -> Result<TopK, Error> {
    let (queries, metric) = (task.queries, task.metric);
    let count = queries.len();
    let per_query = task.per_query;
    let k = task.k.min(per_query);
    let result = TopK::reserved(k, count)?;
    let mut keys = vec![0; task.candidates.len()];
    let steps: Vec<Mutex<(&[i64], &mut [Key])>> = if per_query == 0 {
        Vec::new()
    } else {
        let rows = task.candidates.chunks(per_query).zip(keys.chunks_mut(per_query));
        rows.flat_map(|(rows, keys)| rows.chunks(STEP).zip(keys.chunks_mut(STEP))).map(Mutex::new).collect()
    };
    let steps_per_query = per_query.div_ceil(STEP);
    let mapped = task.options.mapped;
    let state = || (vec![0.0; table.rows.dimension()], None::<(usize, Queries)>);
    // Candidates come in any order: the lowest bad row may be in any part.
    share_out(
        steps.len(),
        task.options,
        |_| 0,
        state,
        |(vector, query), step, stop| {
            let number = step / steps_per_query;
            let query = match query {
                Some((prepared, query)) if *prepared == number => query,
                other => {
                    let prepared = Queries::new::<B>(metric, Way::Few, queries, number, number + 1);
                    &mut other.insert((number, prepared)).1
                }
            };
            let mut step = steps[step].lock().unwrap_or_else(PoisonError::into_inner);
            let (rows, keys) = &mut *step;
            if mapped {
                // One after the other, each would be waited for.
                bring(rows.len(), |i| table.rows.row(rows[i] as usize));
            }
            let mut bad_row = usize::MAX;
            for (i, (&row, to)) in rows.iter().zip(keys.iter_mut()).enumerate() {
                if i.is_multiple_of(ASKED) && stop() {
                    break;
                }
                if let Some(&coming) = rows.get(i + AHEAD) {
                    let coming = table.rows.row(coming as usize);
                    backend.fetch(coming.as_ptr().cast(), size_of_val(coming));
                }
                let row = row as usize;
                let vector = table.vector(backend, row, vector);
                // The sum of squares of a row that is not finite is not finite either.
                let square = backend.exact_squares(vector);
                if square.is_finite() {
                    *to = key(query.score(backend, 0, vector, square.sqrt()), row);
                } else {
                    bad_row = bad_row.min(row);
                }
            }
            if bad_row == usize::MAX { Ok(()) } else { Err((bad_row, Error::Row(bad_row))) }
        },
    )?;
    drop(steps);
    let best = keys.chunks_mut(per_query.max(1)).map(|keys| nearest_first(keys, k).to_vec());
    Ok(result.filled(best))
}
