//! The calls in progress: how many, and how they end when the server does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};

use super::connection::Peer;
use crate::failure::{Failure, Kind};

/// How far the server's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Calls are taken.
    Open,
    /// Those in progress get time to end; new ones are refused.
    Draining,
    /// Those in progress end now.
    Cut,
}

/// Counts of calls.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) started: AtomicI64,
    pub(crate) succeeded: AtomicI64,
    pub(crate) failed: AtomicI64,
    pub(crate) sent: AtomicI64,
    pub(crate) received: AtomicI64,
    /// Nanoseconds since 1970.
    pub(crate) last_started: AtomicI64,
}

impl Tally {
    fn start(&self) {
        self.started.fetch_add(1, Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_started.store(now.as_nanos() as i64, Relaxed);
    }

    fn end(&self, well: bool) {
        if well { &self.succeeded } else { &self.failed }.fetch_add(1, Relaxed);
    }
}

/// Counts a call's end, for the server and its connection: as failed, unless it is said to have ended well.
pub(crate) struct Counted {
    calls: Arc<Calls>,
    peer: Option<Arc<Peer>>,
    well: bool,
}

impl Counted {
    pub(crate) fn start(calls: &Arc<Calls>, peer: Option<Arc<Peer>>) -> Self {
        calls.tally.start();
        if let Some(peer) = &peer {
            peer.tally.start();
        }
        Self { calls: Arc::clone(calls), peer, well: false }
    }

    /// A message came in on its connection.
    pub(crate) fn received(&self) {
        if let Some(peer) = &self.peer {
            peer.tally.received.fetch_add(1, Relaxed);
        }
    }

    /// A message was sent on its connection.
    pub(crate) fn sent(&self) {
        if let Some(peer) = &self.peer {
            peer.tally.sent.fetch_add(1, Relaxed);
        }
    }

    /// It ended, well or not.
    pub(crate) fn end(mut self, well: bool) {
        self.well = well;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.calls.tally.end(self.well);
        if let Some(peer) = &self.peer {
            peer.tally.end(self.well);
        }
    }
}

/// All calls in progress.
pub(crate) struct Calls {
    most: usize,
    active: AtomicUsize,
    idle: Notify,
    phase: watch::Sender<Phase>,
    pub(crate) tally: Tally,
}

/// A call in progress, until it is dropped.
pub(crate) struct Entered {
    calls: Arc<Calls>,
    phase: watch::Receiver<Phase>,
}

impl Calls {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            active: AtomicUsize::new(0),
            idle: Notify::new(),
            phase: watch::Sender::new(Phase::Open),
            tally: Tally::default(),
        })
    }

    pub(crate) fn active(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// Let a call in, unless there are too many or the server goes.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Entered, Failure> {
        if *self.phase.borrow() != Phase::Open {
            return Err(leaving());
        }
        let before = self.active.fetch_add(1, Relaxed);
        let entered = Entered { calls: Arc::clone(self), phase: self.phase.subscribe() };
        if before >= self.most {
            drop(entered);
            let message = format!(
                "{before} calls are in progress, which is this server's limit: try again later, or raise \
                 CROSSFADE_MAX_CONCURRENT_CALLS on the server"
            );
            return Err(Failure::new(Kind::Overloaded, message).retry_after(Duration::from_millis(100)));
        }
        Ok(entered)
    }

    /// Until the server has come so far towards its end.
    pub(crate) async fn until(&self, phase: Phase) {
        let _ = self.phase.subscribe().wait_for(|current| *current >= phase).await.map(drop);
    }

    pub(crate) fn turn(&self, phase: Phase) {
        self.phase.send_modify(|current| *current = phase.max(*current));
    }

    /// Until no call is in progress.
    pub(crate) async fn wait_idle(&self) {
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.active() == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Entered {
    /// Until the server has come so far towards its end.
    pub(crate) async fn until(&self, phase: Phase) {
        let mut changes = self.phase.clone();
        // The sender lives as long as the calls, which this keeps alive.
        let _ = changes.wait_for(|current| *current >= phase).await;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.calls.active.fetch_sub(1, Relaxed) == 1 {
            self.calls.idle.notify_waiters();
        }
    }
}

pub(crate) fn leaving() -> Failure {
    Failure::new(Kind::Unavailable, "the server is shutting down: try another replica, or try again when it is back")
}
