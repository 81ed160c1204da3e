//! Tails: appended to and searched at once; sealing moves no score.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;

use super::{build, english, hits, options, plain, unmasked};
use crate::remembered::MOST_REMEMBERED;
use crate::{Analyser, Error, LEAST_MEMORY, Rows, Segment, Settings, Tail, build_of, search};

#[test]
fn a_view_stays_as_it_was() {
    let tail = Tail::new(&plain());
    assert_eq!(tail.append(&["a b", "b"]).unwrap(), 0);
    let before = tail.view();
    assert_eq!(tail.append(&["a a a"]).unwrap(), 2);
    let found = search(&["a"], &[unmasked(Rows::Tail(&before))], 9, options()).unwrap();
    assert_eq!(found.rows, [0]);
    assert_eq!(search(&["a"], &[unmasked(Rows::Tail(&tail.first(2).unwrap()))], 9, options()).unwrap(), found);
    assert_eq!(search(&["a"], &[unmasked(Rows::Tail(&tail.view()))], 9, options()).unwrap().rows, [2, 0]);
    assert!(matches!(tail.first(4), Err(Error::Parameter { .. })));
    assert_eq!((tail.rows(), before.rows(), before.tokens()), (3, 2, 3));
}

#[test]
fn what_is_cut_never_was() {
    let texts: Vec<String> = (0..60).map(|row| format!("a w{} w{}", row % 7, row)).collect();
    for kept in [0, 1, 30, 59, 60, 99] {
        let (cut, never) = (Tail::new(&plain()), Tail::new(&plain()));
        cut.append(&texts).unwrap();
        cut.cut(kept);
        never.append(&texts[..texts.len().min(kept as usize)]).unwrap();
        for tail in [&cut, &never] {
            tail.append(&["a new one", "w3 again"]).unwrap();
        }
        assert_eq!((cut.rows(), cut.view().tokens()), (never.rows(), never.view().tokens()));
        for query in ["a", "w3 new", "w31", "w59 again"] {
            let found = |tail: &Tail| search(&[query], &[unmasked(Rows::Tail(&tail.view()))], 99, options()).unwrap();
            assert_eq!(found(&cut), found(&never), "{kept} {query}");
        }
    }
}

#[test]
fn searches_see_whole_batches_while_others_append() {
    let tail = Tail::new(&plain());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let searching: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    while !done.load(Ordering::Relaxed) {
                        let view = tail.view();
                        let found = search(&["even", "all"], &[unmasked(Rows::Tail(&view))], 9_999, options()).unwrap();
                        let (even, all) = (hits(&found, 0).len(), hits(&found, 1).len());
                        assert!(all as u64 == view.rows() && even * 2 == all && all >= last && all % 4 == 0);
                        last = all;
                    }
                })
            })
            .collect();
        for _ in 0..300 {
            tail.append(&["all even", "all odd", "all even", "all odd"]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for thread in searching {
            thread.join().unwrap();
        }
    });
}

#[test]
fn sealing_moves_no_score() {
    let texts: Vec<String> =
        (0..3_000).map(|row| "x y ".repeat(row % 90) + if row % 7 == 0 { "z" } else { "" }).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let directory = super::scratch();
    let first = build(&directory.path().join("0"), &texts[..1_000], &plain(), false);
    let fresh = super::tail(&texts[1_000..], &plain());
    let before = [Rows::Segment(&first), Rows::Tail(&fresh)].map(unmasked);
    let sealed = build(&directory.path().join("1"), &texts[1_000..], &plain(), false);
    let after = [Rows::Segment(&first), Rows::Segment(&sealed)].map(unmasked);
    let queries = ["x", "z y", "x y z", "z z x"];
    for k in [1, 50, 5_000] {
        assert_eq!(search(&queries, &before, k, options()).unwrap(), search(&queries, &after, k, options()).unwrap());
    }
}

/// Some word for each number, without a digit in it.
fn word(number: usize) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'b')).collect()
}

#[test]
fn words_beyond_what_is_remembered_are_counted_all_the_same() {
    // The first batch has more words than are remembered, and each has words of those before it.
    let sizes = [MOST_REMEMBERED + 5_000, 300, MOST_REMEMBERED / 2, MOST_REMEMBERED / 2 + 10, 300];
    let mut rows = vec![];
    let tail = Tail::new(&plain());
    for (batch, size) in sizes.into_iter().enumerate() {
        let texts: Vec<String> = (0..size.div_ceil(100))
            .map(|row| {
                let words = (row * 100..row * 100 + 100).map(|number| word(number * (batch + 1)));
                words.collect::<Vec<_>>().join(" ") + " all Again again" + if row % 2 == 0 { " even" } else { "" }
            })
            .collect();
        tail.append(&texts).unwrap();
        rows.extend(texts);
    }
    is_counted(&tail, &rows, &plain(), MOST_REMEMBERED + 20_000);
}

/// One stem, by words that are remembered and by one that is too long for that.
#[test]
fn a_term_has_a_row_once_however_its_words_are_met() {
    let (short, long) = ("electroencephalographic", "electroencephalographically");
    let stem = |word: &str| {
        let mut stems = vec![];
        Analyser::new(&english()).tokens(word, |token| stems.push(token.to_owned()));
        stems
    };
    assert_eq!((stem(short), short.len(), long.len()), (stem(long), 23, 27));
    let rows = [[short, long], [long, short], [long, long], [short, short]].map(|words| words.join(" and the "));
    let tail = Tail::new(&english());
    for row in &rows {
        tail.append(&[row]).unwrap();
    }
    tail.append(&rows).unwrap();
    is_counted(&tail, &[rows.clone(), rows].concat(), &english(), 0);
}

/// Every term has its rows, each once, and how often they have it.
fn is_counted(tail: &Tail, rows: &[String], settings: &Settings, least: usize) {
    let (view, mut analyser) = (tail.view(), Analyser::new(settings));
    let mut expected = std::collections::HashMap::<String, (Vec<u32>, Vec<u32>)>::new();
    let mut all = 0;
    for (row, text) in rows.iter().enumerate() {
        analyser.tokens(text, |token| {
            all += 1;
            let (rows, frequencies) = expected.entry(token.to_owned()).or_default();
            if rows.last() == Some(&(row as u32)) {
                *frequencies.last_mut().unwrap() += 1;
            } else {
                rows.push(row as u32);
                frequencies.push(1);
            }
        });
    }
    assert!(expected.len() > least, "{}", expected.len());
    let terms: Vec<&str> = expected.keys().map(String::as_str).collect();
    for (term, found) in terms.iter().zip(view.copy(terms.iter().copied())) {
        assert_eq!((found.rows, found.frequencies), expected[*term], "{term}");
    }
    assert_eq!(view.tokens(), all);
}

/// The files that vouch for what was written, by what they hold: their names, but for the kind, are drawn.
fn held(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let kinds = paths.filter_map(|path| {
        let kind = path.extension()?.to_str()?.to_owned();
        (kind != "json").then(|| (kind, fs::read(path).unwrap()))
    });
    kinds.collect()
}

proptest! {
    #![proptest_config(super::config(60))]

    /// What is made of a tail is, byte for byte, what is made of its texts.
    #[test]
    fn a_tail_makes_the_segment_that_its_texts_make(
        texts in prop::collection::vec("([a-c]{1,3}( |-|_|\\.)){0,12}|\\PC{0,20}|[xyz]{22,70}", 0..60),
        (cut, more, is_english) in (0_usize..60, 0_usize..60, any::<bool>()),
    ) {
        let settings = if is_english { english() } else { plain() };
        let tail = Tail::new(&settings);
        tail.append(&["what is cut comes to nothing", "x y", "c a b"]).unwrap();
        tail.cut(0);
        for some in texts.chunks(7) {
            tail.append(some).unwrap();
        }
        let view = tail.first(texts.len().saturating_sub(cut % 9) as u64).unwrap();
        // Rows behind the view are none of it.
        tail.append(&vec!["later a"; more]).unwrap();
        let kept: Vec<&str> = texts[..view.rows() as usize].iter().map(String::as_str).collect();
        let directory = super::scratch();
        let (own, other) = (directory.path().join("own"), directory.path().join("other"));
        let wanted = build(&other, &kept, &settings, false);
        prop_assert_eq!(build_of(&own, &view, LEAST_MEMORY, &|| false).unwrap(), view.rows());
        let made = Segment::open(&own, Some(&settings)).unwrap();
        prop_assert_eq!((made.rows(), made.tokens()), (wanted.rows(), wanted.tokens()));
        prop_assert!(view.rows() == 0 || held(&own).len() > 3);
        prop_assert_eq!(held(&own), held(&other));
    }
}

#[test]
fn a_segment_of_a_tail_can_be_given_up_and_is_refused_where_something_is() {
    let directory = super::scratch();
    let view = super::tail(&["a b"; 3], &plain());
    let stopped = build_of(&directory.path().join("0"), &view, LEAST_MEMORY, &|| true);
    assert!(matches!(stopped, Err(Error::Interrupted)));
    let taken = directory.path().join("1");
    build(&taken, &["a"], &plain(), false);
    assert!(matches!(build_of(&taken, &view, LEAST_MEMORY, &|| false), Err(Error::Exists(_))));
}
