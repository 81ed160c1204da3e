//! Which rows may be found.

/// One bit a row, set where the row may be found: bit i of byte j is row 8 j + i. Its length was checked.
#[derive(Clone, Copy)]
pub(crate) struct Mask<'a>(pub(crate) Option<&'a [u8]>);

impl Mask<'_> {
    #[inline]
    pub(crate) fn allows(self, row: u32) -> bool {
        self.0.is_none_or(|bits| bits[row as usize / 8] >> (row % 8) & 1 == 1)
    }

    /// Whether it allows any of the rows from `start`, a multiple of 8, to before `end`.
    pub(crate) fn allows_any(self, start: usize, end: usize) -> bool {
        self.0.is_none_or(|bits| {
            let (words, rest) = bits[start / 8..bits.len().min(end.div_ceil(8))].as_chunks::<8>();
            words.iter().any(|&word| u64::from_ne_bytes(word) != 0) || rest.iter().any(|&byte| byte != 0)
        })
    }
}
