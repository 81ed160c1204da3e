//! Best first through a layer (Malkov and Yashunin 2018, algorithm 2).

use crossfade_kernels::Space;

use crate::layer::Layer;
use crate::scratch::Scratch;

/// Fill the scratch's pool with the `ef` nodes nearest to its point that a walk from `start` finds, without going
/// through the one that is left out; where that is `start`, it is not left out.
pub(crate) fn walk<L: Layer>(
    space: &Space<'_>,
    layer: &L,
    (start, left_out): (u32, Option<u32>),
    ef: usize,
    scratch: &mut Scratch,
) {
    let Scratch { visited, pool, nodes, rows, distances, point, .. } = scratch;
    visited.reset(layer.nodes());
    pool.reset(ef);
    nodes.clear();
    if visited.insert(start) {
        nodes.push(start);
    }
    if let Some(left_out) = left_out {
        visited.insert(left_out);
    }
    loop {
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
        let Some(node) = pool.advance() else { return };
        if let Some(coming) = pool.coming() {
            layer.fetch(space, coming);
        }
        nodes.clear();
        layer.each(node, |to| {
            if visited.insert(to) {
                nodes.push(to);
            }
        });
    }
}

/// The node nearest to the point that going from `start` always to a nearer one leads to.
pub(crate) fn descend<L: Layer>(space: &Space<'_>, layer: &L, start: u32, scratch: &mut Scratch) -> u32 {
    walk(space, layer, (start, None), 1, scratch);
    scratch.pool.entries().first().map_or(start, |&entry| crate::pool::node(entry))
}
