//! Work in parts, which any thread may do, until all are done or the caller stops it.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use crate::{Error, Options, pool};

/// A row that something is wrong with, and what.
pub(crate) type Fault = (usize, Error);

/// Do the parts `0..parts` with `part`, each with a state of the thread that does it.
///
/// A part is handed what tells whether to stop, to ask where it takes long, and then returns with nothing done. Of all
/// faults, that of the lowest row is returned; parts that only have rows above it, as `first_row` tells, may be left out.
pub(crate) fn share_out<S>(
    parts: usize,
    options: Options<'_>,
    first_row: impl Fn(usize) -> usize + Sync,
    state: impl Fn() -> S + Sync,
    part: impl Fn(&mut S, usize, &dyn Fn() -> bool) -> Result<(), Fault> + Sync,
) -> Result<(), Error> {
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (bad_row, fault) = (AtomicUsize::new(usize::MAX), Mutex::new(None::<Fault>));
    let interrupted = || options.interrupted.is_some_and(|interrupted| interrupted());
    let threads = threads_for(options, parts);
    on_threads(threads, &interrupted, |interrupted| {
        let stop = || {
            if interrupted() {
                stopped.store(true, Ordering::Relaxed);
            }
            stopped.load(Ordering::Relaxed)
        };
        let mut state = state();
        while let Some(numbers) = take_some(&next, threads, parts) {
            for number in numbers {
                if stop() {
                    return;
                }
                if first_row(number) > bad_row.load(Ordering::Relaxed) {
                    continue;
                }
                if let Err((row, error)) = part(&mut state, number, &stop) {
                    bad_row.fetch_min(row, Ordering::Relaxed);
                    let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
                    if fault.is_none_or(|(other, _)| row < other) {
                        *fault = Some((row, error));
                    }
                }
            }
        }
    });
    if stopped.into_inner() {
        return Err(Error::Interrupted);
    }
    match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// Do each of the parts `0..parts` with `part`, on the threads that wait between searches, in about this order; every
/// thread has a state of its own. A part is handed what tells whether to stop, to ask where it takes long.
///
/// # Errors
/// [`Error::Interrupted`]: then some parts were not done, or not wholly.
pub fn for_each<S>(
    parts: usize,
    options: Options<'_>,
    state: impl Fn() -> S + Sync,
    part: impl Fn(&mut S, usize, &dyn Fn() -> bool) + Sync,
) -> Result<(), Error> {
    let part = |state: &mut S, number: usize, stop: &dyn Fn() -> bool| {
        part(state, number, stop);
        Ok(())
    };
    share_out(parts, options, |_| 0, state, part)
}

/// How many threads the options ask for: 0 is one for every core that there was for the process at its first search.
#[must_use]
pub fn threads(options: Options<'_>) -> usize {
    // To count the cores takes files to be read, tens of microseconds, which is as long as a search may take.
    static CORES: OnceLock<usize> = OnceLock::new();
    match options.threads {
        0 => *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get)),
        threads => threads,
    }
}

/// The same, for work that no more than `most` can share.
pub(crate) fn threads_for(options: Options<'_>, most: usize) -> usize {
    if most <= 1 { 1 } else { threads(options).min(most) }
}

/// Run `work` on so many threads, the calling one among them: it alone asks whether it is interrupted, and it alone does
/// everything where no other comes.
pub(crate) fn on_threads(threads: usize, interrupted: &dyn Fn() -> bool, work: impl Fn(&dyn Fn() -> bool) + Sync) {
    pool::run(threads.saturating_sub(1), || work(interrupted), &|| work(&|| false));
}

/// The next `step` of 0..end, or None when all are taken.
pub(crate) fn take(next: &AtomicUsize, step: usize, end: usize) -> Option<usize> {
    Some(next.fetch_add(step, Ordering::Relaxed)).filter(|&start| start < end)
}

/// Parts that a thread takes together at most: results of parts that follow one another share cache lines, and where two
/// threads write to one by turns it goes to and fro between their cores, a microsecond a query where those have no cache
/// in common.
const TOGETHER: usize = 8;

/// Of what is left, the share of a thread is taken in so many times at least: parts may take unlike long, and the last
/// are taken one by one.
const TIMES: usize = 4;

/// The next few of 0..end, or None when all are taken.
fn take_some(next: &AtomicUsize, threads: usize, end: usize) -> Option<Range<usize>> {
    let step = |start: usize| ((end - start) / (TIMES * threads)).clamp(1, TOGETHER);
    let after = |start: usize| (start < end).then(|| start + step(start));
    let start = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).ok()?;
    Some(start..start + step(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_taken_once_in_order_and_the_last_one_by_one() {
        for threads in [1, 2, 7] {
            for end in [0, 1, 2, 9, 31, 32, 960] {
                let (next, mut taken) = (AtomicUsize::new(0), 0);
                while let Some(numbers) = take_some(&next, threads, end) {
                    assert_eq!(numbers.start, taken);
                    assert!((1..=TOGETHER).contains(&numbers.len()) && numbers.end <= end, "{numbers:?} of {end}");
                    assert!(numbers.len() == 1 || end - numbers.start >= 2 * TIMES * threads);
                    taken = numbers.end;
                }
                assert_eq!(taken, end);
                assert_eq!(take_some(&next, threads, end), None);
            }
        }
    }
}
