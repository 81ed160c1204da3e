//! A walk that only some rows count for.
//!
//! What a mask rules out is still a way to what it does not. Where it leaves most rows, the walk goes through all, and
//! only those that it leaves are results. Where it leaves few, the walk would compare a hundred rows for each that counts:
//! so it passes over those and looks at once at the neighbours behind them (as ACORN does; Patel et al. 2024), and as
//! soon as it has ef results it goes on from results alone. Until then it goes on from any row: else a walk that begins
//! where the mask leaves nothing would end there.

use std::cmp::Reverse;

use crossfade_kernels::{Mask, Space};

use crate::layer::{Layer, Lowest};
use crate::pool::{distance, entry, node};
use crate::scratch::Scratch;
use crate::sieve::Sieve;
use crate::twins::Twins;
use crate::walk::{ABREAST, Next};

/// What a walk is bound to.
pub(crate) struct Filter<'a> {
    pub(crate) mask: Mask<'a>,
    pub(crate) twins: Twins<'a>,
    /// Whether it looks behind what is ruled out without comparing it.
    pub(crate) passes_over: bool,
    /// Nodes that it may compare, or pass over, before it gives up.
    pub(crate) patience: usize,
}

impl Filter<'_> {
    /// Whether a node counts: its row may be found, or one that equals it.
    #[inline]
    fn allows(&self, node: u32) -> bool {
        self.mask.has(node as usize)
            || (!self.twins.0.is_empty() && self.twins.of(node).any(|row| self.mask.has(row as usize)))
    }
}

/// A walk that is under way; see `walk`.
pub(crate) struct Walk {
    sieve: Sieve,
    next: Next,
    compared: usize,
}

/// What a step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is another.
    Another,
    /// The walk has found what it finds.
    Found,
    /// It gave up.
    GaveUp,
}

impl Walk {
    /// Begin to fill the scratch's pool with the `ef` nodes that count and are nearest to its point, as far as a walk from
    /// `start` finds them.
    pub(crate) fn begin(space: &Space<'_>, layer: &Lowest<'_>, start: u32, ef: usize, scratch: &mut Scratch) -> Self {
        let Scratch { visited, pool, nodes, frontier, .. } = scratch;
        visited.reset(layer.nodes());
        pool.reset(ef);
        frontier.clear();
        nodes.clear();
        if visited.insert(start) {
            space.fetch_row(start);
            nodes.push(start);
        }
        Self { sieve: Sieve::default(), next: Next::Compare, compared: 0 }
    }

    /// Take a step.
    #[inline]
    pub(crate) fn step(
        &mut self,
        space: &Space<'_>,
        layer: &Lowest<'_>,
        filter: &Filter<'_>,
        scratch: &mut Scratch,
    ) -> Step {
        match self.next {
            Next::Follow => {
                scratch.nodes.clear();
                if filter.passes_over {
                    self.look_behind(space, layer, filter, scratch);
                } else {
                    let Scratch { visited, nodes, from, .. } = &mut *scratch;
                    for &node in &*from {
                        layer.each(node, |to| {
                            if visited.insert(to) {
                                nodes.push(to);
                            }
                        });
                    }
                }
                self.compared += scratch.nodes.len();
                self.next = self.sieve.fetch(space, &scratch.pool, &scratch.nodes, |node| node);
            }
            Next::Sift => {
                self.sieve.sift(space, (&scratch.point, &scratch.pool), &mut scratch.nodes, |node| node);
                self.next = Next::Compare;
            }
            Next::Compare => {
                compare(space, filter, scratch);
                choose(space, layer, filter, scratch);
                if scratch.from.is_empty() {
                    return Step::Found;
                }
                if self.compared > filter.patience {
                    return Step::GaveUp;
                }
                self.next = Next::Follow;
            }
        }
        Step::Another
    }

    /// Collect the nodes that count among those that links lead to, and behind those that do not.
    fn look_behind(&mut self, space: &Space<'_>, layer: &Lowest<'_>, filter: &Filter<'_>, scratch: &mut Scratch) {
        let Scratch { visited, pool, nodes, from, ruled_out, .. } = scratch;
        ruled_out.clear();
        for &node in &*from {
            layer.each(node, |to| {
                if visited.insert(to) {
                    if filter.allows(to) { nodes.push(to) } else { ruled_out.push(to) }
                }
            });
        }
        self.compared += ruled_out.len();
        for &to in &*ruled_out {
            layer.fetch(space, to);
        }
        for &between in &*ruled_out {
            layer.each(between, |to| {
                if filter.allows(to) && visited.insert(to) {
                    nodes.push(to);
                }
            });
        }
        if !pool.is_full() {
            nodes.append(ruled_out);
        }
    }
}

/// Compare the nodes that were reached, and keep those to go on from and those that count.
fn compare(space: &Space<'_>, filter: &Filter<'_>, scratch: &mut Scratch) {
    let Scratch { pool, nodes, distances, point, frontier, .. } = scratch;
    space.distances(point, nodes, distances);
    for (&node, &distance) in nodes.iter().zip(&*distances) {
        if !pool.takes(distance) {
            continue;
        }
        let counts = filter.allows(node);
        if counts || !filter.passes_over || !pool.is_full() {
            frontier.push(Reverse(entry(distance, node)));
        }
        if counts {
            pool.insert(distance, node);
        }
    }
}

/// Choose the nodes to go on from; none where the walk is at its end.
fn choose(space: &Space<'_>, layer: &Lowest<'_>, filter: &Filter<'_>, scratch: &mut Scratch) {
    let Scratch { pool, frontier, from, .. } = scratch;
    from.clear();
    // What is ruled out led here; once there are ef results, they lead on.
    let leads = |entry: u64| !filter.passes_over || !pool.is_full() || filter.allows(node(entry));
    // To look behind a node is much already.
    let abreast = if filter.passes_over { 1 } else { ABREAST };
    while from.len() < abreast {
        match frontier.pop() {
            Some(Reverse(nearest)) if pool.takes(distance(nearest)) => {
                if leads(nearest) {
                    layer.fetch(space, node(nearest));
                    from.push(node(nearest));
                }
            }
            _ => break,
        }
    }
    if let Some(&Reverse(coming)) = frontier.peek() {
        layer.fetch(space, node(coming));
    }
}
