//! A comparison of the codes of all rows that may be found, instead of a walk that would go through most of them.
//!
//! Codes of nodes that follow one another lie in order, so that the processor foresees what is read next, and those of a
//! block are compared with one query after another while caches hold them.

use std::ops::Range;

use crossfade_kernels::{Error as Fault, Rows, TopK};

use crate::scratch::{Lent, Scratch};
use crate::search::Task;

/// Nodes whose codes are compared with one query after another.
const BLOCK: usize = 256;

/// Blocks between two looks at whether to stop: a fraction of a millisecond for each query.
const LOOKED: usize = if cfg!(test) { 2 } else { 64 };

impl Task<'_> {
    /// Compare the codes of all nodes that count, those of a block with one query after another. None for all of them
    /// where it is to stop.
    pub(crate) fn compare_codes(
        &self,
        numbers: Range<usize>,
        queries: Rows<'_, f32>,
        lent: &mut [Lent<'_>],
        stop: &dyn Fn() -> bool,
    ) -> Vec<Result<Option<TopK>, Fault>> {
        for (number, lent) in numbers.clone().zip(&mut *lent) {
            let Scratch { pool, point, .. } = lent.get();
            self.space.set(point, queries.row(number));
            pool.reset(self.most());
        }
        let all = self.listed.as_ref().map_or(self.work.facts.rows, Vec::len);
        let mut block = Vec::with_capacity(BLOCK);
        for (number, first) in (0..all).step_by(BLOCK).enumerate() {
            if number % LOOKED == LOOKED - 1 && stop() {
                return numbers.map(|_| Ok(None)).collect();
            }
            let places = first..all.min(first + BLOCK);
            block.clear();
            match &self.listed {
                Some(listed) => block.extend_from_slice(&listed[places]),
                None => block.extend(places.start as u32..places.end as u32),
            }
            for lent in lent.iter_mut().take(numbers.len()) {
                let Scratch { pool, point, distances, .. } = lent.get();
                self.space.distances(point, &block, distances);
                for (&node, &distance) in block.iter().zip(&*distances) {
                    if pool.takes(distance) {
                        pool.insert(distance, node);
                    }
                }
            }
        }
        numbers.zip(lent).map(|(number, lent)| self.score(queries.row(number), lent.get())).collect()
    }
}
