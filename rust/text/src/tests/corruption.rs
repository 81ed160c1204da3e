//! A byte that flips, a file that is cut or gone: an error, never a panic or another answer.

use std::fs;
use std::path::Path;

use super::{build, options, plain, unmasked};
use crate::{Error, Found, Rows, Segment, search};

const QUERIES: [&str; 3] = ["a b", "c", "w300"];

fn attempt(directory: &Path) -> Result<Found, Error> {
    let segment = Segment::open(directory, Some(&plain()))?;
    search(&QUERIES, &[unmasked(Rows::Segment(&segment))], 10, options())
}

#[test]
fn files_that_changed_are_found_out() {
    let texts: Vec<String> = (0..700).map(|row| format!("a w{row} {}", "b c ".repeat(row % 3))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let directory = super::scratch();
    let place = directory.path().join("s");
    build(&place, &texts, &plain(), false);
    let right = attempt(&place).unwrap();
    let mut files = 0;
    for name in crate::manifest::names(&place).unwrap() {
        let path = place.join(&name);
        let bytes = fs::read(&path).unwrap();
        files += 1;
        let step = (bytes.len() / 60).max(1);
        for at in (0..bytes.len()).step_by(step) {
            for flip in [0x01, 0x80] {
                let mut other = bytes.clone();
                other[at] ^= flip;
                fs::write(&path, &other).unwrap();
                let error = attempt(&place).expect_err(&name);
                assert!(matches!(error, Error::Damaged { .. }), "{name} {at} {error}");
            }
            fs::write(&path, &bytes[..at]).unwrap();
            assert!(attempt(&place).is_err(), "{name} cut at {at}");
        }
        fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
        assert!(attempt(&place).is_err(), "{name} with more");
        fs::remove_file(&path).unwrap();
        assert!(matches!(attempt(&place), Err(Error::Io { .. })), "{name} gone");
        fs::write(&path, &bytes).unwrap();
    }
    assert!(files >= 7, "{files}");
    assert_eq!(attempt(&place).unwrap(), right);
}

#[test]
fn what_checksums_cannot_see_is_no_panic_either() {
    // As if somebody had written the files so: the manifest vouches for damaged content.
    let texts: Vec<String> = (0..700).map(|row| format!("a w{row} {}", "b c ".repeat(row % 3))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let directory = super::scratch();
    let place = directory.path().join("s");
    build(&place, &texts, &plain(), false);
    let manifest = crate::manifest::Manifest::read(&place).unwrap();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let names = crate::manifest::names(&place).unwrap();
    for name in names.iter().filter(|name| *name != crate::manifest::MANIFEST) {
        let path = place.join(name);
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by((bytes.len() / 25).max(1)) {
            let mut other = bytes.clone();
            other[at] ^= 0x55;
            fs::write(&path, &other).unwrap();
            fs::remove_file(place.join(crate::manifest::MANIFEST)).unwrap();
            manifest.write(&place).unwrap();
            let _ = attempt(&place); // an error or an answer
        }
        fs::write(&path, &bytes).unwrap();
    }
    std::panic::set_hook(hook);
}
