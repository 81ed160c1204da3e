//! What nobody would write, and what does not fit.

use super::{build, hits, options, plain, tail, unmasked};
use crate::{Bm25, Builder, Error, LEAST_MEMORY, Options, Part, Rows, Segment, Settings, StopWords, explain, search};

#[test]
fn hostile_texts_are_rows_like_others() {
    let megabyte = "long ".repeat(200_000);
    let unbroken = "x".repeat(1 << 19);
    let texts =
        ["", "\0\0", " \n\t", &megabyte, &unbroken, "🙂🙂", "\u{202e}abc", "𝕬𝖇𝖈", "needle", &"\u{fdfa}".repeat(9_000)];
    let directory = super::scratch();
    for small_chunks in [false, true] {
        let segment = build(&directory.path().join(small_chunks.to_string()), &texts, &plain(), small_chunks);
        let view = tail(&texts, &plain());
        assert_eq!((segment.rows(), segment.tokens()), (10, view.tokens()));
        let queries = ["needle", "long", &unbroken, "abc", "", "\0", "صلى"];
        let stored = search(&queries, &[unmasked(Rows::Segment(&segment))], 5, options()).unwrap();
        assert_eq!(stored, search(&queries, &[unmasked(Rows::Tail(&view))], 5, options()).unwrap());
        let rows = |q| hits(&stored, q).iter().map(|hit| hit.2).collect::<Vec<_>>();
        assert_eq!((rows(0), rows(1), rows(2), rows(4), rows(5)), (vec![8], vec![3], vec![4], vec![], vec![]));
        assert_eq!(rows(3), [6, 7]);
        assert_eq!(rows(6), [9]);
    }
}

#[test]
fn nothing_at_all() {
    let directory = super::scratch();
    let empty = build(&directory.path().join("0"), &[], &plain(), false);
    let wordless = build(&directory.path().join("1"), &["", "!"], &plain(), false);
    let view = tail(&[], &plain());
    let parts = [Rows::Segment(&empty), Rows::Segment(&wordless), Rows::Tail(&view)].map(unmasked);
    for some in [&parts[..], &parts[..1], &parts[..0]] {
        let found = search(&["a", ""], some, 3, options()).unwrap();
        assert_eq!((found.offsets, found.rows), (vec![0, 0, 0], vec![]));
        assert!(search::<&str>(&[], some, 3, options()).unwrap().rows.is_empty());
    }
    assert_eq!((empty.rows(), wordless.rows(), wordless.tokens()), (0, 2, 0));
}

#[test]
fn what_does_not_fit_is_refused() {
    let directory = super::scratch();
    let place = directory.path().join("s");
    let segment = build(&place, &["a b", "b"], &plain(), false);
    let english = super::settings(crate::Language::English);
    let whole = unmasked(Rows::Segment(&segment));
    let refused = |result: Result<crate::Found, Error>| result.unwrap_err().to_string();

    let message = Segment::open(&place, Some(&english)).err().unwrap().to_string();
    assert!(message.contains(r#""analyser":"plain""#) && message.contains(r#""analyser":"english""#), "{message}");
    let other = tail(&["a"], &english);
    assert!(refused(search(&["a"], &[whole, unmasked(Rows::Tail(&other))], 1, options())).contains("part 1"));
    let masked = Part { mask: Some(&[3, 3]), ..whole };
    assert!(refused(search(&["a"], &[masked], 1, options())).contains("mask of part 0 has 2 bytes"));
    let long = "a ".repeat(4097);
    assert!(refused(search(&["a", &long], &[whole], 1, options())).contains("query 1 has 4097 tokens"));
    assert_eq!(search(&[&long[2..]], &[whole], 1, options()).unwrap().rows, [0]);
    let stopped = Options { interrupted: Some(&|| true), ..options() };
    assert_eq!(search(&["a"], &[whole], 1, stopped).unwrap_err(), Error::Interrupted);
    assert_eq!(explain("a", &[whole], &[(0, 2)], options()).unwrap_err(), Error::NoRow { part: 0, row: 2 });
    for (k1, b) in [(-1.0, 0.5), (f64::NAN, 0.5), (1.0, 1.1), (1.0, f64::NAN), (f64::INFINITY, 0.0)] {
        assert!(Bm25::new(k1, b).is_err());
    }
    assert!(matches!(Builder::new(&place, &plain(), LEAST_MEMORY), Err(Error::Exists(_))));
    assert!(matches!(Builder::new(&place.join("crossfade-text.json"), &plain(), LEAST_MEMORY), Err(Error::Exists(_))));
    assert!(matches!(Builder::new(&directory.path().join("t"), &plain(), 1), Err(Error::Parameter { .. })));
    let builder = Builder::new(&directory.path().join("u"), &plain(), LEAST_MEMORY).unwrap();
    assert_eq!(builder.finish(&|| true).unwrap_err(), Error::Interrupted);
    assert!(matches!(Segment::open(&directory.path().join("u"), None), Err(Error::Io { .. })));
    assert!(Settings::new(crate::Language::Plain, StopWords::Own(vec![String::new()])).is_err());
}

#[test]
fn a_segment_outlives_its_name() {
    let directory = super::scratch();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    let segment = build(&old, &["a", "b"], &plain(), false);
    std::fs::rename(&old, &new).unwrap();
    let again = Segment::open(&new, None).unwrap();
    std::fs::remove_dir_all(&new).unwrap();
    for segment in [segment, again] {
        assert_eq!(search(&["b"], &[unmasked(Rows::Segment(&segment))], 9, options()).unwrap().rows, [1]);
    }
}
