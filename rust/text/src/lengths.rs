//! A row's length in one byte, as tantivy's segments keep it: exact up to 40 tokens, then within a ninth.

use tantivy::fieldnorm::FieldNormReader;

/// The byte of a length in tokens.
pub(crate) fn code(tokens: u32) -> u8 {
    FieldNormReader::fieldnorm_to_id(tokens)
}

/// The greatest length in tokens that is not above any length with this byte.
pub(crate) fn length(code: u8) -> u32 {
    FieldNormReader::id_to_fieldnorm(code)
}

#[cfg(test)]
mod tests {
    use super::{code, length};

    #[test]
    fn a_length_is_kept_to_a_ninth() {
        for tokens in (0..5_000).chain((1..400).map(|i| i * 9_973)) {
            let kept = length(code(tokens));
            assert!(kept <= tokens && f64::from(tokens - kept) <= f64::from(tokens) / 9.0, "{tokens} {kept}");
            assert!(tokens > 40 || kept == tokens);
        }
        assert!((0..255).all(|byte| length(byte) < length(byte + 1)));
    }
}
