//! Signs of the rows that filters left, kept for the next query.
//!
//! A filter comes again: a tenant's, a language, a year. What was laid side by side for it is a third of a nanosecond's
//! work for each row and query; to lay it takes as long as a walk. So it is kept, by the mask's own bits, and the least
//! lately used goes when there is too much. A mask that was not seen before is laid side by side where one batch pays for
//! that, or has come with as many queries before as do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crossfade_kernels::{Mask, Signs};

use crate::format::checksum;

/// Signs that lie side by side; where there are cells, those of a cell after those of the one before.
#[derive(Default)]
pub(crate) struct Laid {
    pub(crate) signs: Signs,
    /// How many rows may be found: more than there are signs, where rows are equal.
    pub(crate) allowed: usize,
    /// The cells that have rows here, ascending, and the signs of their centres.
    pub(crate) cells: Vec<u32>,
    pub(crate) centres: Signs,
    /// Where their rows begin; one more than there are such cells, or nothing without cells.
    pub(crate) starts: Vec<u32>,
}

impl Laid {
    fn nbytes(&self) -> usize {
        self.signs.nbytes() + self.centres.nbytes() + size_of_val(&*self.cells) + size_of_val(&*self.starts)
    }
}

/// What is known of a mask.
pub(crate) enum Known {
    /// Its rows lie side by side.
    Laid(Arc<Laid>),
    /// It came before, with so many queries.
    Seen(usize),
    /// It did not, as far as is remembered.
    New,
}

/// Signs by mask; without one, of all rows.
#[derive(Default)]
pub(crate) struct Kept {
    entries: RwLock<Vec<Entry>>,
    /// Counts searches, to tell what was used lately.
    clock: AtomicU64,
    /// Of masks that were seen, the checksums, and how many queries they came with.
    seen: Mutex<VecDeque<(u64, usize)>>,
}

struct Entry {
    bits: Option<Box<[u8]>>,
    laid: Arc<Laid>,
    used: AtomicU64,
}

impl Entry {
    fn nbytes(&self) -> usize {
        self.laid.nbytes() + self.bits.as_ref().map_or(0, |bits| bits.len())
    }
}

/// Masks that are remembered without being kept.
const REMEMBERED: usize = 64;

impl Kept {
    /// What was laid for a mask. It says how many rows that leaves, which takes longer to count than to find it.
    pub(crate) fn laid(&self, mask: Option<Mask<'_>>) -> Option<Arc<Laid>> {
        let bits = mask.map(|mask| mask.bits());
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        // Two masks differ within their first bytes, most often: to compare is cheap.
        let entry = entries.iter().find(|entry| entry.bits.as_deref() == bits)?;
        entry.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(Arc::clone(&entry.laid))
    }

    /// What is known of a mask, which from now on was seen, with so many queries.
    pub(crate) fn find(&self, mask: Option<Mask<'_>>, queries: usize) -> Known {
        if let Some(laid) = self.laid(mask) {
            return Known::Laid(laid);
        }
        let sum = checksum(mask.map(|mask| mask.bits()));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, before)) = seen.iter_mut().find(|(other, _)| *other == sum) {
            let count = *before;
            *before = before.saturating_add(queries);
            return Known::Seen(count);
        }
        if seen.len() == REMEMBERED {
            seen.pop_front();
        }
        seen.push_back((sum, queries));
        Known::New
    }

    /// Keep signs, as long as all of them are no more than `most` bytes.
    pub(crate) fn keep(&self, mask: Option<Mask<'_>>, laid: Arc<Laid>, most: usize) {
        // Should it have to go, it is laid again only for as many queries as it takes to pay for that.
        let sum = checksum(mask.map(|mask| mask.bits()));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter_mut().filter(|(other, _)| *other == sum).for_each(|(_, queries)| *queries = 0);
        drop(seen);
        let bits = mask.map(|mask| Box::from(mask.bits()));
        let used = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed));
        let entry = Entry { bits, laid, used };
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
        assert!(matches!(kept.find(mask(0), 3), Known::New));
        assert!(matches!(kept.find(mask(0), 3), Known::Seen(3)));
        assert!(matches!(kept.find(None, 3), Known::New));
        let of = || Arc::new(Laid::default());
        let one = Laid::default().nbytes() + 8;
        for i in 0..3 {
            kept.keep(mask(i), of(), 3 * one);
        }
        // Again, as by two threads at a time.
        kept.keep(mask(2), of(), 3 * one);
        assert!((0..3).all(|i| laid(&kept.find(mask(i), 3))));
        assert!(laid(&kept.find(mask(0), 3)));
        kept.keep(mask(3), of(), 3 * one);
        assert_eq!([0, 1, 2, 3].map(|i| laid(&kept.find(mask(i), 3))), [true, false, true, true]);
        // What is larger alone than all may be is not kept.
        kept.keep(mask(1), of(), one - 1);
        assert!((0..4).all(|i| !laid(&kept.find(mask(i), 3))));
    }
}
