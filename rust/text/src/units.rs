//! Sums of contributions that do not round, so that neither their order nor how rows are split moves a score.
//!
//! A contribution is rounded once, to a whole number of [`UNIT`]s, and whole numbers are summed. A query has at most
//! 4,096 = 2^12 tokens, an idf is below 32 = 2^5, so that any sum is below 2^17, or 2^52 units: as f64 it is exact.

/// What a score is counted in: 2^-35, about 3e-11.
pub(crate) const UNIT: f64 = 1.0 / (1_u64 << 35) as f64;

/// Numbers from here to twice as much are as far apart as one unit: 2^17 = 2^52 units.
const STEP: f64 = 131_072.0;

/// A contribution below 2^17, to the nearest unit. At least one: a row that has a term is found.
#[inline]
pub(crate) fn units(contribution: f64) -> u64 {
    let contribution = if contribution > UNIT { contribution } else { UNIT };
    // The sum is rounded to a multiple of the unit, ties to even, and what it has above STEP is the count of units.
    (contribution + STEP).to_bits() - STEP.to_bits()
}

/// A sum of units as a score; exact.
pub(crate) fn score(units: u64) -> f64 {
    units as f64 * UNIT
}

#[cfg(test)]
mod tests {
    use super::{STEP, UNIT, score, units};

    #[test]
    fn a_contribution_is_rounded_once() {
        for contribution in [0.0, 1e-12, UNIT, 0.3, 1.0, 7.123_456_789, 30.0 * 4096.0, STEP - UNIT] {
            let error = (score(units(contribution)) - contribution).abs();
            assert!(error <= UNIT / 2.0 || (contribution < UNIT && error <= UNIT), "{contribution}");
        }
        assert_eq!(units(0.0), 1);
        assert_eq!(units(3.0), 3 << 35);
    }
}
