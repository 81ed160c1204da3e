//! A block of queries, ready to be scored.

use crate::Rows;
use crate::aligned::Aligned;
use crate::backend::{Backend, padded};
use crate::metric::Metric;
use crate::panel::Facts;

/// Queries packed into panels.
pub(crate) struct Queries {
    /// As they are compared: for the cosine, of unit length. Row by row; kept only for `Metric::exact`.
    vectors: Vec<f32>,
    dimension: usize,
    panels: Aligned,
    wild: Vec<bool>,
    any_wild: bool,
}

impl Queries {
    /// Pack the rows `start..end` of `queries`, which must be finite.
    pub(crate) fn new<B: Backend>(backend: B, metric: Metric, queries: Rows<'_>, start: usize, end: usize) -> Self {
        let dimension = queries.dimension();
        let mut vectors = queries.range(start, end).to_vec();
        let mut facts = vec![Facts::default(); end - start];
        let mut panels = Aligned::zeroed((end - start).next_multiple_of(B::QUERIES) * padded::<B>(dimension));
        backend.pack_queries(&vectors, dimension, panels.as_mut_slice(), &mut facts);
        if metric == Metric::Cosine {
            for (vector, facts) in vectors.chunks_exact_mut(dimension).zip(&facts) {
                normalise(vector, facts.norm);
            }
            backend.pack_queries(&vectors, dimension, panels.as_mut_slice(), &mut facts);
        }
        // Of a unit vector nothing can be too small: what underflows in it is beneath the rounding of the score.
        let wild: Vec<bool> = facts.iter().map(|&facts| metric != Metric::Cosine && metric.is_wild(facts)).collect();
        let any_wild = wild.contains(&true);
        Self { vectors, dimension, panels, wild, any_wild }
    }

    pub(crate) fn len(&self) -> usize {
        self.wild.len()
    }

    /// Panel after panel, each with the number of its first query.
    pub(crate) fn panels<B: Backend>(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let panels = self.panels.as_slice().chunks_exact(B::QUERIES * padded::<B>(self.dimension));
        panels.enumerate().map(|(i, panel)| (i * B::QUERIES, panel))
    }

    pub(crate) fn vector(&self, query: usize) -> &[f32] {
        &self.vectors[query * self.dimension..][..self.dimension]
    }

    /// Whether only `Metric::exact` can score this query.
    pub(crate) fn is_wild(&self, query: usize) -> bool {
        self.wild[query]
    }

    pub(crate) fn any_wild(&self) -> bool {
        self.any_wild
    }
}

fn normalise(vector: &mut [f32], norm: f64) {
    if norm > 0.0 {
        for x in vector {
            *x = (f64::from(*x) / norm) as f32;
        }
    }
}
