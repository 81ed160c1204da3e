//! What reads the same is spelt the same.

use proptest::prelude::*;

use crate::normalise;

#[test]
fn examples() {
    for (text, normal) in [
        ("  The QUICK,  brown\tfox! ", "the quick brown fox"),
        ("don't, don\u{2019}t and dont", "dont dont and dont"),
        ("dogs' tails 'quoted'", "dogs tails quoted"),
        ("C++ c# C and a+b, #tag, 5+", "c++ c# c and a b tag 5"),
        ("ｆｕｌｌ　ｗｉｄｔｈ ﬁne", "full width fine"),
        ("STRASSE straße", "strasse strasse"),
        ("ΣΊΣΥΦΟΣ σίσυφος", "σίσυφοσ σίσυφοσ"),
        ("cafe\u{301} café", "café café"),
        ("soft\u{ad}hyphen zero\u{200b}width", "softhyphen zerowidth"),
        ("foo_bar.baz(1)", "foo bar baz 1"),
        (" := ", ":="),
        ("🙂\u{fe0f}  🙂", "🙂 🙂"),
        ("", ""),
        (" \n\u{200b}", ""),
    ] {
        assert_eq!(normalise(text), normal, "{text:?}");
    }
}

proptest! {
    #[test]
    fn twice_is_as_good_as_once(text in "[ a-cA-C'’+#.,ßς²ﬁé\u{301}\u{200b}日本ก\u{e31}\u{1F600}]{0,24}") {
        let once = normalise(&text);
        prop_assert_eq!(normalise(&once), once.clone());
        prop_assert_eq!(normalise(&text.replace(' ', " \t")), once.clone());
        prop_assert!(!once.contains("  ") && once.trim() == once);
    }

    #[test]
    fn any_text_at_all(text in any::<String>()) {
        let once = normalise(&text);
        prop_assert!(!once.contains("  ") && once.trim() == once);
    }

    /// The short way for ASCII is the long way.
    #[test]
    fn ascii_is_nothing_special(text in "[ -~\t\n]{0,40}") {
        let long = normalise(&format!("{text} é"));
        let short = normalise(&text);
        if short.chars().any(|c| c.is_ascii_alphanumeric()) {
            prop_assert_eq!(long, format!("{short} é"));
        }
    }
}
