//! A checked view of a matrix.

use crate::Error;

/// A matrix of f32, one vector a row, rows one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [f32],
    dimension: usize,
}

/// Row numbers are kept in 32 bits, and the all-ones one is never a row.
const MOST_ROWS: usize = u32::MAX as usize;

/// Sums of this many products of two tame numbers (see `scale`) stay in f32's range.
const MOST_ELEMENTS: usize = 1 << 24;

impl<'a> Rows<'a> {
    /// View `data` as rows of `dimension` elements.
    ///
    /// # Errors
    /// [`Error::Shape`] when `dimension` is 0 or does not divide the length; [`Error::TooLarge`].
    pub fn new(data: &'a [f32], dimension: usize) -> Result<Self, Error> {
        if dimension == 0 || !data.len().is_multiple_of(dimension) {
            return Err(Error::Shape { length: data.len(), dimension });
        }
        if dimension > MOST_ELEMENTS || data.len() / dimension >= MOST_ROWS {
            return Err(Error::TooLarge);
        }
        Ok(Self { data, dimension })
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.dimension
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Elements of a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The elements of rows `start..end`.
    pub(crate) fn range(&self, start: usize, end: usize) -> &'a [f32] {
        &self.data[start * self.dimension..end * self.dimension]
    }

    /// Row `i`.
    pub(crate) fn row(&self, i: usize) -> &'a [f32] {
        self.range(i, i + 1)
    }

    /// The first row that holds NaN or infinity.
    pub(crate) fn first_not_finite(&self) -> Option<usize> {
        // No early end within a row, so that the comparisons are vector operations.
        let not_finite = |row: &[f32]| row.iter().fold(false, |any, x| any | !x.is_finite());
        self.data.chunks_exact(self.dimension).position(not_finite)
    }
}
