//! Asking the system for the pages of a mapped file before the scan needs them.
//!
//! A scan that runs into a page that is not in memory stands still until the disk has brought it; the system's own
//! read-ahead sees several threads in one file and stays small. So the pages of the next 32 MiB are asked for at once:
//! enough to keep a disk busy, little beside what a machine has.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes ahead of the scan.
const WINDOW: usize = 32 << 20;

/// Bytes asked for at a time: one call for many chunks.
const STEP: usize = 8 << 20;

pub(crate) struct ReadAhead {
    end: usize,
    /// The address up to which pages were asked for.
    asked: AtomicUsize,
}

impl ReadAhead {
    /// For a scan of the addresses `start..end`, from the beginning to the end.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let read_ahead = Self { end, asked: AtomicUsize::new(start) };
        read_ahead.ask(start, start.saturating_add(WINDOW));
        read_ahead
    }

    /// Some worker goes on to `address`.
    pub(crate) fn reached(&self, address: usize) {
        let asked = self.asked.load(Ordering::Relaxed);
        let to = address.saturating_add(WINDOW);
        if asked < self.end && to > asked.saturating_add(STEP) {
            self.ask(asked, to);
        }
    }

    /// Ask for what lies between `from` and `to`, unless another worker did so meanwhile.
    fn ask(&self, from: usize, to: usize) {
        let to = self.end.min(to);
        if to > from && self.asked.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            will_need(from, to);
        }
    }
}

/// Rows that are looked at before all are asked for: where these are in memory, at most a few of the others are not, and
/// asking costs half a microsecond each.
const LOOKED_AT: usize = 4;

/// Have the pages of rows brought that lie anywhere in a mapped file, all at the same time. `row(i)`: one of `count`.
pub(crate) fn bring<'a, E: 'a>(count: usize, row: impl Fn(usize) -> &'a [E]) {
    let step = count.div_ceil(LOOKED_AT).max(1);
    if (0..count).step_by(step).all(|i| is_in_memory(row(i).as_ptr().addr())) {
        return;
    }
    for addresses in (0..count).map(|i| row(i).as_ptr_range()) {
        will_need(addresses.start.addr(), addresses.end.addr());
    }
}

/// Whether the page of an address need not be waited for.
#[cfg(target_os = "linux")]
fn is_in_memory(address: usize) -> bool {
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page) = usize::try_from(page) else { return true };
    let from = address - address % page.max(1);
    let mut state = 0_u8;
    // SAFETY: it is asked about one page, for which one byte is written; an address that is not mapped is an error.
    let refused = unsafe { libc::mincore(std::ptr::without_provenance_mut(from), 1, &raw mut state) };
    refused != 0 || state & 1 == 1
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_address: usize) -> bool {
    false
}

#[cfg(unix)]
fn will_need(from: usize, to: usize) {
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page) = usize::try_from(page) else { return };
    // Only whole pages can be asked for.
    let from = from - from % page.max(1);
    // SAFETY: MADV_WILLNEED changes no memory, and an address that is not mapped is an error, which does not matter: it
    // is a hint.
    let _ = unsafe { libc::madvise(std::ptr::without_provenance_mut(from), to - from, libc::MADV_WILLNEED) };
}

#[cfg(not(unix))]
fn will_need(_from: usize, _to: usize) {}
