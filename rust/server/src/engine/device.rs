//! The texts of one device that are on their way to its models, each once, however many calls wait for it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::sync::{Condvar, Mutex, MutexGuard};
use super::ticket::{Row, Span, Ticket};
use crate::budget::Permit;
use crate::failure::Failure;
use crate::schedule::{Batch, Bounds, Id, Item, Last, Next, Priority, Scheduler};
use crate::tokenise::Encoded;

/// Texts with equal keys have equal vectors: a space (lane, tokenizer, prompt) and the text.
pub(super) type Key = (u32, Arc<str>);

/// The answer to a text.
pub(super) type Landing = (Key, Result<Row, Failure>);

/// A text that waits or runs.
pub(super) struct Text {
    pub(super) key: Key,
    pub(super) encoded: Encoded,
    /// What lets it in, with the other texts of the call that sent it: it counts for as long as anybody waits for it.
    pub(super) permit: Option<Arc<Permit>>,
}

/// Who waits for a text, and with what number in its call.
struct Waiter {
    ticket: Arc<Ticket>,
    text: usize,
}

struct Flight {
    /// While it waits in the scheduler.
    queued: Option<Id>,
    waiters: Vec<Waiter>,
}

struct State {
    scheduler: Scheduler<Text>,
    flights: HashMap<Key, Flight>,
    stopped: bool,
    /// Texts whose vectors were on their way already.
    joined: u64,
    /// The batches that run: lane, load, and how long they take, as far as is known.
    running: Vec<(usize, usize, Duration)>,
}

/// The texts of one device.
pub(super) struct Device {
    state: Mutex<State>,
    news: Condvar,
    epoch: Instant,
}

/// What a call brings.
pub(super) struct Arrival {
    pub(super) lane: usize,
    pub(super) priority: Priority,
    pub(super) deadline: Option<Instant>,
}

/// What is known of the queue, to judge whether a call has a chance.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Queued {
    /// Until a call of so many tokens begins, and until it ends, if nothing of higher priority comes; zero while
    /// unknown.
    pub(super) wait: Duration,
    pub(super) done: Duration,
}

impl Device {
    pub(super) fn new(bounds: Vec<Bounds>) -> Self {
        let state = State {
            scheduler: Scheduler::new(bounds),
            flights: HashMap::new(),
            stopped: false,
            joined: 0,
            running: Vec::new(),
        };
        Self { state: Mutex::new(state), news: Condvar::new(), epoch: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.epoch)
    }

    pub(super) fn joined(&self) -> u64 {
        self.lock().joined
    }

    /// Texts that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().scheduler.len()
    }

    /// What a call of so many tokens has to expect.
    pub(super) fn queued(&self, lane: usize, priority: Priority, tokens: usize) -> Queued {
        let state = self.lock();
        // What runs now has to end first: half of it, on average, is done.
        let wait = state.scheduler.time_before(priority)
            + state.running.iter().map(|(_, _, time)| *time / 2).sum::<Duration>();
        Queued { wait, done: wait + state.scheduler.queue_time(lane, tokens) }
    }

    /// Wait for a text that is on its way already, and say whether one is.
    pub(super) fn join(&self, key: &Key, arrival: &Arrival, ticket: &Arc<Ticket>, text: usize) -> bool {
        let deadline = arrival.deadline.map(|deadline| self.since(deadline));
        let mut state = self.lock();
        let State { scheduler, flights, joined, .. } = &mut *state;
        let Some(flight) = flights.get_mut(key) else { return false };
        flight.waiters.push(Waiter { ticket: Arc::clone(ticket), text });
        *joined += 1;
        if let Some(id) = flight.queued {
            scheduler.join(id, arrival.priority, deadline);
        }
        true
    }

    /// Send texts, with their numbers in the call, on their way; those that have set out meanwhile are joined.
    pub(super) fn send(&self, texts: Vec<(usize, Text)>, arrival: &Arrival, ticket: &Arc<Ticket>) {
        let deadline = arrival.deadline.map(|deadline| self.since(deadline));
        let mut state = self.lock();
        let State { scheduler, flights, joined, stopped, .. } = &mut *state;
        if *stopped {
            drop(state);
            return ticket.fail(&Failure::stopping());
        }
        for (number, text) in texts {
            let waiter = Waiter { ticket: Arc::clone(ticket), text: number };
            match flights.entry(text.key.clone()) {
                Entry::Occupied(mut entry) => {
                    let flight = entry.get_mut();
                    flight.waiters.push(waiter);
                    *joined += 1;
                    if let Some(id) = flight.queued {
                        scheduler.join(id, arrival.priority, deadline);
                    }
                }
                Entry::Vacant(entry) => {
                    let tokens = text.encoded.ids.len().max(1) as u32;
                    let Arrival { lane, priority, .. } = *arrival;
                    let id = scheduler.push(Item { lane, priority, tokens, deadline, what: text });
                    entry.insert(Flight { queued: Some(id), waiters: vec![waiter] });
                }
            }
        }
        drop(state);
        self.news.notify_all();
    }

    /// A call waits no more. What nobody else waits for is taken out of the queue.
    pub(super) fn abandon(&self, keys: &[Key], ticket: &Arc<Ticket>) {
        let mut state = self.lock();
        let State { scheduler, flights, .. } = &mut *state;
        for key in keys {
            let Some(flight) = flights.get_mut(key) else { continue };
            flight.waiters.retain(|waiter| !Arc::ptr_eq(&waiter.ticket, ticket));
            if flight.waiters.is_empty()
                && let Some(id) = flight.queued
            {
                scheduler.remove(id);
                flights.remove(key);
            }
        }
    }

    /// The next batch, as soon as there is one; None when the device stops.
    pub(super) fn next(&self, last: Last) -> Option<Batch<Text>> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let now = self.since(Instant::now());
            let next = state.scheduler.next(now, last);
            for (_, item) in state.scheduler.expired() {
                if let Some(flight) = state.flights.remove(&item.what.key) {
                    flight.waiters.iter().for_each(|waiter| waiter.ticket.fail(&Failure::late()));
                }
            }
            state = match next {
                Next::Run(batch) => {
                    for (_, item) in &batch.items {
                        if let Some(flight) = state.flights.get_mut(&item.what.key) {
                            flight.queued = None;
                        }
                    }
                    let expected = state.scheduler.cost(batch.lane).batch(batch.load);
                    state.running.push((batch.lane, batch.load, expected));
                    return Some(batch);
                }
                Next::Wait(until) => {
                    self.news.wait_timeout(state, until.saturating_sub(now)).unwrap_or_else(PoisonError::into_inner).0
                }
                Next::Nothing => self.news.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A batch has been run: learn what it cost, unless it was run in parts.
    pub(super) fn ran(&self, lane: usize, load: usize, texts: usize, span: Span, whole: bool) -> Last {
        let took = whole.then(|| span.ended - span.began);
        let mut state = self.lock();
        if let Some(at) = state.running.iter().position(|&(of, tokens, _)| (of, tokens) == (lane, load)) {
            state.running.swap_remove(at);
        }
        state.scheduler.ran(lane, load, texts, self.since(span.ended), took)
    }

    /// The answers to texts, for all who wait for them.
    pub(super) fn land(&self, rows: Vec<Landing>, span: Span) {
        let landed: Vec<_> = {
            let mut state = self.lock();
            rows.into_iter().map(|(key, row)| (state.flights.remove(&key), row)).collect()
        };
        for (flight, row) in landed {
            for Waiter { ticket, text } in flight.into_iter().flat_map(|flight| flight.waiters) {
                match &row {
                    Ok(row) => ticket.fill(text, row.clone(), Some(span)),
                    Err(failure) => ticket.fail(failure),
                }
            }
        }
    }

    /// Texts that somebody waits for.
    #[cfg(crossfade_loom)]
    pub(super) fn left(&self) -> usize {
        self.lock().flights.len()
    }

    /// No more batches: whoever waits is told so.
    pub(super) fn stop(&self) {
        let flights: Vec<Flight> = {
            let mut state = self.lock();
            state.stopped = true;
            state.flights.drain().map(|(_, flight)| flight).collect()
        };
        for waiter in flights.into_iter().flat_map(|flight| flight.waiters) {
            waiter.ticket.fail(&Failure::stopping());
        }
        self.news.notify_all();
    }
}
