//! The metrics, and the pairs of vectors that a tile cannot score.

use crate::backend::Operation;
use crate::panel::Facts;

/// How two vectors are compared; higher is better in each.
///
/// A score beyond f32's range is given as the greatest finite f32 of its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The inner product.
    InnerProduct,
    /// The cosine of the angle between them, within -1 and 1; 0 with a zero vector.
    Cosine,
    /// The squared Euclidean distance, negated.
    L2,
}

/// Elements up to this size are tame: 2^24 squares of their sums or differences stay below 2^127.
const TAME: f32 = (1_u64 << 50) as f32;

impl Metric {
    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::InnerProduct | Self::Cosine => Operation::Dot,
            Self::L2 => Operation::SquaredDifference,
        }
    }

    /// What a tile's sum is multiplied by to be the score.
    pub(crate) fn scale(self, row: Facts) -> f32 {
        match self {
            Self::InnerProduct => 1.0,
            Self::L2 => -1.0,
            Self::Cosine if row.norm == 0.0 => 0.0,
            // The score of a wild row is given whole.
            Self::Cosine if self.is_wild(row) => 1.0,
            Self::Cosine => (1.0 / row.norm) as f32,
        }
    }

    /// Whether a tile's f32 sums could overflow with this vector, or, for the cosine, lose it to underflow. All pairs
    /// with such a vector are scored by `exact`.
    pub(crate) fn is_wild(self, vector: Facts) -> bool {
        let greatest = vector.greatest();
        greatest > TAME || (self == Self::Cosine && greatest != 0.0 && greatest < 1.0 / TAME)
    }

    /// The score of one pair, summed in f64, where no sum or product of finite f32 leaves the range. `row_norm` is the
    /// row's norm; for the cosine, `query` has unit length already.
    pub(crate) fn exact(self, query: &[f32], row: &[f32], row_norm: f64) -> f32 {
        let pairs = query.iter().zip(row).map(|(&q, &r)| (f64::from(q), f64::from(r)));
        let score = match self {
            Self::InnerProduct => pairs.map(|(q, r)| q * r).sum(),
            Self::L2 => -pairs.map(|(q, r)| (q - r) * (q - r)).sum::<f64>(),
            Self::Cosine if row_norm == 0.0 => 0.0,
            Self::Cosine => pairs.map(|(q, r)| q * r).sum::<f64>() / row_norm,
        };
        self.bounded(score.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) as f32)
    }

    /// Rounding may carry a cosine past 1.
    pub(crate) fn bounded(self, score: f32) -> f32 {
        if self == Self::Cosine { score.clamp(-1.0, 1.0) } else { score }
    }
}
