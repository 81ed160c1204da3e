//! A checked view of a matrix.

/// A matrix of f32, one vector a row, rows one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [f32],
    dimension: usize,
}

/// A matrix that cannot be: its length is not a whole number of rows, or its rows have no elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault;

impl<'a> Rows<'a> {
    /// View `data` as rows of `dimension` elements.
    ///
    /// # Errors
    /// [`Fault`] when `dimension` is 0 or does not divide the length.
    pub fn new(data: &'a [f32], dimension: usize) -> Result<Self, Fault> {
        if dimension == 0 || !data.len().is_multiple_of(dimension) {
            return Err(Fault);
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

    /// Row `i`.
    #[must_use]
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.dimension..][..self.dimension]
    }
}
