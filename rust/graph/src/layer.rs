//! A layer as a walk sees it: nodes, each with a row and with links to others.
//!
//! In the lowest layer a node is a row. In those above, nodes are the rows that stand there, numbered from 0 in the order
//! of their rows: their links are found without a search, and their rows by one look into a short list.

use crossfade_kernels::Space;

/// In the place of a link that there is none.
pub(crate) const NONE: u32 = u32::MAX;

/// A layer.
pub(crate) trait Layer {
    /// Nodes that there may be.
    fn nodes(&self) -> usize;

    /// Hand over the nodes that `node` has links to.
    fn each(&self, node: u32, take: impl FnMut(u32));

    /// Fetch the links of a node.
    fn fetch(&self, space: &Space<'_>, node: u32);

    /// The rows of nodes; None where a node is its row.
    fn rows(&self) -> Option<&[u32]> {
        None
    }

    /// The row of a node.
    #[inline]
    fn row(&self, node: u32) -> u32 {
        self.rows().map_or(node, |rows| rows[node as usize])
    }
}

/// The lowest layer of a graph that is finished.
pub(crate) struct Lowest<'a> {
    /// `degree` a row, the last ones `NONE`.
    pub(crate) links: &'a [u32],
    pub(crate) degree: usize,
}

impl<'a> Lowest<'a> {
    /// The links of a node, and what stands for none.
    #[inline]
    pub(crate) fn of(&self, node: u32) -> &'a [u32] {
        let start = node as usize * self.degree;
        self.links.get(start..start + self.degree).unwrap_or_default()
    }
}

impl Layer for Lowest<'_> {
    fn nodes(&self) -> usize {
        self.links.len() / self.degree
    }

    #[inline]
    fn each(&self, node: u32, mut take: impl FnMut(u32)) {
        for &to in self.of(node).iter().take_while(|&&to| to != NONE) {
            take(to);
        }
    }

    #[inline]
    fn fetch(&self, space: &Space<'_>, node: u32) {
        space.fetch_words(self.of(node));
    }
}

/// One of the upper layers of a graph that is finished.
pub(crate) struct Upper<'a> {
    /// For every node, from its start on, `degree` links for each layer from 1 up to its own.
    pub(crate) links: &'a [u32],
    pub(crate) starts: &'a [u32],
    pub(crate) rows: &'a [u32],
    pub(crate) degree: usize,
    pub(crate) level: usize,
}

impl<'a> Upper<'a> {
    fn of(&self, node: u32) -> &'a [u32] {
        let Some(&start) = self.starts.get(node as usize) else { return &[] };
        let start = (start as usize + self.level - 1) * self.degree;
        self.links.get(start..start + self.degree).unwrap_or_default()
    }
}

impl Layer for Upper<'_> {
    fn nodes(&self) -> usize {
        self.rows.len()
    }

    fn each(&self, node: u32, mut take: impl FnMut(u32)) {
        for &to in self.of(node).iter().take_while(|&&to| to != NONE) {
            take(to);
        }
    }

    fn fetch(&self, space: &Space<'_>, node: u32) {
        space.fetch_words(self.of(node));
    }

    fn rows(&self) -> Option<&[u32]> {
        Some(self.rows)
    }
}
