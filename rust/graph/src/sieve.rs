//! Far rows are left out of a walk before their codes are read.

use crossfade_kernels::{Point, Space};

use crate::pool::Pool;
use crate::walk::Next;

/// A walk's look at sketches, as long as it pays.
#[derive(Default)]
pub(crate) struct Sieve {
    seen: usize,
    kept: usize,
}

/// Nodes after which a walk asks whether its looks have paid.
const TRIED: usize = 64;

/// Of the nodes that were looked at, those that may have to be compared after all: of more, a look costs more than it
/// saves.
const MOST_KEPT: f64 = 0.8;

impl Sieve {
    /// Fetch what is read of `nodes` next, and say what is done with it: a look at sketches where there is something that
    /// they might be farther than.
    #[inline]
    pub(crate) fn fetch(&self, space: &Space<'_>, pool: &Pool, nodes: &[u32], row_of: impl Fn(u32) -> u32) -> Next {
        let pays = self.seen < TRIED || self.kept as f64 <= MOST_KEPT * self.seen as f64;
        if pays && space.has_sketches() && pool.is_full() {
            for &node in nodes {
                space.fetch_sketch(row_of(node));
            }
            return Next::Sift;
        }
        for &node in nodes {
            space.fetch_row(row_of(node));
        }
        Next::Compare
    }

    /// Leave those of `nodes` out that are, by their sketches, farther than all of a pool that is full.
    #[inline]
    pub(crate) fn sift(
        &mut self,
        space: &Space<'_>,
        (point, pool): (&Point, &Pool),
        nodes: &mut Vec<u32>,
        row_of: impl Fn(u32) -> u32,
    ) {
        if let Some(worst) = pool.worst() {
            self.seen += nodes.len();
            space.sift(point, nodes, row_of, worst);
            self.kept += nodes.len();
        }
    }
}
