//! What a walk needs, kept for the next one.

use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use crossfade_kernels::{Measured, Nearest, Point};

use crate::pool::{Entry, Pool};

/// One bit a node: whether a walk has been there. What was set is cleared by name, for a walk sees few of many.
#[derive(Default)]
pub(crate) struct Visited {
    words: Vec<u64>,
    nodes: u32,
    touched: Vec<u32>,
}

/// Nodes of a word.
const WORD: u32 = u64::BITS;

impl Visited {
    /// Forget all, and have room for `nodes`.
    pub(crate) fn reset(&mut self, nodes: usize) {
        for &word in &self.touched {
            self.words[word as usize] = 0;
        }
        self.touched.clear();
        // Layers have more and fewer nodes: what is there stays.
        let words = nodes.div_ceil(WORD as usize);
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
        self.nodes = nodes as u32;
    }

    /// Mark a node; whether it was not marked before. A node that does not exist counts as marked: no link of a damaged
    /// file leads anywhere.
    #[inline]
    pub(crate) fn insert(&mut self, node: u32) -> bool {
        if node >= self.nodes {
            return false;
        }
        let word = &mut self.words[(node / WORD) as usize];
        let bit = 1 << (node % WORD);
        if *word & bit != 0 {
            return false;
        }
        if *word == 0 {
            self.touched.push(node / WORD);
        }
        *word |= bit;
        true
    }
}

/// Everything that one thread needs for walk after walk. No two of them share a cache line, nor two lines that are fetched
/// together.
#[repr(align(128))]
pub(crate) struct Scratch {
    pub(crate) visited: Visited,
    /// The best so far.
    pub(crate) pool: Pool,
    /// The nodes that the walk goes on from.
    pub(crate) from: Vec<u32>,
    /// The nodes that are next compared, their rows where those are others, and the distances.
    pub(crate) nodes: Vec<u32>,
    pub(crate) rows: Vec<u32>,
    pub(crate) distances: Vec<f32>,
    /// The query, and a row whose neighbours are chosen.
    pub(crate) point: Point,
    pub(crate) other: Point,
    /// See `filtered`.
    pub(crate) frontier: std::collections::BinaryHeap<std::cmp::Reverse<u64>>,
    pub(crate) ruled_out: Vec<u32>,
    /// See `scan`.
    pub(crate) near: Nearest,
    pub(crate) order: Vec<Entry>,
    pub(crate) late: Vec<u32>,
    /// See `near`.
    pub(crate) measured: Measured,
    pub(crate) cells: Vec<Entry>,
    pub(crate) ranks: Vec<u32>,
    pub(crate) runs: Vec<std::ops::Range<usize>>,
    /// The rows that are scored exactly, and room for it.
    pub(crate) candidates: Vec<i64>,
    pub(crate) keys: Vec<u64>,
}

impl Scratch {
    pub(crate) fn new(dimension: usize) -> Self {
        Self {
            visited: Visited::default(),
            pool: Pool::default(),
            from: Vec::new(),
            nodes: Vec::new(),
            rows: Vec::new(),
            distances: Vec::new(),
            point: Point::new(dimension),
            other: Point::new(dimension),
            frontier: std::collections::BinaryHeap::new(),
            ruled_out: Vec::new(),
            near: Nearest::default(),
            order: Vec::new(),
            late: Vec::new(),
            measured: Measured::default(),
            cells: Vec::new(),
            ranks: Vec::new(),
            runs: Vec::new(),
            candidates: Vec::new(),
            keys: Vec::new(),
        }
    }
}

/// Scratch that no walk needs now, and which thread had it last.
///
/// A thread gets back what it had: that lies in the caches of its core. What another had comes from there line by line,
/// in the midst of a search, and from afar where the cores have no cache in common.
#[derive(Default)]
pub(crate) struct Spare(Mutex<Vec<(ThreadId, Box<Scratch>)>>);

impl Spare {
    /// Some scratch, which comes back when it is dropped.
    pub(crate) fn lend(&self, dimension: usize) -> Lent<'_> {
        let own = thread::current().id();
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What has lain there longest may be that of a thread that is no more.
        let place = spare.iter().rposition(|&(of, _)| of == own).or((!spare.is_empty()).then_some(0));
        let found = place.map(|place| spare.remove(place).1);
        drop(spare);
        Lent { spare: self, scratch: Some(found.unwrap_or_else(|| Box::new(Scratch::new(dimension)))) }
    }
}

/// Scratch that is in use.
pub(crate) struct Lent<'s> {
    spare: &'s Spare,
    scratch: Option<Box<Scratch>>,
}

impl Lent<'_> {
    /// The scratch itself.
    pub(crate) fn get(&mut self) -> &mut Scratch {
        self.scratch.as_mut().expect("it is given back only when this is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // What a panic left half done may not serve another walk.
        if let Some(scratch) = self.scratch.take().filter(|_| !thread::panicking()) {
            let own = thread::current().id();
            self.spare.0.lock().unwrap_or_else(PoisonError::into_inner).push((own, scratch));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_new_once_until_all_is_forgotten() {
        let mut visited = Visited::default();
        for nodes in [1, 64, 65, 1000, 10] {
            visited.reset(nodes);
            for node in 0..nodes as u32 {
                assert!(visited.insert(node));
                assert!(!visited.insert(node));
            }
            assert!(!visited.insert(1 << 20));
        }
    }

    #[test]
    fn a_thread_gets_back_what_it_had_and_a_new_one_what_lies_there_longest() {
        let spare = Spare::default();
        let marked = |lent: &mut Lent<'_>, mark: u32| lent.get().nodes.push(mark);
        let mut own = spare.lend(8);
        marked(&mut own, 1);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = spare.lend(8);
                assert_eq!(other.get().nodes, []);
                marked(&mut other, 2);
                drop(own);
                drop(other);
                assert_eq!(spare.lend(8).get().nodes, [2]);
            });
        });
        // What was given back elsewhere is that thread's.
        let mut first = spare.lend(8);
        let mut second = spare.lend(8);
        assert_eq!((first.get().nodes.as_slice(), second.get().nodes.as_slice()), (&[1][..], &[2][..]));
        assert_eq!(spare.lend(8).get().nodes, []);
        drop(second);
        drop(first);
        assert_eq!(spare.lend(8).get().nodes, [1]);
    }
}
