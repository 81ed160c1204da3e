//! A checked view of a matrix.

use crate::Error;

/// A matrix, one vector a row: the elements of a row lie one after the other, the rows `stride` elements apart.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, T> {
    data: &'a [T],
    dimension: usize,
    stride: usize,
    len: usize,
}

/// Row numbers are kept in 32 bits, and the all-ones one is never a row.
const MOST_ROWS: usize = u32::MAX as usize;

/// Enough for any embedding, and small enough that the bounds of the scans stay below one.
const MOST_ELEMENTS: usize = 1 << 22;

impl<'a, T> Rows<'a, T> {
    /// View `data` as rows of `dimension` elements, one after the other.
    ///
    /// # Errors
    /// [`Error::Shape`] when `dimension` is 0 or does not divide the length; [`Error::TooLarge`].
    pub fn new(data: &'a [T], dimension: usize) -> Result<Self, Error> {
        if dimension == 0 || !data.len().is_multiple_of(dimension) {
            return Err(Error::Shape { length: data.len(), dimension });
        }
        Self::with_stride(data, dimension, dimension, data.len() / dimension)
    }

    /// View `data` as `len` rows of `dimension` elements that begin `stride` elements apart. The last row needs no
    /// more than its own elements.
    ///
    /// # Errors
    /// [`Error::Shape`] when `dimension` is 0 or `data` ends before the last row does; [`Error::TooLarge`].
    pub fn with_stride(data: &'a [T], dimension: usize, stride: usize, len: usize) -> Result<Self, Error> {
        let shape = Error::Shape { length: data.len(), dimension };
        if dimension > MOST_ELEMENTS || len >= MOST_ROWS {
            return Err(Error::TooLarge);
        }
        let needed = match len {
            0 => Some(0),
            _ => (len - 1).checked_mul(stride).and_then(|start| start.checked_add(dimension)),
        };
        if dimension == 0 || needed.is_none_or(|needed| needed > data.len()) {
            return Err(shape);
        }
        Ok(Self { data, dimension, stride, len })
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Elements of a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Elements from one row to the next.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Row `i`.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> &'a [T] {
        assert!(i < self.len, "row {i} of {}", self.len);
        &self.data[i * self.stride..][..self.dimension]
    }

    /// Where the first `rows` rows lie in memory.
    pub(crate) fn addresses(&self, rows: usize) -> std::ops::Range<usize> {
        let elements = if rows == 0 { 0 } else { (rows - 1) * self.stride + self.dimension };
        let range = self.data[..elements].as_ptr_range();
        range.start.addr()..range.end.addr()
    }

    /// Rows `start..end` as one slice, where they lie one after the other.
    pub(crate) fn packed(&self, start: usize, end: usize) -> Option<&'a [T]> {
        (self.stride == self.dimension).then(|| &self.data[start * self.dimension..end * self.dimension])
    }
}

impl Rows<'_, f32> {
    /// The first row with an element that is infinite or no number.
    #[must_use]
    pub fn not_finite(&self) -> Option<usize> {
        // Without a branch on each element, so that many are looked at together.
        let finite = |part: &[f32]| part.iter().fold(true, |finite, x| finite & x.is_finite());
        (0..self.len).find(|&i| !self.row(i).chunks(FINITE).all(finite))
    }
}

/// Elements that are looked at together.
const FINITE: usize = 64;
