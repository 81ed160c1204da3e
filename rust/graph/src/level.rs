//! Which rows stand in which layer.

/// Layers above the lowest at most. With the least m, 2, one row in 2^31 would stand higher.
pub(crate) const MOST_LEVELS: u8 = 31;

/// The highest layer of a row: floor(-ln(u) / ln(m)) for a u that is drawn evenly from (0, 1] by seed and row alone, so
/// that it depends on no order and no thread (Malkov and Yashunin 2018, algorithm 1).
pub(crate) fn level(seed: u64, row: u32, m: usize) -> u8 {
    let drawn = mixed(seed ^ mixed(u64::from(row).wrapping_add(1)));
    // The upper 53 bits, and one: no zero, and no rounding.
    let u = ((drawn >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    let level = -u.ln() / (m as f64).ln();
    level.min(f64::from(MOST_LEVELS)) as u8
}

/// `SplitMix64` (Steele, Lea and Flood 2014).
pub(crate) fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_in_m_stands_a_layer_higher() {
        for m in [2, 16, 64] {
            let rows = 200_000;
            let mut counts = [0_usize; 3];
            for row in 0..rows {
                for (least, count) in counts.iter_mut().enumerate() {
                    *count += usize::from(level(7, row, m) as usize >= least);
                }
            }
            for (least, &count) in counts.iter().enumerate() {
                let p = (m as f64).powi(-(least as i32));
                let mean = f64::from(rows) * p;
                // Five standard deviations of a binomial count.
                assert!((count as f64 - mean).abs() <= 5.0 * (mean * (1.0 - p)).sqrt(), "{m} {least} {count} {mean}");
            }
        }
    }
}
