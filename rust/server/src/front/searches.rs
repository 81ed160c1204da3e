//! Searches on their way to the executor: all that wait go together.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::executor::{Executor, Found, Search};
use crate::failure::{Failure, Kind};

/// Searches that go together at most.
const MOST: usize = 64;

type Waiting = (Search, oneshot::Sender<Result<Found, Failure>>);

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    stopped: bool,
    working: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

/// The searches, and the thread that hands them over.
pub(crate) struct Searches {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Searches {
    pub(crate) fn start(executor: Arc<dyn Executor>) -> Result<Self, Failure> {
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("crossfade-search".to_owned());
        let thread = thread.spawn(move || run(&theirs, &*executor));
        let thread =
            thread.map_err(|error| Failure::new(Kind::Unavailable, format!("no thread can be started: {error}")))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) async fn search(&self, search: Search) -> Result<Found, Failure> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.stopped {
                state.waiting.push((search, sender));
                self.shared.news.notify_one();
            }
        }
        receiver.await.unwrap_or_else(|_| Err(Failure::stopping()))
    }

    /// Threads at work, also for callers that are gone.
    pub(crate) fn working(&self) -> usize {
        usize::from(self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).working)
    }

    pub(crate) fn stop(&self) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stopped = true;
        state.waiting.clear();
        self.shared.news.notify_all();
    }

    /// Wait for the thread to end; not while holding what it needs.
    pub(crate) fn join(&self) {
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, executor: &dyn Executor) {
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    while !state.stopped {
        if state.waiting.is_empty() {
            state = shared.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let most = state.waiting.len().min(MOST);
        let waiting: Vec<Waiting> = state.waiting.drain(..most).collect();
        state.working = true;
        drop(state);
        answer(waiting, executor);
        state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.working = false;
    }
}

fn answer(waiting: Vec<Waiting>, executor: &dyn Executor) {
    let mut searches = Vec::with_capacity(waiting.len());
    let mut senders = Vec::with_capacity(waiting.len());
    for (search, sender) in waiting {
        // Nobody hears the answer to a caller that has gone.
        match search.call.check() {
            Err(failure) => drop(sender.send(Err(failure))),
            Ok(()) if sender.is_closed() => {}
            Ok(()) => {
                searches.push(search);
                senders.push(sender);
            }
        }
    }
    if searches.is_empty() {
        return;
    }
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| executor.search(searches)));
    let mut found = found.unwrap_or_default().into_iter();
    for sender in senders {
        let missing = || Err(Failure::new(Kind::Internal, "a search has no answer: this is a fault of the server"));
        let _ = sender.send(found.next().unwrap_or_else(missing));
    }
}
