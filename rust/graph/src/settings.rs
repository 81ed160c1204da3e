//! How a graph is built.

use crate::Error;

/// In what form a walk compares rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Codes if, on a sample, they find what exact scores find; or else the vectors.
    #[default]
    Measured,
    /// Codes of eight bits, kept in the graph: about a quarter of the vectors' bytes.
    Codes,
    /// The vectors themselves.
    Vectors,
}

/// How a graph is built; the names are those of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Links that a new row gets in each layer; in the lowest up to twice as many point from it. From 2 to 256.
    pub m: usize,
    /// Candidates of which a new row's links are chosen. From 1 to 65,536; at least `m` is used.
    pub ef_construction: usize,
    /// Of the draw that says which rows stand in which layer.
    pub seed: u64,
    /// In what form rows are compared.
    pub form: Form,
}

impl Default for Settings {
    fn default() -> Self {
        Self { m: 16, ef_construction: 200, seed: 0, form: Form::Measured }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !M.contains(&self.m) {
            return Err(Error::Setting(format!("m must be at least 2 and at most 256, not {}", self.m)));
        }
        if !EF_CONSTRUCTION.contains(&self.ef_construction) {
            let given = self.ef_construction;
            return Err(Error::Setting(format!("ef_construction must be at least 1 and at most 65536, not {given}")));
        }
        Ok(())
    }
}

/// What `m` may be.
pub(crate) const M: std::ops::RangeInclusive<usize> = 2..=256;

/// What `ef_construction` may be.
pub(crate) const EF_CONSTRUCTION: std::ops::RangeInclusive<usize> = 1..=65_536;

/// Rows that a graph has at most: a row and a mark share 32 bits.
pub(crate) const MOST_ROWS: usize = (1 << 31) - 1;
