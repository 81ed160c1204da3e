//! Threads that wait for work, so that a search of a millisecond need not start any.
//!
//! A task is offered to helpers and begun by the caller at once. A helper that comes too late takes no part, and nobody
//! waits for it: a busy machine makes a search slower, never stuck. Helpers that found nothing to do for a while end.
//!
//! A process that was forked has none of its parent's threads, and a lock that one of them held would stay locked: it
//! gets a pool of its own. A helper keeps the processors that the thread which started it was bound to.
//!
//! A helper is as nice as the thread that started it, for good: nobody may take niceness back. So it helps only those
//! that are as nice as it is, or a graph would be built for minutes at the priority of the search that had started the
//! helper, and searches would be helped by threads that stand back.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{process, thread};

/// How long a helper waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// How long a thread stays awake for what is about to come: the next of a stream of small searches, or a helper's last
/// part. To be woken takes about as long, where a processor that has nothing to do is halted; and whoever else wants this
/// one gets it.
const AWAKE: Duration = Duration::from_micros(50);

/// Looks between two offers of the processor to others.
const LOOKS: usize = 32;

/// Stay awake until something has come, or for a while.
fn await_briefly(has_come: impl Fn() -> bool) {
    let begin = Instant::now();
    while begin.elapsed() < AWAKE {
        for _ in 0..LOOKS {
            if has_come() {
                return;
            }
            std::hint::spin_loop();
        }
        thread::yield_now();
    }
}

/// Do `work` on the calling thread and, at the same time, on up to `helpers` others. All have returned when this does.
///
/// # Panics
/// With what `work` panicked with, on whatever thread.
pub(crate) fn run(helpers: usize, caller: impl FnOnce(), work: &(dyn Fn() + Sync)) {
    if helpers == 0 {
        return caller();
    }
    let task = Arc::new(Task::new(work, helpers));
    let pool = Pool::of_this_thread();
    // Whatever panics from here on, nobody is left with the work when the borrow of it ends.
    let closing = Closing { task: &task, pool };
    pool.offer(&task, helpers);
    caller();
    drop(closing);
    if let Some(panic) = lock(&task.seats).panic.take() {
        resume_unwind(panic);
    }
}

/// Ends a task.
struct Closing<'t> {
    task: &'t Arc<Task>,
    pool: &'static Pool,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.task.close();
        self.pool.withdraw(self.task);
    }
}

/// Lock, whatever panicked meanwhile: nothing that is locked here is left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work that helpers may take part in as long as it is open.
struct Task {
    work: Work,
    seats: Mutex<Seats>,
    /// How many seats are taken, to be seen without a lock.
    taken: AtomicUsize,
    /// Told when the last helper leaves.
    left: Condvar,
}

/// A borrow that outlives its type: see `Task::help`.
struct Work(*const (dyn Fn() + Sync));

// SAFETY: what is pointed at is Sync, so it may be called from any thread, and the pointer itself is only a number.
unsafe impl Send for Work {}
// SAFETY: as above.
unsafe impl Sync for Work {}

struct Seats {
    /// How many more helpers may take part; none when the task is closed.
    free: usize,
    taken: usize,
    panic: Option<Box<dyn Any + Send>>,
}

impl Task {
    fn new<'w>(work: &'w (dyn Fn() + Sync + 'w), helpers: usize) -> Self {
        // SAFETY: only the lifetime changes. The reference becomes a pointer at once, which is followed in `help` alone,
        // between taking a seat and leaving it; `run`, which holds the borrow, returns only after `close`, which leaves
        // no seat free and none taken.
        let work: &'static (dyn Fn() + Sync) =
            unsafe { std::mem::transmute::<&'w (dyn Fn() + Sync + 'w), &'static (dyn Fn() + Sync)>(work) };
        let seats = Seats { free: helpers, taken: 0, panic: None };
        Self { work: Work(work), seats: Mutex::new(seats), taken: AtomicUsize::new(0), left: Condvar::new() }
    }

    /// Take part, if there is still a seat.
    fn help(&self) {
        {
            let mut seats = lock(&self.seats);
            if seats.free == 0 {
                return;
            }
            seats.free -= 1;
            seats.taken += 1;
            self.taken.store(seats.taken, Ordering::Relaxed);
        }
        // SAFETY: a seat is taken, so the borrow that the pointer was made of still holds: see `new`.
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*self.work.0)() }));
        let mut seats = lock(&self.seats);
        seats.taken -= 1;
        self.taken.store(seats.taken, Ordering::Relaxed);
        if seats.taken == 0 {
            self.left.notify_one();
        }
        let mut panic = outcome.err();
        if seats.panic.is_none() {
            seats.panic = panic.take();
        }
        // To drop what a second one panicked with may panic too: nothing waits for that.
        drop(seats);
        drop(panic);
    }

    /// Let nobody else take part, and wait for those who do.
    fn close(&self) {
        let mut seats = lock(&self.seats);
        seats.free = 0;
        if seats.taken > 0 {
            drop(seats);
            await_briefly(|| self.taken.load(Ordering::Relaxed) == 0);
            seats = lock(&self.seats);
        }
        while seats.taken > 0 {
            seats = self.left.wait(seats).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Pool {
    process: u32,
    waiting: Mutex<Waiting>,
    /// How many offers there are, to be seen without a lock.
    offers: AtomicUsize,
    offered: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// A task is here once for each helper that it was offered to.
    tasks: VecDeque<Arc<Task>>,
    /// Helpers that wait for a task, and those that were started and have not come to it yet.
    idle: usize,
    starting: usize,
}

/// Nice values, from -20 to 19.
const STANDINGS: usize = 40;

/// The pools of this process, or of the one that it was forked from, by nice value.
static POOLS: [AtomicPtr<Pool>; STANDINGS] = [const { AtomicPtr::new(null_mut()) }; STANDINGS];

/// The place among `POOLS` of what the calling thread's nice value is. A system that has one for all of a process gives
/// every thread the same.
fn standing() -> usize {
    #[cfg(unix)]
    // SAFETY: it takes no pointers. Linux takes 0 for the calling thread, others for its process. -1 is a nice value as
    // well as an error, and there is none for oneself.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    #[cfg(not(unix))]
    let nice = 0;
    usize::try_from(nice + 20).unwrap_or_default().min(STANDINGS - 1)
}

/// Let every process that is forked from now on begin without a pool. Its number alone might be that of its parent, in
/// another namespace, or of one long gone.
fn forget_in_children() {
    #[cfg(unix)]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        extern "C" fn forget() {
            for pool in &POOLS {
                pool.store(null_mut(), Ordering::Release);
            }
        }
        // SAFETY: the handler stores to atomics, which is all that a child of a process with threads may do. An error
        // means that there is no memory for it, and leaves the look at the number.
        ONCE.call_once(|| _ = unsafe { libc::pthread_atfork(None, None, Some(forget)) });
    }
}

impl Pool {
    /// That of this process, for callers like the calling thread.
    fn of_this_thread() -> &'static Self {
        forget_in_children();
        let (process, place) = (process::id(), &POOLS[standing()]);
        let current = place.load(Ordering::Acquire);
        // SAFETY: a pool that was stored is never freed.
        if let Some(pool) = unsafe { current.as_ref() }
            && pool.process == process
        {
            return pool;
        }
        let new = Box::into_raw(Box::new(Self {
            process,
            waiting: Mutex::default(),
            offers: AtomicUsize::new(0),
            offered: Condvar::new(),
        }));
        if place.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // Another thread of this process was faster.
            // SAFETY: it was made above and nobody else has seen it.
            drop(unsafe { Box::from_raw(new) });
            return Self::of_this_thread();
        }
        // SAFETY: it has just been made, and is never freed from here on.
        unsafe { &*new }
    }

    /// Wake helpers for a task, and start those that lack. Where none can be started, the caller is alone.
    fn offer(&'static self, task: &Arc<Task>, helpers: usize) {
        let mut waiting = lock(&self.waiting);
        waiting.tasks.extend(std::iter::repeat_n(task, helpers).cloned());
        self.offers.store(waiting.tasks.len(), Ordering::Relaxed);
        let lacking = waiting.tasks.len().saturating_sub(waiting.idle + waiting.starting).min(helpers);
        waiting.starting += lacking;
        drop(waiting);
        for _ in lacking..helpers {
            self.offered.notify_one();
        }
        for started in 0..lacking {
            let helper = thread::Builder::new().name("crossfade-kernels".to_owned());
            if helper.spawn(|| self.help()).is_err() {
                lock(&self.waiting).starting -= lacking - started;
                break;
            }
        }
    }

    /// Take back what no helper has come for.
    fn withdraw(&self, task: &Arc<Task>) {
        let mut waiting = lock(&self.waiting);
        waiting.tasks.retain(|other| !Arc::ptr_eq(other, task));
        self.offers.store(waiting.tasks.len(), Ordering::Relaxed);
    }

    /// What a helper does with its life.
    fn help(&self) {
        let mut waiting = lock(&self.waiting);
        waiting.starting -= 1;
        let mut awake = false;
        loop {
            if let Some(task) = waiting.tasks.pop_front() {
                self.offers.store(waiting.tasks.len(), Ordering::Relaxed);
                drop(waiting);
                task.help();
                waiting = lock(&self.waiting);
                awake = true;
                continue;
            }
            waiting.idle += 1;
            if std::mem::take(&mut awake) {
                drop(waiting);
                await_briefly(|| self.offers.load(Ordering::Relaxed) > 0);
                waiting = lock(&self.waiting);
                waiting.idle -= 1;
                continue;
            }
            let (guard, timeout) = self.offered.wait_timeout(waiting, IDLE).unwrap_or_else(PoisonError::into_inner);
            waiting = guard;
            waiting.idle -= 1;
            if timeout.timed_out() && waiting.tasks.is_empty() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::Barrier;

    #[test]
    fn all_work_at_the_same_time_and_have_returned_at_the_end() {
        for helpers in [0, 1, 3] {
            let (barrier, threads) = (Barrier::new(helpers + 1), Mutex::new(HashSet::new()));
            let work = || {
                // Returns only when all of them are here.
                barrier.wait();
                lock(&threads).insert(thread::current().id());
            };
            run(helpers, work, &work);
            assert_eq!(threads.into_inner().unwrap().len(), helpers + 1);
        }
    }

    #[test]
    fn nobody_waits_for_a_helper_that_comes_too_late() {
        // Each of the callers has more helpers than there are cores, and nothing for them to do.
        let calls = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let own = AtomicUsize::new(0);
                        let work = || {
                            own.fetch_add(1, Ordering::Relaxed);
                        };
                        run(4, work, &work);
                        let own = own.into_inner();
                        assert!((1..=5).contains(&own), "{own}");
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(calls.into_inner(), 8 * 500);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_helper_is_as_nice_as_whom_it_helps() {
        let own = standing();
        // The one that is nice comes first, and leaves helpers behind; niceness can be added to without any right.
        for more in [3, 0] {
            let wanted = (own + more).min(STANDINGS - 1);
            thread::spawn(move || {
                let nice = wanted as libc::c_int - 20;
                // SAFETY: it takes no pointers.
                assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }, 0);
                let (barrier, standings) = (Barrier::new(2), Mutex::new(Vec::new()));
                let work = || {
                    barrier.wait();
                    lock(&standings).push(standing());
                };
                run(1, work, &work);
                assert_eq!(standings.into_inner().unwrap(), [wanted, wanted]);
            })
            .join()
            .unwrap();
        }
    }

    #[test]
    fn one_may_run_within_another() {
        let calls = AtomicUsize::new(0);
        let inner = || _ = calls.fetch_add(1, Ordering::Relaxed);
        let outer = || run(2, inner, &inner);
        run(2, outer, &outer);
        assert!((1..=9).contains(&calls.into_inner()));
    }

    #[test]
    fn a_panic_of_the_caller_waits_for_the_helpers() {
        let (barrier, left) = (Barrier::new(2), AtomicUsize::new(0));
        let result = catch_unwind(AssertUnwindSafe(|| {
            let helper = || {
                barrier.wait();
                thread::sleep(Duration::from_millis(20));
                left.fetch_add(1, Ordering::Relaxed);
            };
            let caller = || {
                barrier.wait();
                panic!("as asked");
            };
            run(1, caller, &helper);
        }));
        assert_eq!((result.is_err(), left.into_inner()), (true, 1));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_ends_no_helper() {
        let barrier = Barrier::new(2);
        let result = catch_unwind(|| {
            let helper = || {
                barrier.wait();
                panic!("as asked");
            };
            run(1, || _ = barrier.wait(), &helper);
        });
        assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"as asked"));
        let barrier = Barrier::new(2);
        let work = || _ = barrier.wait();
        run(1, work, &work);
    }
}
