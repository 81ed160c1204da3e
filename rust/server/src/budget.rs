//! The one admission rule: tokens admitted and not answered, of all calls together, keep to a limit.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::schedule::Priority;

/// Of the limit, what calls of a priority may take at most: bulk work leaves room for those who wait.
const PARTS: [f64; 3] = [1.0, 0.75, 0.5];

/// Permits by the token.
pub struct Budget {
    limit: usize,
    used: Mutex<usize>,
    freed: Notify,
}

/// Tokens that are admitted, until it is dropped.
pub struct Permit {
    budget: Arc<Budget>,
    tokens: usize,
}

impl Budget {
    /// `limit`: tokens.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: Mutex::new(0), freed: Notify::new() })
    }

    /// Tokens admitted and not answered.
    #[must_use]
    pub fn used(&self) -> usize {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Let so many tokens in, if there is room. A call larger than the limit is let in when it is alone.
    pub fn take(self: &Arc<Self>, priority: Priority, tokens: usize) -> Option<Permit> {
        let most = (self.limit as f64 * PARTS[priority as usize]) as usize;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if *used > 0 && *used + tokens > most {
            return None;
        }
        *used += tokens;
        Some(Permit { budget: Arc::clone(self), tokens })
    }

    /// Let so many tokens in, as soon as there is room: for streams, whose sender waits meanwhile.
    pub async fn wait(self: &Arc<Self>, priority: Priority, tokens: usize) -> Permit {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Before the look: what is freed after it is not missed.
            freed.as_mut().enable();
            if let Some(permit) = self.take(priority, tokens) {
                return permit;
            }
            freed.await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.budget.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.tokens;
        self.budget.freed.notify_waiters();
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
        assert!(budget.take(Priority::Bulk, 16).is_none());
        let second = budget.take(Priority::Bulk, 15).unwrap();
        assert!(budget.take(Priority::Shadow, 1).is_none());
        drop(first);
        assert_eq!(budget.used(), 15);
        drop(second);
        let large = budget.take(Priority::Shadow, 1000).unwrap();
        assert!(budget.take(Priority::Interactive, 1).is_none());
        drop(large);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn a_stream_waits_for_room() {
        let budget = Budget::new(100);
        let first = budget.take(Priority::Interactive, 90).unwrap();
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.wait(Priority::Bulk, 50).await.tokens }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        assert_eq!(waiting.await.unwrap(), 50);
    }
}
