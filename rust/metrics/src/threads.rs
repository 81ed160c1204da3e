//! Splitting work among threads.

use std::num::NonZero;
use std::ops::Range;
use std::thread;

/// Steps for which a second thread is worth its start.
const STEPS_PER_THREAD: usize = 1 << 16;

/// `work` on contiguous parts of 0..count, one a thread; the results in order. `cost` is the number of steps of one
/// item; 0 `threads` is one for every core.
pub(crate) fn shares<T: Send>(
    count: usize,
    cost: usize,
    threads: usize,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let threads = if threads == 0 { cores() } else { threads };
    let threads = threads.min(count.saturating_mul(cost).div_ceil(STEPS_PER_THREAD)).clamp(1, count.max(1));
    let bound = |t: usize| (count as u128 * t as u128 / threads as u128) as usize;
    thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = (1..threads).map(|t| scope.spawn(move || work(bound(t)..bound(t + 1)))).collect();
        let mut results = vec![work(0..bound(1))];
        results.extend(handles.into_iter().map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
        results
    })
}
