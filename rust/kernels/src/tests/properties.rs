//! What holds for every input.

use proptest::prelude::*;

use super::data::{Case, Elements, Kind, cases};
use super::{METRICS, TINY, bits, floats, of, oracle, rows, search_everywhere, threads};
use crate::drive::Limits;
use crate::search::Task;
use crate::{Corpus, Error, Mask, Metric, Options, Rows, rescore, rescore_one};

fn task<'a>(case: &'a Case, corpus: Corpus<'a>, metric: Metric) -> Task<'a> {
    Task { queries: rows(&case.queries, case.dimension), corpus, k: case.k, metric }
}

fn options(case: &Case) -> Options<'_> {
    let mask = case.mask.as_ref().map(|mask| Mask::new(mask, case.corpus.len() / case.dimension).unwrap());
    Options { mask, ..threads(case.threads) }
}

proptest! {
    #![proptest_config(super::config(200))]

    /// What is returned is, bit for bit, what sorting all scores returns: for every type, metric, back end, mask, number
    /// of threads, and however the work is cut up.
    #[test]
    fn equal_to_the_oracle(case in cases(&[Kind::Plain, Kind::Whole, Kind::Near, Kind::Adverse])) {
        for elements in Elements::all(&case) {
            let vectors = elements.vectors(case.dimension);
            let corpus = elements.corpus(case.dimension);
            let count = (0..corpus.len()).filter(|&row| case.may(row)).count();
            for metric in METRICS {
                let queries = case.queries.chunks_exact(case.dimension);
                let wanted: Vec<_> =
                    queries.map(|query| oracle::ranking(query, &vectors, metric, |row| case.may(row))).collect();
                for (limits, threads) in [(TINY, case.threads), (Limits::default(), 1)] {
                    let options = Options { threads, ..options(&case) };
                    for (name, found) in search_everywhere(task(&case, corpus, metric), options, limits) {
                        let found = found.unwrap();
                        prop_assert_eq!(found.k, case.k.min(count));
                        prop_assert_eq!(found.scores.len(), found.k * wanted.len());
                        for (q, wanted) in wanted.iter().enumerate() {
                            prop_assert_eq!(
                                bits(&of(&found, q)), bits(&wanted[..found.k]),
                                "{} {:?} {:?} query {}", name, metric, elements, q
                            );
                        }
                    }
                }
            }
        }
    }

    /// A score is the exact one, rounded, within the documented bound.
    #[test]
    fn as_exact_as_documented(case in cases(&[Kind::Plain, Kind::Adverse])) {
        for query in case.queries.chunks_exact(case.dimension) {
            for row in case.corpus.chunks_exact(case.dimension) {
                for metric in METRICS {
                    let score = oracle::canonical(query, row, metric);
                    prop_assert!(oracle::is_rounded(oracle::score(query, row, metric), score), "{metric:?} {score}");
                }
            }
        }
    }

    /// Rows that lie apart, and at any address, give what packed ones do.
    #[test]
    fn the_same_wherever_the_rows_lie(case in cases(&[Kind::Plain]), gap in 0..9_usize, offset in 0..17_usize) {
        let (dimension, stride) = (case.dimension, case.dimension + gap);
        let count = case.corpus.len() / dimension;
        let mut data = vec![f32::NAN; offset + count * stride];
        for (row, from) in case.corpus.chunks_exact(dimension).enumerate() {
            data[offset + row * stride..][..dimension].copy_from_slice(from);
        }
        let apart = Corpus::F32(Rows::with_stride(&data[offset..], dimension, stride, count).unwrap());
        for metric in METRICS {
            let packed = search_everywhere(task(&case, floats(&case.corpus, dimension), metric), threads(1), TINY);
            let apart = search_everywhere(task(&case, apart, metric), threads(case.threads), TINY);
            prop_assert_eq!(apart, packed);
        }
    }

    /// Scoring given candidates is searching among them.
    #[test]
    fn rescoring_orders_candidates_as_a_search_would(case in cases(&[Kind::Whole, Kind::Adverse])) {
        let queries = rows(&case.queries, case.dimension);
        for elements in Elements::all(&case) {
            let vectors = elements.vectors(case.dimension);
            let corpus = elements.corpus(case.dimension);
            let chosen: Vec<i64> = (0..corpus.len() as i64).rev().filter(|&row| case.may(row as usize)).collect();
            let candidates = chosen.repeat(queries.len());
            for metric in METRICS {
                let found = rescore(queries, corpus, (&candidates, chosen.len()), case.k, metric, threads(case.threads)).unwrap();
                prop_assert_eq!(found.k, case.k.min(chosen.len()));
                for (q, query) in case.queries.chunks_exact(case.dimension).enumerate() {
                    let wanted = oracle::ranking(query, &vectors, metric, |row| case.may(row));
                    prop_assert_eq!(bits(&of(&found, q)), bits(&wanted[..found.k]), "{:?} {:?}", metric, elements);
                    let alone = rescore_one(query, corpus, &chosen, case.k, metric, &mut Vec::new()).unwrap();
                    prop_assert_eq!(bits(&of(&alone, 0)), bits(&wanted[..found.k]), "{:?} {:?}", metric, elements);
                }
            }
        }
    }

    /// The first bad vector is named, whatever the number of threads.
    #[test]
    fn what_is_not_finite_is_found(
        case in cases(&[Kind::Plain]),
        bad in prop_oneof![Just(f32::NAN), Just(-f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
        place in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        let poisoned = |values: &[f32]| -> Option<(Vec<f32>, usize)> {
            let mut values = values.to_vec();
            let places = (!values.is_empty()).then(|| (place.index(values.len()), again.index(values.len())))?;
            (values[places.0], values[places.1]) = (bad, bad);
            Some((values, places.0.min(places.1) / case.dimension))
        };
        if let Some((queries, first)) = poisoned(&case.queries) {
            let case = Case { queries, ..case.clone() };
            let task = task(&case, floats(&case.corpus, case.dimension), Metric::L2);
            for (name, found) in search_everywhere(task, threads(case.threads), TINY) {
                prop_assert_eq!(found, Err(Error::Query(first)), "{}", name);
            }
        }
        if let (Some((corpus, first)), false) = (poisoned(&case.corpus), case.queries.is_empty()) {
            let case = Case { corpus, k: case.k.max(1), ..case };
            let brains: Vec<u16> = case.corpus.iter().map(|x| (x.to_bits() >> 16) as u16).collect();
            let brains = Elements::Bf16(brains);
            for metric in METRICS {
                for corpus in [floats(&case.corpus, case.dimension), brains.corpus(case.dimension)] {
                    for (name, found) in search_everywhere(task(&case, corpus, metric), threads(case.threads), TINY) {
                        prop_assert_eq!(found, Err(Error::Row(first)), "{}", name);
                    }
                }
            }
            // A row that is ruled out is not looked at.
            let count = case.corpus.len() / case.dimension;
            let all: Vec<u8> = (0..count.div_ceil(8)).map(|byte| if byte == first / 8 { !(1 << (first % 8)) } else { 0xff }).collect();
            let options = Options { mask: Some(Mask::new(&all, count).unwrap()), ..threads(case.threads) };
            let bad = case.corpus.chunks_exact(case.dimension).filter(|row| !row.iter().all(|x| x.is_finite()));
            if bad.count() == 1 {
                let task = task(&case, floats(&case.corpus, case.dimension), Metric::Cosine);
                for (name, found) in search_everywhere(task, options, TINY) {
                    prop_assert!(found.is_ok(), "{}", name);
                }
            }
        }
    }
}
