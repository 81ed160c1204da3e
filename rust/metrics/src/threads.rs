//! Work shared between threads.

use std::num::NonZero;
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
