//! What guards the queue: the standard library's, or loom's, which tries every order in which threads may meet.

#[cfg(crossfade_loom)]
pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(crossfade_loom))]
pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
