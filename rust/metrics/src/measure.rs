//! What can be measured, and how measures are written.

use std::fmt;
use std::num::NonZeroU32;

use crate::spelling::SPELLINGS;

/// What is measured. R is the number of relevant documents of the query; documentation of each formula and its source
/// is in the project's measures page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Normalised discounted cumulative gain: linear gain, discount log2(rank + 1), ideal ranking cut where the run is.
    Ndcg,
    /// Average precision: precision at each relevant document retrieved, over R.
    Ap,
    /// Reciprocal rank of the first relevant document.
    Rr,
    /// Relevant documents retrieved, over R.
    Recall,
    /// Relevant documents retrieved, over the cutoff.
    Precision,
    /// 1 when a relevant document was retrieved, else 0.
    Success,
    /// Judged documents retrieved, over documents retrieved.
    Judged,
    /// Expected reciprocal rank at which a user who stops at satisfying documents stops.
    Err,
    /// Rank-biased precision: a user goes on to the next rank with probability p.
    Rbp,
    /// Binary preference: how seldom documents judged not relevant precede relevant ones.
    Bpref,
    /// Average precision inferred from a sample of judgments.
    InfAp,
    /// Precision at rank R.
    Rprec,
    /// The greatest precision at any rank from the one that reaches a recall on.
    IPrec,
    /// Relevant documents retrieved, over documents retrieved.
    SetP,
    /// Relevant documents retrieved, over R.
    SetR,
    /// The weighted harmonic mean of `SetP` and `SetR`.
    SetF,
    /// The product of `SetP` and `SetR`.
    SetAp,
}

/// A measure with its parameters: `nDCG@10`, `P(rel=2)@5`, `RBP(p=0.5)`, `IPrec@0.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Measure {
    pub(crate) kind: Kind,
    /// The least grade that counts as relevant.
    pub(crate) rel: NonZeroU32,
    pub(crate) cutoff: Option<NonZeroU32>,
    /// p of RBP, beta of `SetF`, recall of `IPrec`; for other kinds 0.
    pub(crate) real: Real,
}

/// A finite number that is not -0, so that equal numbers have equal bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Real(u64);

impl Real {
    pub(crate) fn new(value: f64) -> Self {
        Self((value + 0.0).to_bits())
    }

    pub(crate) fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Measure {
    /// What is measured.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The least grade that counts as relevant; 1 unless the name says otherwise.
    #[must_use]
    pub fn rel(&self) -> u32 {
        self.rel.get()
    }

    /// The rank after which the ranking is not looked at; None when all of it is.
    #[must_use]
    pub fn cutoff(&self) -> Option<usize> {
        self.cutoff.map(|k| k.get() as usize)
    }

    /// The parameter that is no whole number: p of RBP, beta of `SetF`, the recall of `IPrec`; 0 for other kinds.
    #[must_use]
    pub fn real(&self) -> f64 {
        self.real.get()
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spelling = SPELLINGS.iter().find(|s| s.kind == self.kind).expect("every kind has a spelling");
        f.write_str(spelling.name)?;
        let mut parameters = Vec::new();
        if self.rel.get() != 1 {
            parameters.push(format!("rel={}", self.rel));
        }
        if let Some(parameter) = &spelling.real
            && self.real() != parameter.default
        {
            parameters.push(format!("{}={:?}", parameter.name, self.real()));
        }
        if !parameters.is_empty() {
            write!(f, "({})", parameters.join(","))?;
        }
        if self.kind == Kind::IPrec {
            write!(f, "@{:?}", self.real())?;
        } else if let Some(k) = self.cutoff {
            write!(f, "@{k}")?;
        }
        Ok(())
    }
}
