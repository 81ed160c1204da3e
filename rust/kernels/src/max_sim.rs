//! Late interaction (Khattab and Zaharia 2020, `ColBERT`): each token of the query looks for its best token of the
//! document, and the document's score is the sum of what they found.

use std::sync::{Mutex, PoisonError};

use crate::aligned::Aligned;
use crate::backend::Backend;
use crate::bound::{MOST_SQUARE, below, norm_above};
use crate::element::{Corpus, Element, Table, on_table};
use crate::metric::Metric;
use crate::queries::{Queries, Way};
use crate::scan::Bits;
use crate::search::{Options, check};
use crate::share_out::share_out;
use crate::{Error, Rows, on_backend};

/// Σ over the query's tokens of the greatest inner product with a token of the document, for each document. Products and
/// sum are computed in f64 and the sum is rounded to f32.
///
/// `query`: one token a row. `tokens`: those of all documents; those of document i are the rows from `offsets[i]` to
/// before `offsets[i + 1]`. The options' mask must be None.
///
/// # Errors
/// See [`Error`].
pub fn max_sim(
    query: Rows<'_, f32>,
    tokens: Corpus<'_>,
    offsets: &[i64],
    options: Options<'_>,
) -> Result<Vec<f32>, Error> {
    check(query, tokens, options.mask)?;
    let offsets = check_offsets(offsets, tokens.len())?;
    on_backend!(backend => max_sim_with(backend, query, tokens, &offsets, options))
}

fn check_offsets(offsets: &[i64], tokens: usize) -> Result<Vec<usize>, Error> {
    let mut checked = Vec::with_capacity(offsets.len());
    for (i, &offset) in offsets.iter().enumerate() {
        let offset = usize::try_from(offset).map_err(|_| Error::Offsets(i))?;
        match checked.last() {
            None if offset != 0 => return Err(Error::Offsets(i)),
            Some(&last) if offset < last || offset > tokens => return Err(Error::Offsets(i)),
            Some(&last) if offset == last => return Err(Error::EmptyDocument(i - 1)),
            _ => checked.push(offset),
        }
    }
    if checked.last() != Some(&tokens) {
        return Err(Error::Offsets(offsets.len().saturating_sub(1)));
    }
    Ok(checked)
}

/// `max_sim` on a given back end.
pub(crate) fn max_sim_with<B: Backend>(
    backend: B,
    query: Rows<'_, f32>,
    tokens: Corpus<'_>,
    offsets: &[usize],
    options: Options<'_>,
) -> Result<Vec<f32>, Error> {
    on_table!(tokens, table => max_sim_of(backend, query, table, offsets, options))
}

/// Tokens of a document that are compared at once, as many as fill some tiles of any back end.
const TOKENS: usize = 48;

/// Products of elements that a thread takes at a time, at least.
const STEP: usize = 1 << 22;

fn max_sim_of<B: Backend, E: Element>(
    backend: B,
    query: Rows<'_, f32>,
    table: Table<'_, E>,
    offsets: &[usize],
    options: Options<'_>,
) -> Result<Vec<f32>, Error> {
    let documents = offsets.len() - 1;
    let mut scores = vec![0.0; documents];
    let tokens_per_document = table.rows.len() / documents.max(1) + 1;
    let products = query.len().max(1) * table.rows.dimension() * tokens_per_document;
    let step = (STEP / products).clamp(1, documents.max(1));
    let chunks: Vec<Mutex<&mut [f32]>> = scores.chunks_mut(step).map(Mutex::new).collect();
    let queries = Queries::new::<B>(Metric::InnerProduct, Way::Float, query, 0, query.len());
    let state = || Worker::new(backend, table, &queries);
    share_out(
        chunks.len(),
        options,
        |chunk| offsets[chunk * step],
        state,
        |worker, chunk, stop| {
            let mut scores = chunks[chunk].lock().unwrap_or_else(PoisonError::into_inner);
            for (pair, score) in offsets[chunk * step..].windows(2).zip(scores.iter_mut()) {
                *score = worker.document(pair[0], pair[1], stop).map_err(|row| (row, Error::Row(row)))?;
            }
            Ok(())
        },
    )?;
    drop(chunks);
    Ok(scores)
}

struct Worker<'a, B, E> {
    backend: B,
    table: Table<'a, E>,
    queries: &'a Queries,
    floats: Aligned<f32>,
    products: Aligned<f32>,
    /// By query token: the greatest product so far.
    best: Vec<f64>,
}

impl<'a, B: Backend, E: Element> Worker<'a, B, E> {
    fn new(backend: B, table: Table<'a, E>, queries: &'a Queries) -> Self {
        Self {
            backend,
            table,
            queries,
            floats: Aligned::zeroed(if E::F32 { 0 } else { TOKENS * table.rows.dimension() }),
            products: Aligned::zeroed(TOKENS * B::LANES * B::VECTORS),
            best: vec![0.0; queries.len()],
        }
    }

    /// The score of the document that has the rows `start..end`; of no meaning after a stop. The error is the first row
    /// that is not finite.
    fn document(&mut self, start: usize, end: usize, stop: &dyn Fn() -> bool) -> Result<f32, usize> {
        self.best.fill(f64::NEG_INFINITY);
        for first in (start..end).step_by(TOKENS) {
            // A document may be long.
            if stop() {
                break;
            }
            self.block(first, end.min(first + TOKENS))?;
        }
        let sum: f64 = self.best.iter().sum();
        Ok(sum.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) as f32 + 0.0)
    }

    fn block(&mut self, start: usize, end: usize) -> Result<(), usize> {
        let (dimension, count) = (self.table.rows.dimension(), end - start);
        if !E::F32 {
            for (row, to) in (start..end).zip(self.floats.chunks_exact_mut(dimension)) {
                E::decode(self.backend, self.table.rows.row(row), self.table.scale(row), to);
            }
        }
        let mut rows = [&[][..]; TOKENS];
        for (i, to) in rows.iter_mut().enumerate().take(count) {
            let row = self.table.rows.row(start + i);
            *to = E::as_f32(row).unwrap_or_else(|| &self.floats[i * dimension..][..dimension]);
        }
        let rows = &rows[..count];
        let (mut most, mut wild) = (0.0_f32, 0_u64);
        for (i, row) in rows.iter().enumerate() {
            let square = self.backend.squares(row);
            if square <= MOST_SQUARE {
                most = most.max(square);
            } else if row.iter().all(|x| x.is_finite()) {
                wild |= 1 << i;
            } else {
                return Err(start + i);
            }
        }
        let norm = norm_above(most, dimension);
        for (first, lanes) in self.queries.panels::<B>() {
            let products = &mut self.products[..count * lanes];
            self.backend.products(self.queries.floats(first, lanes), lanes, rows, products);
            let mut greatest = [f32::NEG_INFINITY; 64];
            for (i, products) in products.chunks_exact(lanes).enumerate() {
                if wild >> i & 1 == 0 {
                    for (greatest, &product) in greatest.iter_mut().zip(products) {
                        *greatest = greatest.max(product);
                    }
                }
            }
            // What is below the greatest of the block by twice the slack has a lesser score; and what is below the best
            // score of an earlier block by the slack.
            for (lane, greatest) in greatest.iter_mut().enumerate().take(lanes.min(self.queries.len() - first)) {
                let bound = &self.queries.bounds[first + lane];
                let best = bound.base(below(self.best[first + lane])) - bound.slack * norm;
                *greatest = (*greatest - 2.0 * bound.slack * norm).max(best);
            }
            let queries = lanes.min(self.queries.len() - first);
            // What pads the panel counts for nothing.
            greatest[queries..].fill(f32::INFINITY);
            for (i, products) in products.chunks_exact(lanes).enumerate() {
                let all = u64::MAX >> (64 - queries);
                let hits =
                    if wild >> i & 1 == 1 { all } else { self.backend.at_least(products, &greatest[..lanes]) & all };
                for lane in Bits(hits) {
                    let best = &mut self.best[first + lane];
                    *best = best.max(self.queries.product(self.backend, first + lane, rows[i]));
                }
            }
        }
        Ok(())
    }
}
