//! The one admission rule: tokens admitted and not answered, of all calls together, keep to a limit.
//!
//! Interactive calls may take all of it, three quarters when somebody waits; bulk calls take three quarters at most, shadow
//! calls half. So neither can keep the other out for ever. Whoever waits does so in order. A call counts for a
//! quarter of the limit at most (an interactive one for three quarters): however large it is, its turn comes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::schedule::Priority;

/// Permits by the token.
pub(crate) struct Budget {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By priority.
    used: [usize; 3],
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    priority: Priority,
    tokens: usize,
    /// Told when it is let in.
    entered: oneshot::Sender<()>,
}

/// Tokens that are admitted, until it is dropped.
pub(crate) struct Permit {
    budget: Arc<Budget>,
    priority: Priority,
    tokens: usize,
}

impl Budget {
    /// `limit`: tokens.
    #[must_use]
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::default() })
    }

    /// Tokens admitted and not answered.
    #[must_use]
    pub(crate) fn used(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).used.iter().sum()
    }

    /// The limit.
    #[must_use]
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// What a call of so many tokens counts for.
    fn charge(&self, priority: Priority, tokens: usize) -> usize {
        let most = if priority == Priority::Interactive { self.limit / 4 * 3 } else { self.limit / 4 };
        tokens.min(most.max(1))
    }

    /// Whether there is room; `waited`: for one who waits, and is first.
    fn has_room(&self, state: &State, priority: Priority, tokens: usize, waited: bool) -> bool {
        let all: usize = state.used.iter().sum();
        let quarter = self.limit / 4;
        match priority {
            Priority::Interactive => {
                let own = state.used[0] + tokens;
                all + tokens <= self.limit && (state.waiting.is_empty() || own <= self.limit - quarter)
            }
            _ if !waited && !state.waiting.is_empty() => false,
            Priority::Bulk => all - state.used[0] + tokens <= quarter * 3 && all + tokens <= self.limit,
            Priority::Shadow => state.used[2] + tokens <= quarter * 2 && all + tokens <= self.limit,
        }
    }

    /// Let so many tokens in, if there is room.
    pub(crate) fn take(self: &Arc<Self>, priority: Priority, tokens: usize) -> Option<Permit> {
        let tokens = self.charge(priority, tokens);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = state.waiting.is_empty() && state.used == [0; 3];
        if !alone && !self.has_room(&state, priority, tokens, false) {
            return None;
        }
        state.used[priority as usize] += tokens;
        Some(Permit { budget: Arc::clone(self), priority, tokens })
    }

    /// Let so many tokens in, as soon as there is room: for streams, whose sender waits meanwhile. They are bulk work.
    pub(crate) async fn wait(self: &Arc<Self>, priority: Priority, tokens: usize) -> Permit {
        let priority = priority.max(Priority::Bulk);
        if let Some(permit) = self.take(priority, tokens) {
            return permit;
        }
        let tokens = self.charge(priority, tokens);
        let (entered, told) = oneshot::channel();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.push_back(Waiting { priority, tokens, entered });
            // Room may have come since the look above.
            self.let_in(&mut state);
        }
        // From here on it is let in by whoever frees room. One that is told and gone gives back what it got.
        let mut place = Place { budget: self, told, priority, tokens, taken: false };
        let _ = (&mut place.told).await;
        place.taken = true;
        Permit { budget: Arc::clone(self), priority, tokens }
    }

    /// Let in those who wait, in their order, while there is room.
    fn let_in(&self, state: &mut State) {
        while let Some(first) = state.waiting.front() {
            if first.entered.is_closed() {
                state.waiting.pop_front();
                continue;
            }
            let alone = state.used == [0; 3];
            if !alone && !self.has_room(state, first.priority, first.tokens, true) {
                return;
            }
            let Some(first) = state.waiting.pop_front() else { return };
            if first.entered.send(()).is_ok() {
                state.used[first.priority as usize] += first.tokens;
            }
        }
    }

    fn give_back(&self, priority: Priority, tokens: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.used[priority as usize] -= tokens;
        self.let_in(&mut state);
    }
}

/// The place of one who waits.
struct Place<'b> {
    budget: &'b Arc<Budget>,
    told: oneshot::Receiver<()>,
    priority: Priority,
    tokens: usize,
    taken: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        self.told.close();
        if self.told.try_recv().is_ok() {
            self.budget.give_back(self.priority, self.tokens);
        } else {
            // It may have been the one that held others up.
            let mut state = self.budget.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.budget.let_in(&mut state);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.give_back(self.priority, self.tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_counted_and_come_back() {
        let budget = Budget::new(100);
        let first = budget.take(Priority::Interactive, 60).unwrap();
        assert!(budget.take(Priority::Interactive, 41).is_none());
        let second = budget.take(Priority::Bulk, 25).unwrap();
        assert!(budget.take(Priority::Bulk, 16).is_none());
        assert!(budget.take(Priority::Shadow, 16).is_none());
        drop(first);
        assert_eq!(budget.used(), 25);
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn one_large_call_leaves_room_for_others() {
        let budget = Budget::new(100);
        let bulk: Vec<Permit> = std::iter::from_fn(|| budget.take(Priority::Bulk, 5000)).collect();
        assert_eq!((bulk.len(), budget.used()), (3, 75));
        assert!(budget.take(Priority::Interactive, 25).is_some());
        drop(bulk);
        let large = budget.take(Priority::Interactive, 5000).unwrap();
        assert!(budget.take(Priority::Interactive, 25).is_some());
        drop(large);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn who_waits_is_let_in_in_order_whatever_comes_meanwhile() {
        let budget = Budget::new(100);
        let mut small: VecDeque<Permit> = (0..90).filter_map(|_| budget.take(Priority::Interactive, 1)).collect();
        let wait = |tokens| {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move { budget.wait(Priority::Interactive, tokens).await })
        };
        let (first, second) = (wait(5000), wait(1));
        while budget.state.lock().unwrap().waiting.len() < 2 {
            tokio::task::yield_now().await;
        }
        // Small calls keep coming as others end: they may not have the quarter that the first one waits for.
        for _ in 0..200 {
            small.pop_front();
            if let Some(permit) = budget.take(Priority::Interactive, 1) {
                small.push_back(permit);
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(first.await.unwrap().tokens, 25);
        small.clear();
        assert_eq!(second.await.unwrap().tokens, 1);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn who_leaves_holds_nobody_up() {
        let budget = Budget::new(100);
        let held = budget.take(Priority::Bulk, 25).unwrap();
        let more: Vec<Permit> = std::iter::from_fn(|| budget.take(Priority::Bulk, 25)).collect();
        let wait = || {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move { budget.wait(Priority::Bulk, 10).await })
        };
        let (leaver, stayer) = (wait(), wait());
        while budget.state.lock().unwrap().waiting.len() < 2 {
            tokio::task::yield_now().await;
        }
        leaver.abort();
        assert!(leaver.await.is_err());
        drop(held);
        assert_eq!(stayer.await.unwrap().tokens, 10);
        drop(more);
        assert_eq!(budget.used(), 0);
    }
}
