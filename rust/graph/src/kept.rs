//! Signs of the rows that filters left, kept for the next query.
//!
//! A filter comes again: a tenant's, a language, a year. What was laid side by side for it is a third of a nanosecond's
//! work for each row and query; to lay it takes as long as a walk. So it is kept, by the mask's own bits, and the least
//! lately used goes when there is too much. A mask that was not seen before is laid side by side where one batch pays for
//! that, and where it comes a second time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crossfade_kernels::{Mask, Signs};

use crate::format::checksum;

/// What is known of a mask.
pub(crate) enum Known {
    /// Its rows lie side by side.
    Laid(Arc<Signs>),
    /// It came before.
    Seen,
    /// It did not, as far as is remembered.
    New,
}

/// Signs by mask; without one, of all rows.
#[derive(Default)]
pub(crate) struct Kept {
    entries: RwLock<Vec<Entry>>,
    /// Counts searches, to tell what was used lately.
    clock: AtomicU64,
    /// Of masks that were seen, the checksums.
    seen: Mutex<VecDeque<u64>>,
}

struct Entry {
    bits: Option<Box<[u8]>>,
    signs: Arc<Signs>,
    used: AtomicU64,
}

impl Entry {
    fn nbytes(&self) -> usize {
        self.signs.nbytes() + self.bits.as_ref().map_or(0, |bits| bits.len())
    }
}

/// Masks that are remembered without being kept.
const REMEMBERED: usize = 64;

impl Kept {
    /// What is known of a mask, which from now on was seen.
    pub(crate) fn find(&self, mask: Option<Mask<'_>>) -> Known {
        let bits = mask.map(|mask| mask.bits());
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        // Two masks differ within their first bytes, most often: to compare is cheap.
        if let Some(entry) = entries.iter().find(|entry| entry.bits.as_deref() == bits) {
            entry.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            return Known::Laid(Arc::clone(&entry.signs));
        }
        drop(entries);
        let sum = checksum(bits);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(&sum) {
            return Known::Seen;
        }
        if seen.len() == REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(sum);
        Known::New
    }

    /// Keep signs, as long as all of them are no more than `most` bytes.
    pub(crate) fn keep(&self, mask: Option<Mask<'_>>, signs: Arc<Signs>, most: usize) {
        let bits = mask.map(|mask| Box::from(mask.bits()));
        let used = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed));
        let entry = Entry { bits, signs, used };
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been faster.
        entries.retain(|other| other.bits != entry.bits);
        entries.push(entry);
        while entries.iter().map(Entry::nbytes).sum::<usize>() > most {
            let oldest = (0..entries.len()).min_by_key(|&at| entries[at].used.load(Ordering::Relaxed));
            oldest.map(|at| entries.swap_remove(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(known: &Known) -> bool {
        matches!(known, Known::Laid(_))
    }

    #[test]
    fn the_least_lately_used_goes_first() {
        let kept = Kept::default();
        let all: Vec<Vec<u8>> = (1..5_u8).map(|bits| vec![bits; 8]).collect();
        let mask = |i: usize| Some(Mask::new(&all[i], 64).unwrap());
        assert!(matches!(kept.find(mask(0)), Known::New));
        assert!(matches!(kept.find(mask(0)), Known::Seen));
        assert!(matches!(kept.find(None), Known::New));
        let of = || Arc::new(Signs::default());
        let one = Signs::default().nbytes() + 8;
        for i in 0..3 {
            kept.keep(mask(i), of(), 3 * one);
        }
        // Again, as by two threads at a time.
        kept.keep(mask(2), of(), 3 * one);
        assert!((0..3).all(|i| laid(&kept.find(mask(i)))));
        assert!(laid(&kept.find(mask(0))));
        kept.keep(mask(3), of(), 3 * one);
        assert_eq!([0, 1, 2, 3].map(|i| laid(&kept.find(mask(i)))), [true, false, true, true]);
        // What is larger alone than all may be is not kept.
        kept.keep(mask(1), of(), one - 1);
        assert!((0..4).all(|i| !laid(&kept.find(mask(i)))));
    }
}
