//! Work shared between threads.

use std::num::NonZero;
use std::ops::Range;
use std::thread;

/// How many threads `work` units deserve when `asked` may work (0 is one for every core) and each should find at least
/// `least` units.
pub(crate) fn count(asked: usize, work: usize, least: usize) -> usize {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let allowed = if asked == 0 { cores() } else { asked };
    allowed.min(work / least).max(1)
}

/// Run every task in a thread of its own, the first one in this thread; results in the order of the tasks.
pub(crate) fn run<T: Send, R: Send>(tasks: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let mut tasks = tasks.into_iter();
        let own = tasks.next();
        let others: Vec<_> = tasks.map(|task| scope.spawn(move || work(task))).collect();
        let own = own.map(work);
        let others = others.into_iter().map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        own.into_iter().chain(others).collect()
    })
}

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
    let threads = self::count(threads, count.saturating_mul(cost), STEPS_PER_THREAD).min(count.max(1));
    let bound = |t: usize| (count as u128 * t as u128 / threads as u128) as usize;
    run((0..threads).map(|t| bound(t)..bound(t + 1)).collect(), work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_work_stays_in_one_thread() {
        assert_eq!((count(8, 99, 100), count(8, 100, 100), count(8, 350, 100), count(2, 350, 100)), (1, 1, 3, 2));
        assert!(count(0, usize::MAX, 1) >= 1);
    }

    #[test]
    fn results_keep_the_order_of_the_tasks() {
        assert_eq!(run(vec![3, 1, 2], |task| task * 10), [30, 10, 20]);
        assert_eq!(run(Vec::<i32>::new(), |task| task), []);
    }
}
