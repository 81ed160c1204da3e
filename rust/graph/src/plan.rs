//! Walk, or search exactly: the cost of each, and who decides.
//!
//! An exact search of what a mask leaves is linear in it, and never wrong. A walk takes about as long whatever the corpus
//! (log n), but longer the less the mask leaves. So there is a share of rows below which exact search is faster; it
//! depends on the number of rows, on ef, and on the batch, which an exact search reads the corpus once for.
//!
//! The unit of cost is the byte that is compared, where it lies anywhere. Measured on Zen 5 (2 cores, AVX-512 VNNI,
//! docs/graph.md); what is compared is the shape of two curves that cross at an angle, so that a processor for which the
//! constants are off by two chooses worse only near where it hardly matters.

use crossfade_kernels::record_bytes;

use crate::format::Facts;
use crate::settings::Form;

/// How a query was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// A walk among all rows.
    Walk,
    /// A walk that puts only rows of the mask among its results.
    FilteredWalk,
    /// An exact search of the rows that may be found.
    Exact,
}

/// Which plans may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ways {
    /// Whatever costs less by this model.
    #[default]
    Planned,
    /// A walk, and exact search only for what it does not find.
    Walk,
    /// Exact search.
    Exact,
}

/// What a search is about, as far as its cost goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) facts: Facts,
    /// Bytes of a row of the corpus.
    pub(crate) row_bytes: usize,
    /// Rows that may be found, and whether there is a mask.
    pub(crate) allowed: usize,
    pub(crate) masked: bool,
    pub(crate) queries: usize,
    pub(crate) ef: usize,
}

/// Nodes that a walk compares for each of `ef`, for each link of a node: most of the links lead to where it has been.
const COMPARED: f64 = 0.55;

/// Nodes that a walk compares on its way to where it begins in earnest.
const APPROACH: f64 = 200.0;

/// How much cheaper than a byte here and there is one of rows that follow one another, with one query.
const IN_ORDER: f64 = 0.35;

/// Of that, what is left for each query of a large batch, and the batch for which half is gone.
const BATCHED: f64 = 0.25;
const HALF_BATCH: f64 = 8.0;

/// What a look at the mask costs, with its share of a node's links, in bytes compared.
const LOOK: f64 = 16.0;

/// The share of rows above which a walk compares what the mask rules out like everything else. Below, it passes over it
/// and looks at the neighbours behind.
const PASSED_OVER: f64 = 0.4;

impl Work {
    /// The share of rows that may be found.
    fn share(&self) -> f64 {
        self.allowed as f64 / self.facts.rows.max(1) as f64
    }

    /// Whether a walk goes on behind rows that the mask rules out without comparing them.
    pub(crate) fn passes_over(&self) -> bool {
        self.masked && self.share() < PASSED_OVER
    }

    /// Bytes that are compared for a node.
    fn node_bytes(&self) -> f64 {
        match self.facts.settings.form {
            Form::Vectors => self.row_bytes as f64,
            _ => record_bytes(self.facts.dimension) as f64,
        }
    }

    /// What an exact search costs for each query.
    pub(crate) fn exact(&self) -> f64 {
        let batch = BATCHED + (1.0 - BATCHED) / (1.0 + (self.queries.saturating_sub(1)) as f64 / HALF_BATCH);
        // Below one row in eight, rows no longer follow one another.
        let order = if self.share() < 0.125 { 2.0 * IN_ORDER } else { IN_ORDER };
        self.allowed as f64 * self.row_bytes as f64 * order * batch
    }

    /// What a walk costs.
    pub(crate) fn walk(&self) -> f64 {
        let degree = 2.0 * self.facts.settings.m as f64;
        let ef = self.ef as f64;
        let all = self.facts.rows as f64;
        let plain = ef.mul_add(degree * COMPARED, APPROACH).min(all) * self.node_bytes();
        if !self.masked {
            return plain;
        }
        if !self.passes_over() {
            return plain / self.share().max(PASSED_OVER);
        }
        // Behind each of ef nodes lie degree^2 more.
        let looked = (ef * degree * degree).min(4.0 * all);
        plain + looked * LOOK
    }

    /// Nodes that a walk may compare before exact search would have been cheaper.
    pub(crate) fn patience(&self) -> usize {
        let nodes = self.exact().max(self.walk()) / self.node_bytes();
        (2.0 * nodes) as usize
    }

    /// How to go about it.
    pub(crate) fn plan(&self, ways: Ways) -> Plan {
        let walk = if self.masked { Plan::FilteredWalk } else { Plan::Walk };
        match ways {
            _ if self.allowed == 0 => Plan::Exact,
            Ways::Exact => Plan::Exact,
            Ways::Walk => walk,
            Ways::Planned if self.exact() <= self.walk() => Plan::Exact,
            Ways::Planned => walk,
        }
    }
}
