//! What is a token.

use proptest::prelude::*;

use super::oracle::tokens;
use super::{config, plain, settings};
use crate::{Language, MOST_TOKEN_BYTES, Settings, StopWords};

fn plainly(text: &str) -> String {
    tokens(text, &plain()).join(" ")
}

fn in_english(text: &str) -> String {
    tokens(text, &settings(Language::English)).join(" ")
}

#[test]
fn prose_is_its_words() {
    assert_eq!(plainly("The quick, brown (fox) jumps -- over it... twice!"), "the quick brown fox jumps over it twice");
    assert_eq!(in_english("The foxes were running to the well-known houses"), "fox were run well known hous");
    assert_eq!(plainly("well-known and/or 50/50 ratio:good"), "well known and or 50/50 50 50 ratio good");
    assert_eq!(plainly("don\u{2019}t O'Brien 'quoted' dogs'"), "don't o'brien quoted dogs");
    assert_eq!(in_english("the company's plan"), "compani plan");
    assert_eq!(plainly("end. Next"), "end next");
}

#[test]
fn codes_are_kept_whole_beside_their_parts() {
    for (text, wanted) in [
        ("ERR_0x80070005", "err_0x80070005 err 0x80070005"),
        ("AB-12/9", "ab-12/9 ab 12 9"),
        ("v1.2.3.", "v1.2.3 v1 2 3"),
        ("foo_bar.baz()", "foo_bar.baz foo bar baz"),
        ("C++ and C#,", "c++ c and c# c"),
        ("C++11", "c++11 c 11"),
        ("<a@b.com>", "a@b.com a b com"),
        ("(10.0.0.1)", "10.0.0.1 10 0 0 1"),
        ("std::vec->x", "std::vec->x std vec x"),
        ("R&D", "r&d r d"),
        ("e.g. the U.S. (i.e. 1.2)", "e.g the u.s i.e 1.2 1 2"),
        ("a_b", "a_b a b"),
        ("CamelCase", "camelcase camel case"),
        ("getUserName HTTPServer", "getusername get user name httpserver http server"),
        ("iPhone kHz GmbH URLs PowerPCs McDonald", "iphone khz gmbh urls powerpcs power pcs mcdonald mc donald"),
        ("mp3 AB12", "mp3 ab12"),
        ("__init__", "init"),
    ] {
        assert_eq!(plainly(text), wanted, "{text}");
    }
    assert_eq!(in_english("running_jobs 12-houses"), "running_jobs run job 12-houses 12 hous");
    assert_eq!(in_english("is_the"), "is_the");
}

#[test]
fn codes_are_kept_whole_beside_labels_too() {
    for (text, wanted) in [
        ("code:ERR_0x80070005", "code:err_0x80070005 err_0x80070005 code err 0x80070005"),
        ("ERR_0x80070005:denied", "err_0x80070005:denied err_0x80070005 err 0x80070005 denied"),
        ("error/ERR_5", "error/err_5 err_5 error err 5"),
        ("Teil/AB-12/9", "teil/ab-12/9 ab-12/9 teil ab 12 9"),
        ("AB-12/9/neu", "ab-12/9/neu ab-12/9 ab 12 9 neu"),
        ("a:part/AB-12/9", "a:part/ab-12/9 part/ab-12/9 ab-12/9 a part ab 12 9"),
        (r"ERR_5\n", r"err_5\n err_5 err 5 n"),
        (r"ERR_5\nAB-12", r"err_5\nab-12 err_5 nab-12 err 5 nab 12"),
        ("src/foo_bar.rs:42", "src/foo_bar.rs:42 src/foo_bar.rs foo_bar.rs src foo bar rs 42"),
        ("10.0.0.1:8080", "10.0.0.1:8080 10.0.0.1 10 0 0 1 8080"),
        ("lang:C++ a:C#:b", "lang:c++ c++ lang c a:c# c# a c b"),
        ("src/my_mod/foo_bar.rs", "src/my_mod/foo_bar.rs foo_bar.rs src my mod foo bar rs"),
        ("my-app/AB-12", "my-app/ab-12 ab-12 my app ab 12"),
        ("https://a.com/issue/AB-12", "https a.com/issue/ab-12 ab-12 a com issue ab 12"),
        ("v2/foo_bar.rs", "v2/foo_bar.rs v2 foo bar rs"),
        ("foo_bar.rs/x", "foo_bar.rs/x foo bar rs x"),
        // Nothing of these is a code of more than a word, besides all of it.
        ("12:30:45", "12:30:45 12 30 45"),
        ("AB-12/9", "ab-12/9 ab 12 9"),
        ("2026/11/27", "2026/11/27 2026 11 27"),
        ("ratio:good/bad", "ratio good bad"),
        ("std::vec->x", "std::vec->x std vec x"),
    ] {
        assert_eq!(plainly(text), wanted, "{text}");
    }
    let long = format!("{}:ERR_5", "x".repeat(400));
    assert!(tokens(&long, &plain()).contains(&"err_5".to_owned()), "where all of it is too long");
}

#[test]
fn one_spelling_for_what_reads_the_same() {
    assert_eq!(plainly("cafe\u{301} CAFÉ ｃａｆé"), "café café café");
    assert_eq!(plainly("Straße ΣΟΦΟΣ σοφος \u{fb01}x soft\u{ad}hyphen"), "straße σοφοσ σοφοσ fix softhyphen");
    assert_eq!(plainly("東京 ひら カタカナ 한국어"), "東 京 ひ ら カタカナ 한국어");
    assert_eq!(plainly("हिन्दी भाषा"), "हिन्दी भाषा");
    assert_eq!(plainly("a\0b\u{1}c 🙂 🙂"), "a b c");
}

#[test]
fn stop_words_are_a_setting() {
    let own =
        Settings::new(Language::English, StopWords::Own(vec!["Fox".into(), " the ".into(), "fox".into()])).unwrap();
    assert_eq!(tokens("The Fox and foxes", &own), ["and", "fox"]);
    assert_eq!(own.to_json(), r#"{"analyser":"english","stop_words":["fox","the"],"version":1}"#);
    assert_eq!(Settings::from_json(&own.to_json()).unwrap(), own);
    for language in [Language::Plain, Language::English] {
        for stop_words in [StopWords::None, StopWords::English] {
            let settings = Settings::new(language, stop_words).unwrap();
            assert_eq!(Settings::from_json(&settings.to_json()).unwrap(), settings);
        }
    }
    for wrong in [
        "",
        "[]",
        "{}",
        r#"{"analyser":"english","stop_words":"none","version":2}"#,
        r#"{"analyser":"german","stop_words":"none","version":1}"#,
        r#"{"analyser":"plain","stop_words":[1],"version":1}"#,
        r#"{"analyser":"plain","stop_words":["a b"],"version":1}"#,
        r#"{"analyser":"plain","stop_words":"none","version":1,"x":1}"#,
    ] {
        assert!(Settings::from_json(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_long_word_is_cut_and_found() {
    let long = "é".repeat(1_000);
    let found = tokens(&long, &plain());
    assert_eq!(found.concat(), long);
    assert!(found.iter().all(|token| token.len() <= MOST_TOKEN_BYTES && !token.is_empty()));
    let joined = "a_1.".repeat(300_000);
    assert_eq!(tokens(&joined, &plain()).len(), 600_000);
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn any_text_is_safe(text in prop_oneof![".*", "[a-cA-C0-1_.+#:/@' -]{0,40}", "\\PC{0,60}"]) {
        for settings in [plain(), settings(Language::English)] {
            let found = tokens(&text, &settings);
            for token in &found {
                prop_assert!(!token.is_empty() && token.len() <= MOST_TOKEN_BYTES);
                prop_assert!(!token.contains(|c: char| c.is_whitespace() || c.is_control()), "{:?}", token);
            }
            // Texts on lines of their own do not touch each other.
            let twice = tokens(&format!("{text}\n{text}"), &settings);
            prop_assert_eq!(twice, [found.clone(), found].concat());
        }
    }

    #[test]
    fn capitals_find_what_small_letters_find(text in "[a-cA-C0-1_.+#:/@' -]{0,40}") {
        let (mixed, small) = (tokens(&text, &plain()), tokens(&text.to_lowercase(), &plain()));
        prop_assert!(small.iter().all(|token| mixed.contains(token)), "{:?} {:?}", mixed, small);
    }
}
