//! Bytes of a file as numbers, without a copy.

/// `bytes` as u32 in the order of this machine, where they are whole numbers at an address that fits; or None.
#[must_use]
pub fn words(bytes: &[u8]) -> Option<&[u32]> {
    // SAFETY: every bit pattern is a u32.
    let (before, words, after) = unsafe { bytes.align_to::<u32>() };
    (before.is_empty() && after.is_empty()).then_some(words)
}

/// `bytes` as i8.
pub(crate) fn signed(bytes: &[u8]) -> &[i8] {
    // SAFETY: an i8 is as long as a byte, lies anywhere, and may have every bit pattern; the borrow goes on.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_only() {
        let numbers = [1_u32, 0xffff_fff0, 7];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        let start = bytes.as_ptr().align_offset(4);
        assert_eq!(words(&bytes[start..start]), Some(&[][..]));
        if start == 0 {
            assert_eq!(words(&bytes), Some(&numbers[..]));
        }
        assert_eq!(words(&bytes[start..start + 3]), None);
        assert_eq!(words(&bytes[start + 1..start + 5]), None);
    }
}
