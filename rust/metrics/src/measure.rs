//! Names of measures, spelled as `ir-measures` spells them.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::Error;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Normalised discounted cumulative gain: linear gain, discount log2(rank + 1), ideal ranking cut where the run is.
    Ndcg,
    /// Average precision: precision at each relevant document retrieved, over all relevant documents.
    Ap,
    /// Reciprocal rank of the first relevant document.
    Rr,
    /// Relevant documents retrieved, over all relevant documents.
    Recall,
    /// Relevant documents retrieved, over the cutoff.
    Precision,
    /// 1 when a relevant document was retrieved, else 0.
    Success,
    /// Judged documents retrieved, over documents retrieved.
    Judged,
}

/// A measure with its parameters: `nDCG@10`, `P(rel=2)@5`, `AP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Measure {
    kind: Kind,
    /// The least grade that counts as relevant.
    rel: NonZeroU32,
    cutoff: Option<NonZeroU32>,
}

/// What a measure's name accepts.
struct Spelling {
    kind: Kind,
    name: &'static str,
    alias: Option<&'static str>,
    takes_rel: bool,
    needs_cutoff: bool,
}

const fn spelling(
    kind: Kind,
    name: &'static str,
    alias: Option<&'static str>,
    takes_rel: bool,
    needs_cutoff: bool,
) -> Spelling {
    Spelling { kind, name, alias, takes_rel, needs_cutoff }
}

const SPELLINGS: [Spelling; 7] = [
    spelling(Kind::Ndcg, "nDCG", Some("NDCG"), false, false),
    spelling(Kind::Ap, "AP", Some("MAP"), true, false),
    spelling(Kind::Rr, "RR", Some("MRR"), true, false),
    spelling(Kind::Recall, "R", Some("Recall"), true, true),
    spelling(Kind::Precision, "P", Some("Precision"), true, true),
    spelling(Kind::Success, "Success", None, true, true),
    spelling(Kind::Judged, "Judged", None, false, false),
];

const EXISTING: &str = "nDCG, nDCG@k, AP, AP@k, RR, RR@k, R@k, P@k, Success@k, Judged, Judged@k; \
     AP, RR, R, P and Success take (rel=N) before the @, as in P(rel=2)@10";

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

    fn spelling(&self) -> &'static Spelling {
        SPELLINGS.iter().find(|s| s.kind == self.kind).expect("every kind has a spelling")
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spelling().name)?;
        if self.rel.get() != 1 {
            write!(f, "(rel={})", self.rel)?;
        }
        if let Some(k) = self.cutoff {
            write!(f, "@{k}")?;
        }
        Ok(())
    }
}

impl FromStr for Measure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = |reason: String| Error::Measure(format!("measure {text:?}: {reason}. There are: {EXISTING}"));
        let (head, cutoff) = match text.trim().rsplit_once('@') {
            Some((head, cutoff)) => (head.trim_end(), Some(cutoff.trim())),
            None => (text.trim(), None),
        };
        let (name, parameters) = match head.split_once('(') {
            Some((name, rest)) => match rest.strip_suffix(')') {
                Some(inside) => (name.trim_end(), Some(inside)),
                None => return Err(fail("the parameters are not closed by ')' before the '@'".into())),
            },
            None => (head, None),
        };
        let spelling = SPELLINGS
            .iter()
            .find(|s| s.name == name || s.alias == Some(name))
            .ok_or_else(|| fail(format!("there is no measure {name:?} (capitals count)")))?;
        let mut rel = NonZeroU32::MIN;
        for parameter in parameters.iter().flat_map(|inside| inside.split(',')) {
            let Some((key, value)) = parameter.split_once('=') else {
                return Err(fail(format!("parameter {:?} is not of the form name=value", parameter.trim())));
            };
            if key.trim() != "rel" || !spelling.takes_rel {
                return Err(fail(format!("{} has no parameter {:?}", spelling.name, key.trim())));
            }
            rel = positive(value.trim())
                .ok_or_else(|| fail(format!("rel must be a whole number from 1 up, not {:?}", value.trim())))?;
        }
        let cutoff = match cutoff {
            Some(k) => Some(
                positive(k).ok_or_else(|| fail(format!("the cutoff must be a whole number from 1 up, not {k:?}")))?,
            ),
            None if spelling.needs_cutoff => {
                return Err(fail(format!("{} needs a cutoff, as in {}@10", spelling.name, spelling.name)));
            }
            None => None,
        };
        Ok(Self { kind: spelling.kind, rel, cutoff })
    }
}

/// A whole number from 1 up, digits only (no sign, no underscore).
fn positive(text: &str) -> Option<NonZeroU32> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, String> {
        text.parse::<Measure>().map(|m| m.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn canonical_forms() {
        for (given, wanted) in [
            ("nDCG@10", "nDCG@10"),
            ("nDCG", "nDCG"),
            ("NDCG@5", "nDCG@5"),
            ("MAP", "AP"),
            ("AP@100", "AP@100"),
            ("MRR@10", "RR@10"),
            ("Recall@100", "R@100"),
            ("Precision(rel=1)@10", "P@10"),
            (" P( rel = 2 ) @ 010 ", "P(rel=2)@10"),
            ("Success(rel=3)@1", "Success(rel=3)@1"),
            ("Judged", "Judged"),
            ("Judged@10", "Judged@10"),
        ] {
            assert_eq!(canonical(given).as_deref(), Ok(wanted), "{given}");
            assert_eq!(canonical(wanted).as_deref(), Ok(wanted), "{wanted}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_there_is() {
        for (given, part) in [
            ("", "no measure \"\""),
            ("ndcg@10", "no measure \"ndcg\""),
            ("P", "P needs a cutoff"),
            ("R", "R needs a cutoff"),
            ("Success", "needs a cutoff"),
            ("P@0", "cutoff must be"),
            ("P@-3", "cutoff must be"),
            ("P@+3", "cutoff must be"),
            ("P@", "cutoff must be"),
            ("P@4294967296", "cutoff must be"),
            ("P(rel=0)@3", "rel must be"),
            ("P(rel=x)@3", "rel must be"),
            ("P(rel)@3", "name=value"),
            ("P()@3", "name=value"),
            ("P(rel=2@3", "not closed"),
            ("P@3(rel=2)", "cutoff must be"),
            ("nDCG(rel=2)@10", "nDCG has no parameter \"rel\""),
            ("P(judged_only=True)@10", "P has no parameter \"judged_only\""),
            ("Judged(rel=2)@10", "Judged has no parameter"),
        ] {
            let message = canonical(given).expect_err(given);
            assert!(message.contains(part), "{given}: {message}");
            assert!(message.contains("There are: nDCG"), "{given}: {message}");
        }
    }
}
