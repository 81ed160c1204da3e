//! Parsers against a reader in a few lines, on lines that are nearly right and on any bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{Error, parse};

type Read<V> = Result<Vec<(String, BTreeMap<String, V>)>, ()>;

/// Queries in the order they are first named, each with its documents; an error whatever is wrong.
fn naive<V>(bytes: &[u8], row: impl Fn(&str, bool) -> Option<Option<(String, String, V)>>) -> Read<V> {
    let text = std::str::from_utf8(bytes).map_err(|_| ())?;
    let mut found: Vec<(String, BTreeMap<String, V>)> = Vec::new();
    let lines = text.strip_prefix('\u{feff}').unwrap_or(text).split('\n');
    for (i, line) in lines.filter(|line| !line.trim_matches([' ', '\t', '\r', '\x0b', '\x0c']).is_empty()).enumerate() {
        let Some((query, document, value)) = row(line, i == 0).ok_or(())? else { continue };
        if !found.iter().any(|(name, _)| *name == query) {
            found.push((query.clone(), BTreeMap::new()));
        }
        let (_, documents) = found.iter_mut().find(|(name, _)| *name == query).unwrap();
        if documents.insert(document, value).is_some() {
            return Err(());
        }
    }
    if found.is_empty() { Err(()) } else { Ok(found) }
}

fn columns(line: &str) -> Vec<&str> {
    line.split([' ', '\t', '\r', '\x0b', '\x0c']).filter(|column| !column.is_empty()).collect()
}

fn naive_run(bytes: &[u8]) -> Read<f64> {
    naive(bytes, |line, _| match columns(line)[..] {
        [query, _, document, _, score, _] => {
            let score = score.parse().ok().filter(|score: &f64| score.is_finite())?;
            Some(Some((query.to_owned(), document.to_owned(), score)))
        }
        _ => None,
    })
}

fn naive_judgments(bytes: &[u8]) -> Read<i32> {
    naive(bytes, |line, _| match columns(line)[..] {
        [query, _, document, grade] => Some(Some((query.to_owned(), document.to_owned(), grade.parse().ok()?))),
        _ => None,
    })
}

fn naive_beir(bytes: &[u8]) -> Read<i32> {
    naive(bytes, |line, first| match line.trim_end_matches('\r').split('\t').collect::<Vec<_>>()[..] {
        [a, b, c] if first && [a, b, c].map(|x| x.trim().to_lowercase()) == ["query-id", "corpus-id", "score"] => {
            Some(None)
        }
        [query, document, grade] if !query.is_empty() && !document.is_empty() => {
            Some(Some((query.to_owned(), document.to_owned(), grade.trim().parse().ok()?)))
        }
        _ => None,
    })
}

fn check(bytes: &[u8], threads: usize) {
    let run = parse::trec_run(&bytes, threads).map_err(|_| ()).map(|run| {
        let ranking = |query| run.ranking(query).map(|(document, score)| (document.to_owned(), score)).collect();
        (0..run.len() as u32).map(|query| (run.query(query).to_owned(), ranking(query))).collect::<Vec<_>>()
    });
    assert_eq!(run, naive_run(bytes));
    for (parsed, naive) in [
        (parse::trec_judgments(&bytes, threads), naive_judgments(bytes)),
        (parse::beir_judgments(&bytes, threads), naive_beir(bytes)),
    ] {
        let parsed = parsed.map_err(|_| ()).map(|judgments| {
            let grades =
                |query| judgments.grades(query).map(|(document, grade)| (document.to_owned(), grade)).collect();
            (0..judgments.len() as u32)
                .map(|query| (judgments.query(query).to_owned(), grades(query)))
                .collect::<Vec<_>>()
        });
        assert_eq!(parsed, naive);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        check(&bytes, 1);
    }

    #[test]
    fn bytes_that_mean_something(text in "[qd0-9 \t\r\n\x0b\x0c.e+\\-\u{a0}é\u{feff}]{0,60}", threads in 1..3_usize) {
        check(text.as_bytes(), threads);
    }

    #[test]
    fn lines_that_are_nearly_right(
        lines in prop::collection::vec(
            ("(query-id\tcorpus-id\tscore|q[0-3] Q0|q[0-3] 0|q[0-3])[ \t]d[0-9é]{1,2}[ \t]",
             "(1 [0-9.e\\-]{1,6} t|[0-9]{1,3}|-?[0-9]{1,11}|inf|nan|1_0|)", "( |\r|\t|)\n{1,2}"),
            0..12,
        ),
    ) {
        let text: String = lines.into_iter().map(|(a, b, c)| a + &b + &c).collect();
        check(text.as_bytes(), 1);
    }
}

fn line_of(error: &Error) -> (usize, &str) {
    match error {
        Error::Line { line, reason } => (*line, reason),
        other => panic!("{other}"),
    }
}

#[test]
fn the_line_at_fault_is_named_at_any_thread_count() {
    let lines: Vec<String> = (0..40_000).map(|i| format!("q{} Q0 d{i} 1 {} t\n", i / 100, -f64::from(i))).collect();
    let good = lines.concat();
    assert!(good.len() > 3 << 18, "or there is no third thread");
    let cases: [(usize, &[u8], &str); 5] = [
        (39_999, b"q Q0 d 1 x t", "score \"x\" is not a finite number"),
        (20_001, b"q Q0 d 1 1", "5 columns; expected 6"),
        (30_001, b"q Q0 d 1 1 \xff", "invalid UTF-8: byte 0xff at column 12"),
        (35_001, b"q7 Q0 d777 1 1 t", "document \"d777\" is twice in the ranking of query \"q7\""),
        (1, b"q Q0 d 1 inf t", "score \"inf\" is not a finite number"),
    ];
    for (line, text, reason) in cases {
        // Blank lines count; a byte order mark does not.
        let mut bytes = b"\xef\xbb\xbf".to_vec();
        for (i, good) in good.lines().enumerate() {
            if i + 1 == line {
                bytes.extend(text);
                bytes.extend(b"\r\n");
            }
            bytes.extend(good.as_bytes());
            bytes.push(b'\n');
        }
        for threads in 1..5 {
            let error = parse::trec_run(&bytes.as_slice(), threads).unwrap_err();
            let (found, said) = line_of(&error);
            assert_eq!(found, line);
            assert!(said.contains(reason), "{said}");
        }
    }
    let mut bytes = b"\n\n".to_vec();
    bytes.extend(good.as_bytes());
    let whole = parse::trec_run(&bytes.as_slice(), 1).unwrap();
    for threads in 2..5 {
        let other = parse::trec_run(&bytes.as_slice(), threads).unwrap();
        assert_eq!((other.len(), other.rows()), (400, 40_000));
        for query in 0..400 {
            assert!(other.query(query) == whole.query(query) && other.ranking(query).eq(whole.ranking(query)));
        }
    }
}

#[test]
fn of_several_faults_the_first_line_is_named() {
    let error = parse::trec_run(&b"q Q0 d 1 1 t\nq Q0 d 1\nq \xff".as_slice(), 1).unwrap_err();
    assert_eq!(line_of(&error).0, 2);
    let error = parse::trec_judgments(&b"q 0 d 1\n\nq 0 d 1\nq 0 d 2".as_slice(), 1).unwrap_err();
    assert_eq!(
        line_of(&error),
        (3, "document \"d\" is judged twice for query \"q\" (grade 1 before, 1 here): keep one")
    );
    let error = parse::beir_judgments(&b"\nQuery_ID\tcorpus-id\tscore\nq\td\t1\nq\td\t2\n".as_slice(), 1).unwrap_err();
    assert_eq!(
        line_of(&error),
        (4, "document \"d\" is judged twice for query \"q\" (grade 1 before, 2 here): keep one")
    );
    assert_eq!(error.to_string(), format!("line 4: {}", line_of(&error).1));
}

#[test]
fn ids_are_not_empty_and_only_the_first_line_is_a_header() {
    for (text, reason) in [
        ("q\td\t1\n\td\t1\n", "an id is empty"),
        ("q\td\t1\nq\t\t1\n", "an id is empty"),
        ("q\td\t1\nquery-id\tcorpus-id\tscore\n", "grade \"score\" is not an integer"),
    ] {
        let error = parse::beir_judgments(&text.as_bytes(), 1).unwrap_err();
        let (line, said) = line_of(&error);
        assert_eq!(line, 2, "{text:?}");
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn nothing_is_an_error() {
    for bytes in [b"".as_slice(), b"\n \t\n", b"\xef\xbb\xbf"] {
        assert!(parse::trec_run(&bytes, 1).unwrap_err().to_string().contains("6 columns"));
        assert!(parse::trec_judgments(&bytes, 1).unwrap_err().to_string().contains("4 columns"));
        assert!(parse::beir_judgments(&bytes, 1).unwrap_err().to_string().contains("at least one judgment"));
    }
    assert!(parse::beir_judgments(&b"query-id\tcorpus-id\tscore\n".as_slice(), 1).is_err());
}
