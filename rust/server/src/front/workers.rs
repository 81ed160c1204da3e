//! Threads that do what would hold the front end up.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::failure::{Failure, Kind};

type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    working: usize,
    stopped: bool,
}

/// A few threads, and what waits for them.
pub(crate) struct Workers {
    shared: Arc<(Mutex<State>, Condvar)>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Workers {
    pub(crate) fn start(name: &str, count: usize) -> Result<Self, Failure> {
        let shared = Arc::<(Mutex<State>, Condvar)>::default();
        let mut threads = Vec::new();
        for number in 0..count {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("crossfade-{name}-{number}"));
            let refused = |error| Failure::new(Kind::Unavailable, format!("no thread can be started: {error}"));
            threads.push(thread.spawn(move || work(&shared)).map_err(refused)?);
        }
        Ok(Self { shared, threads: Mutex::new(threads) })
    }

    /// Do it, in its turn. What waits when they stop is dropped.
    pub(crate) fn run(&self, work: impl FnOnce() + Send + 'static) {
        let (state, news) = &*self.shared;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.stopped {
            state.waiting.push_back(Box::new(work));
            news.notify_one();
        }
    }

    /// Threads at work, also for callers that are gone.
    pub(crate) fn working(&self) -> usize {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).working
    }

    pub(crate) fn stop(&self) {
        let (state, news) = &*self.shared;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stopped = true;
        let dropped = std::mem::take(&mut state.waiting);
        news.notify_all();
        drop(state);
        drop(dropped);
    }

    /// Wait for them to end; not while holding what they need.
    pub(crate) fn join(&self) {
        for thread in std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner)) {
            let _ = thread.join();
        }
    }
}

fn work(shared: &(Mutex<State>, Condvar)) {
    let (state, news) = shared;
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    while !state.stopped {
        let Some(work) = state.waiting.pop_front() else {
            state = news.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        state.working += 1;
        drop(state);
        // A panic has said so on stderr, and its caller is answered by what it dropped.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        state = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.working -= 1;
    }
}
