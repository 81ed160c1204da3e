//! Names of measures, spelled as `ir-measures` spells them.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::measure::Real;
use crate::{Error, Kind, Measure};

/// What may stand behind the `@`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Nothing,
    /// A cutoff, or nothing.
    Cutoff,
    CutoffAlways,
    Recall,
}

/// A parameter that is no whole number.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) default: f64,
    range: RangeInclusive<f64>,
    expected: &'static str,
}

/// What a measure's name accepts.
pub(crate) struct Spelling {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    alias: Option<&'static str>,
    takes_rel: bool,
    at: At,
    pub(crate) real: Option<Parameter>,
}

const fn spelling(kind: Kind, name: &'static str, alias: Option<&'static str>, takes_rel: bool, at: At) -> Spelling {
    Spelling { kind, name, alias, takes_rel, at, real: None }
}

const PERSISTENCE: Parameter = Parameter {
    name: "p",
    default: 0.8,
    range: f64::MIN_POSITIVE..=1.0 - f64::EPSILON / 2.0,
    expected: "a number between 0 and 1",
};

const BETA: Parameter =
    Parameter { name: "beta", default: 1.0, range: 0.0..=f64::MAX, expected: "a finite number from 0 up" };

pub(crate) const SPELLINGS: [Spelling; 17] = [
    spelling(Kind::Ndcg, "nDCG", Some("NDCG"), false, At::Cutoff),
    spelling(Kind::Ap, "AP", Some("MAP"), true, At::Cutoff),
    spelling(Kind::Rr, "RR", Some("MRR"), true, At::Cutoff),
    spelling(Kind::Recall, "R", Some("Recall"), true, At::CutoffAlways),
    spelling(Kind::Precision, "P", Some("Precision"), true, At::CutoffAlways),
    spelling(Kind::Success, "Success", None, true, At::CutoffAlways),
    spelling(Kind::Judged, "Judged", None, false, At::Cutoff),
    spelling(Kind::Err, "ERR", None, false, At::Cutoff),
    Spelling { real: Some(PERSISTENCE), ..spelling(Kind::Rbp, "RBP", None, true, At::Cutoff) },
    spelling(Kind::Bpref, "Bpref", Some("BPref"), true, At::Nothing),
    spelling(Kind::InfAp, "infAP", None, true, At::Nothing),
    spelling(Kind::Rprec, "Rprec", Some("RPrec"), true, At::Nothing),
    spelling(Kind::IPrec, "IPrec", None, true, At::Recall),
    spelling(Kind::SetP, "SetP", None, true, At::Nothing),
    spelling(Kind::SetR, "SetR", None, true, At::Nothing),
    Spelling { real: Some(BETA), ..spelling(Kind::SetF, "SetF", None, true, At::Nothing) },
    spelling(Kind::SetAp, "SetAP", None, true, At::Nothing),
];

const EXISTING: &str = "nDCG, nDCG@k, AP, AP@k, RR, RR@k, R@k, P@k, Success@k, Judged, Judged@k, ERR, ERR@k, RBP, \
     RBP(p=0.8)@k, Bpref, infAP, Rprec, IPrec@recall, SetP, SetR, SetF, SetF(beta=2), SetAP; all but nDCG, ERR and \
     Judged take (rel=N) before the @, as in P(rel=2)@10";

impl FromStr for Measure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|reason| Error::Measure(format!("measure {text:?}: {reason}. There are: {EXISTING}")))
    }
}

fn parse(text: &str) -> Result<Measure, String> {
    let (head, at) = match text.trim().rsplit_once('@') {
        Some((head, at)) => (head.trim_end(), Some(at.trim())),
        None => (text.trim(), None),
    };
    let (name, parameters) = match head.split_once('(') {
        Some((name, rest)) => match rest.strip_suffix(')') {
            Some(inside) => (name.trim_end(), Some(inside)),
            None => return Err("the parameters are not closed by ')' before the '@'".into()),
        },
        None => (head, None),
    };
    let spelling = SPELLINGS
        .iter()
        .find(|s| s.name == name || s.alias == Some(name))
        .ok_or_else(|| format!("there is no measure {name:?} (capitals count)"))?;
    let default = spelling.real.as_ref().map_or(0.0, |parameter| parameter.default);
    let mut measure = Measure { kind: spelling.kind, rel: NonZeroU32::MIN, cutoff: None, real: Real::new(default) };
    for parameter in parameters.iter().flat_map(|inside| inside.split(',')) {
        let (key, value) = parameter
            .split_once('=')
            .ok_or_else(|| format!("parameter {:?} is not of the form name=value", parameter.trim()))?;
        let (key, value) = (key.trim(), value.trim());
        match &spelling.real {
            _ if key == "rel" && spelling.takes_rel => {
                measure.rel =
                    positive(value).ok_or_else(|| format!("rel must be a whole number from 1 up, not {value:?}"))?;
            }
            Some(real) if key == real.name => {
                let found = number(value).filter(|number| real.range.contains(number));
                let found = found.ok_or_else(|| format!("{key} must be {}, not {value:?}", real.expected))?;
                measure.real = Real::new(found);
            }
            _ => return Err(format!("{} has no parameter {key:?}", spelling.name)),
        }
    }
    behind_the_at(spelling, at, &mut measure)?;
    Ok(measure)
}

fn behind_the_at(spelling: &Spelling, at: Option<&str>, measure: &mut Measure) -> Result<(), String> {
    let name = spelling.name;
    match (spelling.at, at) {
        (At::Nothing, Some(at)) => return Err(format!("{name} takes no cutoff: leave out the @{at}")),
        (At::CutoffAlways, None) => return Err(format!("{name} needs a cutoff, as in {name}@10")),
        (At::Recall, None) => return Err(format!("{name} needs a recall between 0 and 1, as in {name}@0.1")),
        (At::Nothing | At::Cutoff, None) => {}
        (At::Cutoff | At::CutoffAlways, Some(k)) => {
            let k = positive(k).ok_or_else(|| format!("the cutoff must be a whole number from 1 up, not {k:?}"))?;
            measure.cutoff = Some(k);
        }
        (At::Recall, Some(recall)) => {
            let found = number(recall).filter(|recall| (0.0..=1.0).contains(recall));
            let found = found.ok_or_else(|| format!("the recall must be a number from 0 to 1, not {recall:?}"))?;
            measure.real = Real::new(found);
        }
    }
    Ok(())
}

/// A whole number from 1 up, digits only (no sign, no underscore).
fn positive(text: &str) -> Option<NonZeroU32> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A number in digits, possibly with a point and an exponent.
fn number(text: &str) -> Option<f64> {
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+');
    if text.bytes().all(plain) { text.parse().ok() } else { None }
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
            ("ERR@20", "ERR@20"),
            ("RBP(p=0.80)", "RBP"),
            ("RBP( p=.5 , rel=2)@10", "RBP(rel=2,p=0.5)@10"),
            ("BPref(rel=3)", "Bpref(rel=3)"),
            ("infAP", "infAP"),
            ("RPrec", "Rprec"),
            ("IPrec@0.10", "IPrec@0.1"),
            ("IPrec(rel=2)@1", "IPrec(rel=2)@1.0"),
            ("IPrec@-0", "IPrec@0.0"),
            ("SetP(rel=2)", "SetP(rel=2)"),
            ("SetR", "SetR"),
            ("SetF(beta=1)", "SetF"),
            ("SetF(beta=2,rel=1)", "SetF(beta=2.0)"),
            ("SetAP", "SetAP"),
        ] {
            assert_eq!(canonical(given).as_deref(), Ok(wanted), "{given}");
            assert_eq!(canonical(wanted).as_deref(), Ok(wanted), "{wanted}");
        }
    }

    #[test]
    fn every_kind_is_spelled_once() {
        for spelling in &SPELLINGS {
            assert_eq!(SPELLINGS.iter().filter(|s| s.kind == spelling.kind || s.name == spelling.name).count(), 1);
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
            ("AP(p=0.5)", "AP has no parameter \"p\""),
            ("RBP(p=1)", "p must be a number between 0 and 1"),
            ("RBP(p=0)", "p must be"),
            ("RBP(p=nan)", "p must be"),
            ("SetF(beta=-1)", "beta must be"),
            ("SetF(beta=inf)", "beta must be"),
            ("SetF(beta=1e999)", "beta must be"),
            ("Bpref@10", "Bpref takes no cutoff: leave out the @10"),
            ("IPrec", "IPrec needs a recall between 0 and 1, as in IPrec@0.1"),
            ("IPrec@10", "recall must be"),
            ("IPrec(recall=0.1)@0.1", "no parameter \"recall\""),
        ] {
            let message = canonical(given).expect_err(given);
            assert!(message.contains(part), "{given}: {message}");
            assert!(message.contains("There are: nDCG"), "{given}: {message}");
        }
    }
}
