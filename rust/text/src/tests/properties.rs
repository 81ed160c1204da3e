//! Search against the oracle, on random rows in random parts.

use proptest::prelude::*;

use super::oracle::{scores, tolerance};
use super::{build, config, hits, options, plain, tail, unmasked};
use crate::{Bm25, Options, Part, Rows, Segment, View, explain, search};

/// Few words, some frequent, so that rows share them, tie and repeat them.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => Just("a"), 3 => Just("b"), 2 => Just("c"), 1 => Just("d"), 1 => Just("e-1"), 1 => Just("f_g")
    ];
    let few = prop::collection::vec(word.clone(), 0..12);
    let many = prop::collection::vec(word, 30..90);
    prop_oneof![8 => few, 1 => many].prop_map(|words| words.join(" "))
}

/// Rows that were cut into parts.
enum Cut {
    Segment(Segment),
    Tail(View),
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn parts_and_the_oracle(
        texts in prop::collection::vec(text(), 1..60),
        repeated in prop::sample::select(vec![1_usize, 1, 1, 40]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        kinds in prop::collection::vec(0..3_u8, 4),
        queries in prop::collection::vec(text(), 1..6),
        k in prop_oneof![Just(0_usize), 1..8_usize, Just(1_000)],
        masks in any::<Option<u64>>(),
        (k1, b) in prop_oneof![Just((1.2, 0.75)), Just((0.0, 0.0)), Just((0.9, 0.4)), Just((20.0, 1.0)), Just((1000.0, 0.75)), Just((1e-14, 0.5))],
        threads in 1..3_usize,
        ties in prop::sample::select(vec![0_usize, 3, 10_000]),
    ) {
        let settings = plain();
        // Often enough for full blocks, and more than one window.
        let texts: Vec<&str> = std::iter::repeat_n(&texts, repeated).flatten().map(String::as_str).collect();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(texts.len() + 1)).collect();
        ends.push(texts.len());
        ends.sort_unstable();
        let directory = super::scratch();
        let mut start = 0;
        let mut firsts = Vec::new();
        let cut: Vec<Cut> = ends.iter().enumerate().map(|(i, &end)| {
            let some = &texts[start..end];
            firsts.push(start);
            start = end;
            match kinds[i] {
                0 => Cut::Tail(tail(some, &settings)),
                kind => {
                    let small_chunks = kind == 1 && some.len() < 8;
                    Cut::Segment(build(&directory.path().join(i.to_string()), some, &settings, small_chunks))
                }
            }
        }).collect();
        let mut state = masks.unwrap_or(0);
        let bits: Vec<u8> = (0..texts.len() + 8).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as u8 | (state >> 33) as u8
        }).collect();
        let may = |part: usize, row: usize| masks.is_none() || bits[firsts[part] / 8 + row / 8] >> (row % 8) & 1 == 1;
        let parts: Vec<Part<'_>> = cut.iter().enumerate().map(|(i, part)| {
            let rows = match part { Cut::Segment(segment) => Rows::Segment(segment), Cut::Tail(view) => Rows::Tail(view) };
            let mask = masks.map(|_| &bits[firsts[i] / 8..][..(rows.count() as usize).div_ceil(8)]);
            Part { rows, mask }
        }).collect();
        let options = Options { bm25: Bm25::new(k1, b).unwrap(), ties, threads, interrupted: None };
        let found = search(&queries, &parts, k, options).unwrap();
        // What terms give at most is known from the second time on.
        prop_assert_eq!(&search(&queries, &parts, k, options).unwrap(), &found);
        // All in one tail.
        let whole = tail(&texts, &settings);
        let all = search(&queries, &[unmasked(Rows::Tail(&whole))], texts.len(), options).unwrap();
        for (q, query) in queries.iter().enumerate() {
            let exact = scores(query, &texts, &settings, k1, b);
            let one: Vec<(f64, u32, u32)> = hits(&all, q);
            let place = |row: usize| { let part = ends.iter().position(|&end| row < end).unwrap(); (part, row - firsts[part]) };
            prop_assert_eq!(one.len(), exact.iter().filter(|&&(_, matching)| matching > 0).count());
            for &(score, _, row) in &one {
                let (wanted, matching) = exact[row as usize];
                prop_assert!((score - wanted).abs() <= tolerance(wanted, matching), "{} {}", score, wanted);
            }
            // However rows are split: the same scores, bit for bit, in the order that is promised.
            let mut wanted: Vec<(f64, u32, u32)> = one.iter().map(|&(score, _, row)| {
                let (part, row) = place(row as usize);
                (score, part as u32, row as u32)
            }).filter(|&(_, part, row)| may(part as usize, row as usize)).collect();
            wanted.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
            let got = hits(&found, q);
            let beyond = wanted.split_off(wanted.len().min(k));
            let tied: Vec<_> = beyond.into_iter().filter(|row| Some(row.0) == wanted.last().map(|last| last.0)).collect();
            if tied.len() <= ties {
                wanted.extend(tied);
                prop_assert_eq!(&got, &wanted, "{}", query);
            } else {
                prop_assert_eq!(&got[..k], &wanted, "{}", query);
                prop_assert_eq!(got.len(), k + ties);
                prop_assert!(got[k..].iter().all(|row| tied.contains(row)) && got[k..].is_sorted_by_key(|row| (row.1, row.2)));
            }
            let rows: Vec<(usize, u64)> = got.iter().rev().map(|&(_, part, row)| (part as usize, u64::from(row))).collect();
            let why = explain(query, &parts, &rows, options).unwrap();
            for (&(score, ..), why) in got.iter().rev().zip(why) {
                prop_assert_eq!(score, why.score);
                prop_assert_eq!(score, why.terms.iter().map(|term| term.contribution).sum::<f64>());
            }
        }
    }
}

#[test]
fn many_rows_in_a_few_windows() {
    // Terms of all frequencies over more rows than a window has: what is looked up and what brings rows keeps changing.
    let texts: Vec<String> = (0_usize..20_000)
        .map(|row| {
            let divides = [1, 2, 3, 7, 30, 200, 1500].into_iter().filter(|n| (row * 7919) % 20_011 % n == 0);
            divides.map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ") + &" x".repeat(row % 17)
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let directory = super::scratch();
    let segment = build(&directory.path().join("s"), &texts, &plain(), false);
    let view = tail(&texts, &plain());
    let queries = ["w1 w2 w3 w7 w30 w200 w1500", "w1500 w1", "w200 w30 w30 w7 x", "w2", "x x x x w3", "nowhere"];
    for (k, ties) in [(1, 0), (10, 0), (10, 20_000), (300, 0), (300, 5)] {
        let options = || Options { ties, ..options() };
        let stored = search(&queries, &[unmasked(Rows::Segment(&segment))], k, options()).unwrap();
        let copied = search(&queries, &[unmasked(Rows::Tail(&view))], k, options()).unwrap();
        assert_eq!(stored, copied);
        let all = search(&queries, &[unmasked(Rows::Segment(&segment))], texts.len(), options()).unwrap();
        for q in 0..queries.len() {
            let (wanted, found) = (hits(&all, q), hits(&stored, q));
            let best = wanted.len().min(k);
            assert_eq!(found[..best], wanted[..best]);
            let tied = wanted[best..].iter().filter(|row| row.0 == wanted[best - 1].0).count();
            assert_eq!(found.len(), best + tied.min(ties));
        }
    }
}
