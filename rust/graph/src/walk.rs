//! Best first through a layer (Malkov and Yashunin 2018, algorithm 2), a step at a time.
//!
//! Each step ends with fetching what the next one reads. One that takes the steps of several walks in turn finds there
//! what it reads, and has not waited for memory; to walk alone is to wait each time.
//!
//! The paper goes on from one node at a time. To go on from the nearest `ABREAST` costs a few comparisons more, which
//! find something too, and half of the waiting.

use crossfade_kernels::Space;

use crate::layer::Layer;
use crate::scratch::Scratch;
use crate::sieve::Sieve;

/// Nodes that a walk goes on from at once.
pub(crate) const ABREAST: usize = 2;

/// What a walk does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read the links of the nodes that it goes on from.
    Follow,
    /// Look at sketches of what they lead to.
    Sift,
    /// Compare what is left, and choose what to go on from.
    Compare,
}

/// A walk that is under way.
pub(crate) struct Walk {
    sieve: Sieve,
    next: Next,
}

impl Walk {
    /// Begin to fill the scratch's pool with the `ef` nodes nearest to its point that a walk from `start` finds, without
    /// going through the one that is left out; where that is `start`, it is not left out.
    pub(crate) fn begin<L: Layer>(
        space: &Space<'_>,
        layer: &L,
        (start, left_out): (u32, Option<u32>),
        ef: usize,
        scratch: &mut Scratch,
    ) -> Self {
        let Scratch { visited, pool, nodes, .. } = scratch;
        visited.reset(layer.nodes());
        pool.reset(ef);
        nodes.clear();
        if visited.insert(start) {
            space.fetch_row(layer.row(start));
            nodes.push(start);
        }
        if let Some(left_out) = left_out {
            visited.insert(left_out);
        }
        Self { sieve: Sieve::default(), next: Next::Compare }
    }

    /// Take a step. Whether there is another.
    #[inline]
    pub(crate) fn step<L: Layer>(&mut self, space: &Space<'_>, layer: &L, scratch: &mut Scratch) -> bool {
        let Scratch { visited, pool, nodes, rows, distances, point, from, .. } = scratch;
        match self.next {
            Next::Follow => {
                nodes.clear();
                for &node in &*from {
                    layer.each(node, |to| {
                        if visited.insert(to) {
                            nodes.push(to);
                        }
                    });
                }
                self.next = self.sieve.fetch(space, pool, nodes, |node| layer.row(node));
            }
            Next::Sift => {
                self.sieve.sift(space, (point, pool), nodes, |node| layer.row(node));
                self.next = Next::Compare;
            }
            Next::Compare => {
                let of = match layer.rows() {
                    None => &*nodes,
                    Some(all) => {
                        rows.clear();
                        rows.extend(nodes.iter().map(|&node| all[node as usize]));
                        &*rows
                    }
                };
                space.distances(point, of, distances);
                for (&node, &distance) in nodes.iter().zip(&*distances) {
                    pool.insert(distance, node);
                }
                from.clear();
                while let Some(node) = pool.advance() {
                    layer.fetch(space, node);
                    from.push(node);
                    if from.len() == ABREAST {
                        break;
                    }
                }
                if from.is_empty() {
                    return false;
                }
                if let Some(coming) = pool.coming() {
                    layer.fetch(space, coming);
                }
                self.next = Next::Follow;
            }
        }
        true
    }
}

/// A whole walk.
pub(crate) fn walk<L: Layer>(
    space: &Space<'_>,
    layer: &L,
    start: (u32, Option<u32>),
    ef: usize,
    scratch: &mut Scratch,
) {
    let mut walk = Walk::begin(space, layer, start, ef, scratch);
    while walk.step(space, layer, scratch) {}
}

/// The node nearest to the point that going from `start` always to a nearer one leads to.
pub(crate) fn descend<L: Layer>(space: &Space<'_>, layer: &L, start: u32, scratch: &mut Scratch) -> u32 {
    walk(space, layer, (start, None), 1, scratch);
    nearest(scratch, start)
}

/// What a walk found that is nearest.
pub(crate) fn nearest(scratch: &Scratch, otherwise: u32) -> u32 {
    scratch.pool.entries().first().map_or(otherwise, |&entry| crate::pool::node(entry))
}
