//! Walk, or search exactly: the cost of each, and who decides.
//!
//! An exact search of what a mask leaves is linear in it, and never wrong. A walk takes about as long whatever the corpus
//! (log n), but longer the less the mask leaves. So there is a share of rows below which exact search is faster; it
//! depends on the number of rows, on ef, and on the batch, which an exact search reads the corpus once for.
//!
//! The unit of cost is a byte that a walk compares, of a row that lies anywhere: 0.1 ns. The constants were measured on
//! Zen 5 (2 cores, AVX-512 VNNI; 100,000 x 384 f32). The two curves cross at an angle, so that where a constant is off by
//! two, the plan is wrong only near the crossing, where it hardly matters:
//!
//! | share of rows | walk, ef = 64 | exact, 1 query | exact, 256 queries |
//! |---|---|---|---|
//! | 50 % | 125 us | 4,000 us | 73 us |
//! | 10 % | 150 us | 610 us | 26 us |
//! | 3 % | 150 us | 180 us | 22 us |
//! | 1 % | 180 us | 66 us | 12 us |
//! | 0.1 % | 1,150 us (and gives up) | 20 us | 5 us |
//!
//! That was without sketches. Where rows have them a walk takes about two thirds of it (79 us at 50 %), and the model asks
//! for exact search a little too early.

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
    /// A scan of the signs of all rows that may be found; the nearest by those compared as a walk does.
    Scan,
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
    /// A scan of signs, and exact search where rows have none.
    Scan,
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
    /// Where the signs lie that a scan would read; None where rows have none, or nobody has looked.
    pub(crate) signs: Option<Lying>,
}

/// How signs of the rows that may be found lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lying {
    /// Side by side: a scan can begin.
    SideBySide,
    /// With their sketches: so many queries may expect to share the cost of laying them side by side.
    Apart { queries: usize },
}

/// Nodes that a walk compares for each of `ef`, for each link of a node: most of the links lead to where it has been.
const COMPARED: f64 = 0.55;

/// Nodes that a walk compares on its way to where it begins in earnest.
const APPROACH: f64 = 200.0;

/// What a byte of a row costs that an exact search reads for one query, on two cores.
const READ: f64 = 0.45;

/// And what it costs each query of a batch at least: there it is multiplied, whoever read it.
const MULTIPLIED: f64 = 0.03;

/// What an exact search costs besides: its threads, its queries made ready, the scores of the best.
const BEGUN: f64 = 100_000.0;

/// What a look at the mask costs, and at the link that led to it.
const LOOK: f64 = 10.0;

/// The part of a walk that looking behind what is ruled out makes longer.
const LONGER: f64 = 1.3;

/// Of the nodes behind one that is ruled out, those that no other led to before.
const NEW: f64 = 0.5;

/// The share of rows above which a walk compares what the mask rules out like everything else. Below, it passes over it
/// and looks at the neighbours behind. For a recall@10 of 0.95 that took, of 100,000 rows, 40 % longer at a half (however
/// few of those behind were looked at), and 20 % less at a tenth.
const PASSED_OVER: f64 = 0.25;

/// Rows that are compared after a scan of signs, for each of `ef`. So many find as much as a walk: of 100,000 rows of
/// topics 19 in 20 of the nearest ten were among 72, and 99 in 100 among 207.
const CANDIDATES: usize = 4;

/// What a scan of signs costs besides: its query made ready, the scores of the best.
const SCAN_BEGUN: f64 = 50_000.0;

/// What it costs to count the signs that differ, for a word of 64.
const COUNTED: f64 = 0.35;

/// And for one query at a time, where they come from an outer cache.
const COUNTED_ALONE: f64 = 0.7;

/// What it costs to compare a candidate by its sketch, and most often by its codes.
const CANDIDATE: f64 = 250.0;

/// What it costs to lay the signs of a row side by side with others.
const LAID: f64 = 60.0;

impl Work {
    /// Whether a scan of signs could be the plan.
    pub(crate) fn may_scan(&self, ways: Ways) -> bool {
        let few = self.allowed <= self.candidates();
        self.facts.settings.form != Form::Vectors
            && match ways {
                Ways::Scan => self.allowed > 0,
                Ways::Planned => !few,
                Ways::Walk | Ways::Exact => false,
            }
    }

    /// Rows that are compared after a scan.
    pub(crate) fn candidates(&self) -> usize {
        self.ef.saturating_mul(CANDIDATES)
    }

    /// What a scan costs for each query.
    fn scan(&self) -> f64 {
        let Some(signs) = self.signs else { return f64::INFINITY };
        let words = self.facts.dimension.div_ceil(u64::BITS as usize) as f64;
        let rows = self.allowed as f64;
        let word = if self.queries > 1 { COUNTED } else { COUNTED_ALONE };
        let laid = match signs {
            Lying::SideBySide => 0.0,
            Lying::Apart { queries } => rows * LAID / queries.max(1) as f64,
        };
        (rows * words).mul_add(word, SCAN_BEGUN) + (self.candidates() as f64).mul_add(CANDIDATE, laid)
    }

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
        let byte = (READ / self.queries.max(1) as f64).max(MULTIPLIED);
        (self.allowed as f64 * self.row_bytes as f64).mul_add(byte, BEGUN)
    }

    /// What a walk costs.
    pub(crate) fn walk(&self) -> f64 {
        let degree = 2.0 * self.facts.settings.m as f64;
        let (ef, all) = (self.ef as f64, self.facts.rows as f64);
        let plain = ef.mul_add(degree * COMPARED, APPROACH).min(all) * self.node_bytes();
        if !self.masked {
            return plain;
        }
        if !self.passes_over() {
            return plain / self.share();
        }
        let behind = degree * degree;
        // Until there are ef results, whole neighbourhoods are compared.
        let filled = (ef / (self.share() * NEW * behind)).min(all) * degree * self.node_bytes();
        LONGER.mul_add(plain, filled) + ef * behind * LOOK
    }

    /// Nodes that a walk may compare, or pass over, before it has cost twice what was reckoned, or what exact search costs,
    /// whatever is more: then the mask goes with places, and the walk is in the wrong one.
    pub(crate) fn patience(&self) -> usize {
        (2.0 * self.exact().max(self.walk()) / self.node_bytes()) as usize
    }

    /// How to go about it.
    pub(crate) fn plan(&self, ways: Ways) -> Plan {
        let walk = if self.masked { Plan::FilteredWalk } else { Plan::Walk };
        if self.allowed == 0 {
            return Plan::Exact;
        }
        match ways {
            Ways::Exact => Plan::Exact,
            Ways::Walk => walk,
            Ways::Scan if self.signs.is_some() => Plan::Scan,
            Ways::Scan => Plan::Exact,
            // A walk would keep half of them anyway.
            Ways::Planned if self.allowed <= 2 * self.ef => Plan::Exact,
            Ways::Planned => {
                let (exact, walked, scanned) = (self.exact(), self.walk(), self.scan());
                if scanned < exact.min(walked) {
                    Plan::Scan
                } else if exact <= walked {
                    Plan::Exact
                } else {
                    walk
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crossfade_kernels::Metric;

    use super::*;
    use crate::Settings;

    fn work(rows: usize, share: f64, queries: usize, ef: usize) -> Work {
        let settings = Settings { form: Form::Codes, ..Settings::default() };
        let facts = Facts { rows, dimension: 384, metric: Metric::L2, settings, entry: 0, upper: 1, unreachable: 0 };
        let allowed = (share * rows as f64) as usize;
        Work { facts, row_bytes: 1536, allowed, masked: share < 1.0, queries, ef, signs: None }
    }

    /// What the table above says, away from where the curves cross.
    #[test]
    fn plans_what_was_measured_to_be_faster() {
        for (rows, share, queries, wanted) in [
            (100_000, 1.0, 1, Plan::Walk),
            (100_000, 1.0, 256, Plan::Walk),
            (100, 1.0, 1, Plan::Exact),
            (100_000, 0.5, 1, Plan::FilteredWalk),
            (100_000, 0.1, 1, Plan::FilteredWalk),
            (100_000, 0.1, 256, Plan::Exact),
            (100_000, 0.01, 1, Plan::Exact),
            (100_000, 0.001, 1, Plan::Exact),
            (100_000, 0.0, 1, Plan::Exact),
            (1_000_000, 0.01, 1, Plan::FilteredWalk),
        ] {
            assert_eq!(work(rows, share, queries, 64).plan(Ways::Planned), wanted, "{rows} {share} {queries}");
        }
    }

    #[test]
    fn what_the_caller_says_goes() {
        let work = work(100_000, 0.01, 1, 64);
        assert_eq!((work.plan(Ways::Walk), work.plan(Ways::Exact)), (Plan::FilteredWalk, Plan::Exact));
    }
}
