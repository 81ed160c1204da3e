//! Which rows may be found.

use crate::backend::Backend;
use crate::{Error, on_backend};

/// One bit a row, set where the row may be found: bit i of byte j is row 8 j + i.
#[derive(Debug, Clone, Copy)]
pub struct Mask<'a> {
    bits: &'a [u8],
    rows: usize,
}

/// Rows of a word.
const WORD: usize = u64::BITS as usize;

fn ones(bytes: &[u8]) -> usize {
    on_backend!(backend => backend.ones(bytes))
}

impl<'a> Mask<'a> {
    /// A mask of `rows` bits; what the last byte holds beyond them is ignored.
    ///
    /// # Errors
    /// [`Error::Length`] when there are not just as many bytes as `rows` bits need.
    pub fn new(bits: &'a [u8], rows: usize) -> Result<Self, Error> {
        let expected = rows.div_ceil(8);
        if bits.len() != expected {
            return Err(Error::Length { what: "bytes of mask, one bit a row", length: bits.len(), expected });
        }
        Ok(Self { bits, rows })
    }

    /// How many rows may be found.
    #[must_use]
    pub fn count(&self) -> usize {
        let whole = self.rows / WORD;
        let of_whole = ones(&self.bits[..whole * size_of::<u64>()]);
        of_whole + (whole..self.rows.div_ceil(WORD)).map(|i| self.word(i).count_ones() as usize).sum::<usize>()
    }

    /// The rows that may be found, ascending.
    #[must_use]
    pub fn set(&self) -> Vec<u32> {
        let mut rows = Vec::with_capacity(self.count());
        self.gather(0, self.rows, usize::MAX, &mut rows);
        rows
    }

    /// Its bits, as they were given.
    #[must_use]
    pub fn bits(&self) -> &'a [u8] {
        self.bits
    }

    /// How many rows it is about.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether row `row` may be found; false beyond the rows.
    #[must_use]
    #[inline]
    pub fn has(&self, row: usize) -> bool {
        row < self.rows && self.bits[row / 8] >> (row % 8) & 1 == 1
    }

    fn word(&self, i: usize) -> u64 {
        let from = &self.bits[i * 8..];
        let word = match from.first_chunk::<8>() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => from.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        match self.rows - i * WORD {
            left @ 0..WORD => word & ((1 << left) - 1),
            _ => word,
        }
    }

    /// Append rows that may be found from `start..end` to `to`, until it has `most`. Returns where to go on.
    pub(crate) fn gather(&self, start: usize, end: usize, most: usize, to: &mut Vec<u32>) -> usize {
        let mut at = start;
        while at < end {
            let mut word = self.word(at / WORD) >> (at % WORD) << (at % WORD);
            let next = (at / WORD + 1) * WORD;
            if next > end {
                word &= (1 << (end % WORD)) - 1;
            }
            while word != 0 {
                let row = at / WORD * WORD + word.trailing_zeros() as usize;
                if to.len() == most {
                    return row;
                }
                to.push(row as u32);
                word &= word - 1;
            }
            at = next;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathers_what_is_set_in_pieces_of_any_size() {
        for rows in [0_usize, 1, 7, 8, 9, 63, 64, 65, 200] {
            let set = |row: usize| row.is_multiple_of(3) || row / 20 % 2 == 1;
            let mut bits = vec![0_u8; rows.div_ceil(8)];
            for row in (0..rows.div_ceil(8) * 8).filter(|&row| set(row)) {
                bits[row / 8] |= 1 << (row % 8);
            }
            let mask = Mask::new(&bits, rows).unwrap();
            let wanted: Vec<u32> = (0..rows).filter(|&row| set(row)).map(|row| row as u32).collect();
            assert_eq!(mask.count(), wanted.len());
            for (step, most) in [(rows.max(1), 1), (rows.max(1), 1000), (7, 3), (64, 5), (70, 100)] {
                let mut found = Vec::new();
                for start in (0..rows).step_by(step) {
                    let (mut at, end) = (start, rows.min(start + step));
                    while at < end {
                        let mut some = Vec::new();
                        at = mask.gather(at, end, most, &mut some);
                        assert!(some.len() <= most);
                        found.extend(some);
                    }
                }
                assert_eq!(found, wanted, "{rows} {step} {most}");
            }
        }
        assert!(Mask::new(&[0], 9).unwrap_err().to_string().contains("expected 2 bytes of mask"));
    }
}
