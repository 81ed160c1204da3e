//! What is asked for: the best rows of several parts, for each of many queries.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::best::Best;
use crate::mask::Mask;
use crate::plan::{Plan, Statistics, Term, terms};
use crate::scan::{Scan, Window};
use crate::units;
use crate::{Analyser, Bm25, Error, Segment, Settings, View};

/// Most tokens of a query, each counted as often as it comes.
pub const MOST_QUERY_TOKENS: usize = 4096;

/// Most rows of a part: tantivy keeps one bit of 32, and one row.
pub(crate) const MOST_ROWS: u64 = (1 << 31) - 2;

/// Queries for which a thread is worth its start.
const QUERIES_PER_THREAD: usize = 4;

/// The rows of a part.
#[derive(Clone, Copy)]
pub enum Rows<'a> {
    /// Of a segment.
    Segment(&'a Segment),
    /// Of a tail, as far as it is looked at.
    Tail(&'a View),
}

/// A part, and which of its rows may be found.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Its rows.
    pub rows: Rows<'a>,
    /// None for all, or one bit a row: bit i of byte j is row 8 j + i. What the last byte holds beyond is ignored.
    pub mask: Option<&'a [u8]>,
}

/// How a search is done.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Settings of the formula.
    pub bm25: Bm25,
    /// How many rows beyond k a search gives at most, of those that score as the k-th: whoever orders them otherwise
    /// needs them all, and has them where there are fewer than that. Where there are more, some.
    pub ties: usize,
    /// How many threads; 0 is one for every core.
    pub threads: usize,
    /// Asked now and then, by the calling thread alone, whether to stop.
    pub interrupted: Option<&'a dyn Fn() -> bool>,
}

/// The rows of each query, best first: score descending, then part, then row.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Query i has the rows from `offsets[i]` to before `offsets[i + 1]`.
    pub offsets: Vec<usize>,
    /// The place of each row's part.
    pub parts: Vec<u32>,
    /// Each row, counted in its part.
    pub rows: Vec<u32>,
    /// Each row's score.
    pub scores: Vec<f64>,
}

impl Rows<'_> {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Segment(segment) => segment.rows(),
            Self::Tail(view) => view.rows(),
        }
    }

    pub(crate) fn tokens(&self) -> u64 {
        match self {
            Self::Segment(segment) => segment.tokens(),
            Self::Tail(view) => view.tokens(),
        }
    }

    /// The byte of a row's length, see `lengths`.
    pub(crate) fn length(&self, row: u32) -> u8 {
        match self {
            Self::Segment(segment) => segment.lengths()[row as usize],
            Self::Tail(view) => view.length(row),
        }
    }

    fn analyser(&self) -> &Analyser {
        match self {
            Self::Segment(segment) => segment.analyser(),
            Self::Tail(view) => view.analyser(),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        match self {
            Self::Segment(segment) => segment.settings(),
            Self::Tail(view) => view.settings(),
        }
    }
}

/// The best `k` rows that have a token of the query, for each query; fewer where fewer have one. After them those that
/// tie with the last, as many as the options ask for.
///
/// Rows, tokens and the rows that have a token are counted over all parts, whatever the masks say: a mask moves no
/// score. The result depends neither on threads nor on the batch nor on how rows are split into parts, but for the
/// order of rows whose scores are equal.
///
/// # Errors
/// [`Error::MixedSettings`], [`Error::Mask`], [`Error::QueryTooLong`] (of the first such query), [`Error::Damaged`],
/// [`Error::Interrupted`].
pub fn search<T: AsRef<str> + Sync>(
    queries: &[T],
    parts: &[Part<'_>],
    k: usize,
    options: Options<'_>,
) -> Result<Found, Error> {
    let mut found = Found { offsets: vec![0], parts: vec![], rows: vec![], scores: vec![] };
    let Some(analyser) = check(parts)? else {
        found.offsets.resize(queries.len() + 1, 0);
        return Ok(found);
    };
    let mut one = analyser.clone();
    let read = |(place, query): (usize, &T)| terms(&mut one, query.as_ref(), place);
    let planned = queries.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    let statistics = Statistics::of(parts, options.bm25);
    let answers = share_out(planned, options, |terms, window| {
        answer(terms, parts, Best::new(k, options.ties), &statistics, window)
    })?;
    for best in answers {
        for (score, part, row) in best.into_sorted() {
            found.parts.push(part);
            found.rows.push(row);
            found.scores.push(units::score(score));
        }
        found.offsets.push(found.rows.len());
    }
    Ok(found)
}

/// Whether the parts can be searched together, and with what analyser: none where there is no part.
pub(crate) fn check(parts: &[Part<'_>]) -> Result<Option<Analyser>, Error> {
    let Some(first) = parts.first() else { return Ok(None) };
    for (place, part) in parts.iter().enumerate() {
        if part.rows.settings() != first.rows.settings() {
            return Err(Error::MixedSettings { part: place });
        }
        let rows = part.rows.count() as usize;
        if let Some(bits) = part.mask
            && bits.len() != rows.div_ceil(8)
        {
            return Err(Error::Mask { part: place, bytes: bits.len(), rows });
        }
    }
    Ok(Some(first.rows.analyser().clone()))
}

fn answer(
    terms: Vec<Term>,
    parts: &[Part<'_>],
    mut best: Best,
    statistics: &Statistics,
    window: &mut Window,
) -> Result<Best, Error> {
    if best.holds_none() {
        return Ok(best);
    }
    let plan = Plan::new(parts, terms, statistics, true)?;
    for (place, (part, cursors)) in parts.iter().zip(plan.cursors).enumerate() {
        let rows = part.rows.count() as usize;
        let scan = Scan { part: place, rows, mask: Mask(part.mask), norms: &statistics.norms };
        let mut cursors: Vec<_> = cursors.into_iter().map(|(_, cursor)| cursor).collect();
        match part.rows {
            Rows::Tail(_) => scan.run(&mut cursors, &mut best, window),
            Rows::Segment(segment) => segment.guarded(|| {
                scan.run(&mut cursors, &mut best, window);
                Ok(())
            })?,
        }
    }
    Ok(best)
}

/// Do `work` for each item on the threads asked for; results in order. Of several errors, the first item's.
fn share_out<T: Send, R: Send>(
    items: Vec<T>,
    options: Options<'_>,
    work: impl Fn(T, &mut Window) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    let useful = items.len().div_ceil(QUERIES_PER_THREAD).max(1);
    let threads = match options.threads {
        // How many cores there are takes the system longer to say than one query takes.
        _ if useful == 1 => 1,
        0 => thread::available_parallelism().map_or(1, NonZero::get).min(useful),
        threads => threads.min(useful),
    };
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let count = items.len();
    let items: Vec<_> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let part = |interrupted: &dyn Fn() -> bool| {
        let (mut window, mut done) = (Window::default(), Vec::new());
        loop {
            if interrupted() {
                stop.store(true, Ordering::Relaxed);
            }
            let place = next.fetch_add(1, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) || place >= count {
                return done;
            }
            let item = items[place].lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(item) = item {
                done.push((place, work(item, &mut window)));
            }
        }
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| part(&|| false))).collect();
        let mut done = part(&|| options.interrupted.is_some_and(|interrupted| interrupted()));
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    if stop.into_inner() {
        return Err(Error::Interrupted);
    }
    done.sort_unstable_by_key(|&(place, _)| place);
    done.into_iter().map(|(_, result)| result).collect()
}
