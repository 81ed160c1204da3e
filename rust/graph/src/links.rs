//! A layer that grows, on several threads at once.
//!
//! Links are read without a lock: while a list is written a reader may see some of the old and some of the new, or one
//! twice, and each of them is a node. Who writes a list holds its lock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossfade_kernels::Space;

use crate::layer::{Layer, NONE};

/// Locks for all nodes; nodes share them.
pub(crate) struct Locks(Vec<Mutex<()>>);

/// Enough that two of a few hundred threads seldom want the same one.
const LOCKS: usize = 1 << 12;

impl Locks {
    pub(crate) fn new() -> Self {
        Self((0..LOCKS).map(|_| Mutex::default()).collect())
    }

    fn of(&self, node: u32) -> MutexGuard<'_, ()> {
        self.0[node as usize % LOCKS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Links, all of them `NONE`.
pub(crate) fn none(count: usize) -> Vec<AtomicU32> {
    (0..count).map(|_| AtomicU32::new(NONE)).collect()
}

/// A layer that grows; see `layer::Lowest` and `layer::Upper`.
#[derive(Clone, Copy)]
pub(crate) struct Growing<'a> {
    pub(crate) links: &'a [AtomicU32],
    pub(crate) locks: &'a Locks,
    pub(crate) degree: usize,
    /// Starts and rows of the nodes of an upper layer, and its level.
    pub(crate) upper: Option<(&'a [u32], &'a [u32], usize)>,
}

impl<'a> Growing<'a> {
    #[inline]
    fn of(&self, node: u32) -> &'a [AtomicU32] {
        let list = match self.upper {
            None => node as usize,
            Some((starts, _, level)) => starts[node as usize] as usize + level - 1,
        };
        &self.links[list * self.degree..][..self.degree]
    }

    /// Give a node these links, and no others.
    pub(crate) fn set(&self, node: u32, to: &[u32]) {
        let _lock = self.locks.of(node);
        write(self.of(node), to);
    }

    /// Give a node one link more. Where it has no room, `choose` is handed what it has, the new one among them, and
    /// leaves as many as there is room for.
    pub(crate) fn add(&self, node: u32, to: u32, list: &mut Vec<u32>, choose: impl FnOnce(&mut Vec<u32>)) {
        let _lock = self.locks.of(node);
        let links = self.of(node);
        list.clear();
        self.each(node, |to| list.push(to));
        if list.contains(&to) {
            return;
        }
        if let Some(free) = links.get(list.len()) {
            free.store(to, Ordering::Relaxed);
            return;
        }
        list.push(to);
        choose(list);
        write(links, list);
    }

    /// Give a node one link more if it has room.
    pub(crate) fn add_if_room(&self, node: u32, to: u32) -> bool {
        let _lock = self.locks.of(node);
        let free = self.of(node).iter().find(|link| link.load(Ordering::Relaxed) == NONE);
        if let Some(free) = free {
            free.store(to, Ordering::Relaxed);
        }
        free.is_some()
    }
}

fn write(links: &[AtomicU32], to: &[u32]) {
    for (i, link) in links.iter().enumerate() {
        link.store(to.get(i).copied().unwrap_or(NONE), Ordering::Relaxed);
    }
}

impl Layer for Growing<'_> {
    fn nodes(&self) -> usize {
        self.upper.map_or(self.links.len() / self.degree, |(_, rows, _)| rows.len())
    }

    #[inline]
    fn each(&self, node: u32, mut take: impl FnMut(u32)) {
        for link in self.of(node) {
            match link.load(Ordering::Relaxed) {
                NONE => return,
                to => take(to),
            }
        }
    }

    #[inline]
    fn fetch(&self, _: &Space<'_>, _: u32) {}

    fn rows(&self) -> Option<&[u32]> {
        self.upper.map(|(_, rows, _)| rows)
    }
}
