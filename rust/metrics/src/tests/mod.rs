//! Measures against a naive twin, paired tests against enumeration.

mod evaluation;
mod naive;
mod significance;
