//! Random numbers whose stream depends on (seed, index) alone, so that work may be split among threads in any way.

/// `xoshiro256++` 1.0 (Blackman and Vigna 2021), its state filled by `SplitMix64` as its authors advise.
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    /// Stream `index` of `seed`.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        // Two rounds of mixing: streams of neighbouring seeds and indices share nothing.
        let mut mixer = SplitMix64(seed);
        mixer.0 = mixer.next() ^ index;
        Self { state: std::array::from_fn(|_| mixer.next()) }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A whole number in 0..n, every one as likely (Lemire 2019: multiply, keep the high half, reject the overhang).
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        let mut wide = u128::from(self.next()) * u128::from(n);
        if (wide as u64) < n {
            let overhang = n.wrapping_neg() % n;
            while (wide as u64) < overhang {
                wide = u128::from(self.next()) * u128::from(n);
            }
        }
        (wide >> 64) as u64
    }
}

/// `SplitMix64` (Steele, Lea and Flood 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() {
        // Reference output of splitmix64.c for the seed 1234567.
        let mut mixer = SplitMix64(1_234_567);
        assert_eq!(mixer.next(), 6_457_827_717_110_365_317);
        assert_eq!(mixer.next(), 3_203_168_211_198_807_973);
        // Reference output of xoshiro256plusplus.c for the state 1, 2, 3, 4.
        let mut random = Random { state: [1, 2, 3, 4] };
        assert_eq!(random.next(), 41_943_041);
        assert_eq!(random.next(), 58_720_359);
        assert_eq!(random.next(), 3_588_806_011_781_223);
    }

    #[test]
    fn below_is_in_range_and_even() {
        let mut random = Random::new(1, 2);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        // Binomial(70,000, 1/7): six standard deviations are 556.
        assert!(counts.iter().all(|&c| c.abs_diff(10_000) < 556), "{counts:?}");
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn streams_differ() {
        let first: std::collections::HashSet<u64> =
            (0..100).flat_map(|seed| (0..100).map(move |index| Random::new(seed, index).next())).collect();
        assert_eq!(first.len(), 10_000);
    }
}
