//! What a batch costs a model, learnt from the batches it has run.

use std::time::Duration;

/// Time of a batch as a straight line over its load: nanoseconds a batch, and nanoseconds a token.
///
/// Least squares in which each batch counts for 1/32 more than the one before it, so that the line follows a machine
/// that gets busier. Until batches of different sizes have been seen, a batch costs nothing but its tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cost {
    weight: f64,
    tokens: f64,
    time: f64,
    tokens_squared: f64,
    tokens_time: f64,
}

const FADES: f64 = 31.0 / 32.0;

impl Cost {
    /// Learn that a batch of such a load, in tokens, took so long.
    pub(crate) fn learn(&mut self, tokens: usize, took: Duration) {
        let (tokens, time) = (tokens as f64, took.as_nanos() as f64);
        for (sum, value) in [
            (&mut self.weight, 1.0),
            (&mut self.tokens, tokens),
            (&mut self.time, time),
            (&mut self.tokens_squared, tokens * tokens),
            (&mut self.tokens_time, tokens * time),
        ] {
            *sum = *sum * FADES + value;
        }
    }

    /// Whether any batch has been run.
    #[must_use]
    pub(crate) fn known(&self) -> bool {
        self.weight > 0.0
    }

    /// Nanoseconds a batch, whatever its size, and a token.
    fn line(&self) -> (f64, f64) {
        if !self.known() || self.tokens == 0.0 {
            return (0.0, 0.0);
        }
        let variance = self.weight * self.tokens_squared - self.tokens * self.tokens;
        // Sizes that differ by less than a twentieth of their mean say nothing about the slope.
        if variance > (self.tokens * 0.05).powi(2) {
            let slope = (self.weight * self.tokens_time - self.tokens * self.time) / variance;
            let base = (self.time - slope * self.tokens) / self.weight;
            if slope > 0.0 && base > 0.0 {
                return (base, slope);
            }
        }
        (0.0, self.time / self.tokens)
    }

    /// How long a batch of such a load, in tokens, will take; nothing, while nothing is known.
    #[must_use]
    pub(crate) fn batch(&self, tokens: usize) -> Duration {
        let (base, slope) = self.line();
        Duration::from_nanos((base + slope * tokens as f64) as u64)
    }

    /// How long so many tokens will take in batches of `size`; nothing, while nothing is known.
    #[must_use]
    pub(crate) fn queue(&self, tokens: usize, size: usize) -> Duration {
        let (base, slope) = self.line();
        let batches = tokens.div_ceil(size.max(1));
        Duration::from_nanos((base * batches as f64 + slope * tokens as f64) as u64)
    }

    /// Tokens that cost as much as beginning one more batch does: so much padding is no loss.
    #[must_use]
    pub(crate) fn batch_in_tokens(&self) -> usize {
        let (base, slope) = self.line();
        if slope > 0.0 { (base / slope) as usize } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        let mut cost = Cost::default();
        assert_eq!(cost.batch(1000), Duration::ZERO);
        for tokens in [100, 900, 300, 500, 200, 800] {
            cost.learn(tokens, Duration::from_nanos(2_000 + 30 * tokens as u64));
        }
        let ns = cost.batch(1000).as_nanos();
        assert!((31_990..=32_010).contains(&ns), "{ns}");
        assert!((65..=67).contains(&cost.batch_in_tokens()), "{}", cost.batch_in_tokens());
        let ns = cost.queue(1000, 300).as_nanos();
        assert!((37_980..=38_020).contains(&ns), "{ns}");
    }

    #[test]
    fn batches_of_one_size_cost_their_tokens_alone() {
        let mut cost = Cost::default();
        for _ in 0..10 {
            cost.learn(512, Duration::from_micros(512));
        }
        assert_eq!(cost.batch_in_tokens(), 0);
        assert!((1023..=1024).contains(&cost.batch(1024).as_micros()));
    }

    #[test]
    fn what_was_long_ago_fades() {
        let mut cost = Cost::default();
        for _ in 0..100 {
            cost.learn(100, Duration::from_micros(100));
        }
        for _ in 0..200 {
            cost.learn(100, Duration::from_micros(300));
        }
        assert!((290..=300).contains(&cost.batch(100).as_micros()));
    }
}
