//! Work shared between threads, in blocks, with the results in order.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::Error;

/// Texts that a thread takes at once.
const BLOCK: usize = 32;

/// Call `work` for blocks of `0..count` on so many threads (0: one a core), each with a scratch of its own; what it
/// returns, in order. `interrupted` is asked by the calling thread, between blocks.
pub(crate) fn share_out<S: Default, R: Send>(
    count: usize,
    threads: usize,
    interrupted: Option<&dyn Fn() -> bool>,
    work: impl Fn(std::ops::Range<usize>, &mut S) -> R + Sync,
) -> Result<Vec<R>, Error> {
    let blocks = count.div_ceil(BLOCK);
    let threads = match threads {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    };
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let part = |interrupted: &dyn Fn() -> bool| {
        let (mut scratch, mut done) = (S::default(), Vec::new());
        loop {
            if interrupted() {
                stop.store(true, Ordering::Relaxed);
            }
            let block = next.fetch_add(1, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) || block >= blocks {
                return done;
            }
            let range = block * BLOCK..((block + 1) * BLOCK).min(count);
            done.push((block, work(range, &mut scratch)));
        }
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(blocks)).map(|_| scope.spawn(|| part(&|| false))).collect();
        let mut done = part(&|| interrupted.is_some_and(|interrupted| interrupted()));
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    if stop.into_inner() {
        return Err(Error::Interrupted);
    }
    done.sort_unstable_by_key(|&(block, _)| block);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
