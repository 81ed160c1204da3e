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
use crate::twins::Twins;

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

/// Fill the scratch's pool with the `ef` nodes that count and are nearest to its point, as far as a walk from `start`
/// finds them. False when it gave up.
pub(crate) fn walk(
    space: &Space<'_>,
    layer: &Lowest<'_>,
    start: u32,
    ef: usize,
    filter: &Filter<'_>,
    scratch: &mut Scratch,
) -> bool {
    let Scratch { visited, pool, nodes, distances, point, frontier, ruled_out, .. } = scratch;
    visited.reset(layer.nodes());
    pool.reset(ef);
    frontier.clear();
    nodes.clear();
    let mut compared = 0;
    if visited.insert(start) {
        nodes.push(start);
    }
    loop {
        space.distances(point, nodes, distances);
        compared += nodes.len();
        for (&node, &distance) in nodes.iter().zip(&*distances) {
            let counts = filter.allows(node);
            if pool.takes(distance) && (counts || !filter.passes_over || !pool.is_full()) {
                frontier.push(Reverse(entry(distance, node)));
            }
            if counts {
                pool.insert(distance, node);
            }
        }
        // What is ruled out led here; once there are ef results, they lead on.
        let leads = |entry: u64| !filter.passes_over || !pool.is_full() || filter.allows(node(entry));
        let nearest = loop {
            let Some(Reverse(nearest)) = frontier.pop() else { return true };
            if !pool.takes(distance(nearest)) {
                return true;
            }
            if leads(nearest) {
                break nearest;
            }
        };
        if compared > filter.patience {
            return false;
        }
        if let Some(&Reverse(coming)) = frontier.peek() {
            layer.fetch(space, node(coming));
        }
        nodes.clear();
        if filter.passes_over {
            ruled_out.clear();
            layer.each(node(nearest), |to| {
                if visited.insert(to) {
                    if filter.allows(to) { nodes.push(to) } else { ruled_out.push(to) }
                }
            });
            compared += ruled_out.len();
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
        } else {
            layer.each(node(nearest), |to| {
                if visited.insert(to) {
                    nodes.push(to);
                }
            });
        }
    }
}
