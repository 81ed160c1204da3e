//! Search against the oracle, on texts that are often alike.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::Config as ProptestConfig;

use super::oracle;
use crate::sets::{containment, fewest_for_containment, fewest_for_jaccard, jaccard, overlap, prefix, share};
use crate::{Error, Index, Options, Settings};

/// `cases` of a property, or as many as `PROPTEST_CASES` says.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(cases), failure_persistence: None, ..ProptestConfig::default() }
}

/// Few words, so that texts share sequences; scripts, symbols and case.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => prop::sample::select(vec!["alpha", "beta", "gamma", "delta", "of", "the", "in", "a"]),
        2 => prop::sample::select(vec!["Alpha", "BETA,", "(gamma)", "delta's", "alphas"]),
        1 => prop::sample::select(vec!["7", "42", "c++", "c#", "日本語の文", "ภาษาไทย", "straße", "…", "🙂", "+"]),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

/// A text, and what becomes of it on its way into a training file.
fn copies() -> impl Strategy<Value = Vec<String>> {
    (text(), text(), any::<prop::sample::Index>()).prop_map(|(text, other, at)| {
        let mut swapped: Vec<&str> = text.split(' ').collect();
        let (a, b) = (at.index(swapped.len()), at.index(swapped.len().max(2) - 1));
        swapped.swap(a, b.min(text.split(' ').count() - 1));
        let swapped = swapped.join(" ");
        let longer = format!("{text}. {other}");
        vec![text.to_uppercase(), text.replace(' ', "  "), swapped, longer, text]
    })
}

fn texts(most: usize) -> impl Strategy<Value = Vec<String>> {
    let some = prop_oneof![text().prop_map(|one| vec![one]), copies()];
    prop::collection::vec(some, 0..most).prop_map(|some| some.concat())
}

fn settings() -> impl Strategy<Value = Settings> {
    let share = || prop_oneof![Just(1.0), Just(0.5), 0.05..1.0];
    (share(), share(), share(), 0..40_usize, 3..12_usize, any::<bool>()).prop_map(
        |(characters, phrases, containment, short_words, least_words, numbers)| Settings {
            characters,
            phrases,
            containment,
            short_words,
            least_words,
            numbers,
        },
    )
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn the_same_as_looking_at_every_pair(
        known in texts(8), others in texts(8), settings in settings(), containment in any::<bool>(), threads in 1..4_usize
    ) {
        let options = Options { containment, threads, interrupted: None };
        let index = Index::build(&known, settings, options).unwrap();
        let found = index.find(&others, options).unwrap();
        let found: Vec<_> = found.iter().map(|m| (m.text as usize, m.known as usize, m.kind, m.similarity)).collect();
        prop_assert_eq!(found, oracle::find(&others, &known, &settings, containment));
    }

    #[test]
    fn a_batch_moves_nothing(known in texts(6), others in texts(10), cut in any::<prop::sample::Index>()) {
        let options = Options { containment: true, threads: 2, interrupted: None };
        let index = Index::build(&known, Settings::default(), options).unwrap();
        let whole = index.find(&others, options).unwrap();
        let (head, tail) = others.split_at(cut.index(others.len() + 1));
        let mut parts = index.find(head, options).unwrap();
        let shifted = |mut one: crate::Match| { one.text += head.len() as u32; one };
        parts.extend(index.find(tail, options).unwrap().into_iter().map(shifted));
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn a_prefix_is_just_long_enough(size in 1..300_usize, least in 0.001..=1.0_f64) {
        let length = prefix(size, least);
        prop_assert!((1..=size).contains(&length));
        // As many as may be missing, and one more.
        prop_assert!(length == size || share(size - length, size) < least);
        prop_assert!(share(size - length + 1, size) >= least);
    }

    #[test]
    fn overlap_is_that_of_sets(a in prop::collection::btree_set(0..60_u64, 0..40), b in prop::collection::btree_set(0..60_u64, 0..40)) {
        let (x, y): (Vec<_>, Vec<_>) = (a.iter().copied().collect(), b.iter().copied().collect());
        let shared = a.intersection(&b).count();
        for least in 0..=shared {
            prop_assert_eq!(overlap(&x, &y, least), Some(shared));
        }
        prop_assert_eq!(overlap(&x, &y, shared + 1), None);
        prop_assert!(jaccard(shared, x.len(), y.len()) <= containment(shared, x.len(), y.len()));
    }
}

proptest! {
    #[test]
    fn the_fewest_shared_are_just_enough(a in 1..400_usize, b in 1..400_usize, least in 0.001..=1.0_f64) {
        let found = fewest_for_jaccard(a, b, least);
        prop_assert!(found > a.min(b) || jaccard(found, a, b) >= least);
        prop_assert!(found == 0 || jaccard(found - 1, a, b) < least);
        let found = fewest_for_containment(a, b, least);
        prop_assert!(containment(found, a, b) >= least);
        prop_assert!(containment(found - 1, a, b) < least);
    }
}

#[test]
fn nothing_known_and_nothing_asked() {
    let index = Index::build::<&str>(&[], Settings::default(), Options::default()).unwrap();
    assert!(index.is_empty());
    assert_eq!(index.find(&["a text"], Options::default()).unwrap(), []);
    let index = Index::build(&["", " ", "a"], Settings::default(), Options::default()).unwrap();
    assert_eq!(index.len(), 3);
    assert_eq!(index.find::<&str>(&[], Options::default()).unwrap(), []);
    // Texts without anything in them are not copies of each other.
    assert_eq!(index.find(&["", "\t"], Options::default()).unwrap(), []);
}

#[test]
fn it_stops_when_asked() {
    let texts = vec!["some words in a text".to_owned(); 500];
    let index = Index::build(&texts[..3], Settings::default(), Options::default()).unwrap();
    // Two threads: the other one may be done before the first question, but that comes.
    for (threads, patience) in [(1, 3), (2, 0)] {
        let asked = Cell::new(0);
        let interrupted = || asked.replace(asked.get() + 1) >= patience;
        let options = Options { interrupted: Some(&interrupted), threads, ..Options::default() };
        assert!(index.find(&texts, options).is_err_and(|error| error == Error::Interrupted));
        asked.set(0);
        assert!(Index::build(&texts, Settings::default(), options).is_err_and(|error| error == Error::Interrupted));
    }
}

#[test]
fn thresholds_that_cannot_be_used_are_refused() {
    for value in [0.0, -1.0, 1.5, f64::NAN] {
        let settings = Settings { phrases: value, ..Settings::default() };
        let error = Index::build(&["a"], settings, Options::default()).unwrap_err();
        assert!(error.to_string().contains("phrases"), "{error}");
    }
    let settings = Settings { least_words: 2, ..Settings::default() };
    assert!(Index::build(&["a"], settings, Options::default()).is_err());
}
