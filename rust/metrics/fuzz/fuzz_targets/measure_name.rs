//! Any text: a measure or an error; and a measure's name is read as the same measure, and spelled alike.

#![no_main]

use crossfade_metrics::Measure;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(measure) = text.parse::<Measure>() {
        let name = measure.to_string();
        assert_eq!(name.parse::<Measure>().ok(), Some(measure));
    }
});
