//! What the engine has done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts while it runs.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    batches: AtomicU64,
    tokens: AtomicU64,
    padded: AtomicU64,
    refused: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What has been counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Batches run.
    pub batches: u64,
    /// Tokens of texts in them.
    pub tokens: u64,
    /// Tokens in them, padding included.
    pub padded_tokens: u64,
    /// Calls that were not let in.
    pub refused: u64,
    /// Texts whose vectors were cached.
    pub cache_hits: u64,
    /// Texts whose vectors were not.
    pub cache_misses: u64,
    /// Bytes that the cache holds.
    pub cache_bytes: u64,
    /// Texts that were on their way for another caller already.
    pub joined: u64,
    /// Texts that wait.
    pub waiting: u64,
    /// Tokens admitted and not answered.
    pub queued_tokens: u64,
}

impl Counters {
    pub(super) fn ran(&self, tokens: usize, padded: usize) {
        self.batches.fetch_add(1, Relaxed);
        self.tokens.fetch_add(tokens as u64, Relaxed);
        self.padded.fetch_add(padded as u64, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn looked_up(&self, found: bool) {
        if found { &self.hits } else { &self.misses }.fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self, queued_tokens: usize, joined: u64, waiting: usize, cache_bytes: u64) -> Counts {
        Counts {
            batches: self.batches.load(Relaxed),
            tokens: self.tokens.load(Relaxed),
            padded_tokens: self.padded.load(Relaxed),
            refused: self.refused.load(Relaxed),
            cache_hits: self.hits.load(Relaxed),
            cache_misses: self.misses.load(Relaxed),
            cache_bytes,
            joined,
            waiting: waiting as u64,
            queued_tokens: queued_tokens as u64,
        }
    }
}
