//! The metrics.

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
