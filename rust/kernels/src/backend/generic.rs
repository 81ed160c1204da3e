//! Plain loops that every back end compiles for its own instruction set.
//!
//! They are inlined into a function of the back end, because a target feature reaches only what is inlined into the
//! function that has it; the compiler then turns their lanes into the vectors there are.

#![allow(clippy::inline_always, reason = "see above")]

use super::{
    BIT_LANES, BitSums, Coded, Cut, DOTS, Dots, FEW, FEW_STEP, FewCodes, FewRows, LevelRows, LevelSums, Operation,
    QUARTERS, SignRows, Tile, TileBits, TileI8,
};
use crate::element::{Bf16, F16};

/// Convert elements one by one.
#[inline(always)]
pub(crate) fn decode<T: Copy>(row: &[T], to: &mut [f32], element: impl Fn(T) -> f32) {
    for (to, &from) in to.iter_mut().zip(row) {
        *to = element(from);
    }
}

/// Half precision as f32.
#[inline(always)]
pub(crate) fn from_f16(value: F16) -> f32 {
    // The exponent and mantissa move to their places in an f32; a multiplication by 2^112 mends the exponent's bias and
    // makes normal numbers of subnormal ones. Infinity and NaN have an exponent that the multiplication would make
    // finite: they get all of its bits.
    let bits = u32::from(value.0);
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | special | (bits & 0x8000) << 16)
}

/// bfloat16 as f32.
#[inline(always)]
pub(crate) fn from_bf16(value: Bf16) -> f32 {
    f32::from_bits(u32::from(value.0) << 16)
}

/// Lanes of the sums over a row.
pub(crate) const LANES: usize = 16;

/// Σ x².
#[inline(always)]
pub(crate) fn squares(row: &[f32]) -> f32 {
    let (whole, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for from in whole {
        for l in 0..LANES {
            sums[l] += from[l] * from[l];
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += x * x;
    }
    add(sums)
}

/// Σ x and Σ x².
#[inline(always)]
pub(crate) fn sums_i8(row: &[i8]) -> (i32, i32) {
    let mut sums = (0_i32, 0_i32);
    for &x in row {
        sums.0 += i32::from(x);
        sums.1 += i32::from(x) * i32::from(x);
    }
    sums
}

/// See `Backend::few_f32`. `decode`: sixteen elements as f32; a row that ends within a step is filled up with `zero`.
#[inline(always)]
pub(crate) fn few<E: Copy>(
    rows: FewRows<'_, E>,
    squares: &mut [f32],
    zero: E,
    decode: impl Fn(&[E; LANES]) -> [f32; LANES],
) {
    let FewRows { operation, queries, rows, sums, ahead: _ } = rows;
    let count = rows.len();
    for (r, row) in rows.iter().enumerate() {
        let mut square = [0.0_f32; LANES];
        let mut lanes = [[0.0_f32; LANES]; FEW];
        let (whole, rest) = row.as_chunks::<LANES>();
        let mut last = [zero; LANES];
        last[..rest.len()].copy_from_slice(rest);
        for step in 0..row.len().div_ceil(LANES) {
            let values = decode(whole.get(step).unwrap_or(&last));
            for l in 0..LANES {
                square[l] += values[l] * values[l];
            }
            for (query, lanes) in queries.iter().zip(&mut lanes) {
                let query = &query[step * LANES..][..LANES];
                for l in 0..LANES {
                    lanes[l] += match operation {
                        Operation::Dot => values[l] * query[l],
                        Operation::SquaredDifference => (values[l] - query[l]) * (values[l] - query[l]),
                    };
                }
            }
        }
        squares[r] = add(square);
        for (q, lanes) in lanes.into_iter().enumerate().take(queries.len()) {
            sums[q * count + r] = add(lanes);
        }
    }
    const { assert!(FEW_STEP.is_multiple_of(LANES)) };
}

/// See `Backend::bit_sums`.
pub(crate) fn bit_sums(of: BitSums<'_>) -> [i32; DOTS] {
    of.rows.map(|row| bit_sum(of.point, row))
}

/// The sum of the codes whose bits are set.
pub(crate) fn bit_sum(point: &[i8], row: &[u8]) -> i32 {
    let eights = point.chunks(8).zip(row);
    let of = |(codes, byte): (&[i8], &u8)| -> i32 {
        codes.iter().enumerate().map(|(i, &code)| i32::from(code) * i32::from(byte >> i & 1)).sum()
    };
    eights.map(of).sum()
}

/// See `Backend::dots`.
#[inline(always)]
pub(crate) fn dots(of: Dots<'_>) -> [i32; DOTS] {
    let (points, _) = of.point.as_chunks::<FEW_STEP>();
    let mut dots = [0; DOTS];
    for (row, dot) in of.rows.iter().zip(&mut dots) {
        let (row, _) = row.as_chunks::<FEW_STEP>();
        let mut lanes = [0_i32; LANES];
        for (point, row) in points.iter().zip(row) {
            for i in 0..FEW_STEP {
                lanes[i % LANES] += i32::from(i16::from(point[i]) * i16::from(row[i].cast_signed()));
            }
        }
        *dot = lanes.iter().sum();
    }
    dots
}

/// See `Backend::few_codes`.
#[inline(always)]
pub(crate) fn few_codes(rows: FewCodes<'_>) {
    let FewCodes { queries, rows, sums, squares, ahead: _ } = rows;
    for (r, row) in rows.iter().enumerate() {
        squares[r] = sums_i8(row).1;
        for (q, query) in queries.iter().enumerate() {
            sums[q * rows.len() + r] = row.iter().zip(*query).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum();
        }
    }
}

/// What adding this number leaves of a small one is its nearest whole number, ties to even, in the low bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// The scale of codes of a row with this greatest element; 1 where there are only zeros, or so little that the scale's
/// reciprocal would overflow, or something that is not finite.
#[inline(always)]
pub(crate) fn scale(greatest: f32) -> f32 {
    let scale = greatest / 127.0;
    if scale >= f32::MIN_POSITIVE && scale.is_finite() { scale } else { 1.0 }
}

/// See `Backend::encode_f16`.
#[inline(always)]
pub(crate) fn encode<E: Copy>(row: &[E], scratch: &mut [f32], codes: &mut [i8], element: impl Fn(E) -> f32) -> Coded {
    let filled = row.len().next_multiple_of(FEW_STEP);
    let (scratch, codes) = (&mut scratch[..filled], &mut codes[..filled]);
    decode(row, scratch, element);
    scratch[row.len()..].fill(0.0);
    let square = squares(scratch);
    let mut greatest = [0.0_f32; LANES];
    for from in scratch.as_chunks::<LANES>().0 {
        for l in 0..LANES {
            greatest[l] = greatest[l].max(from[l].abs());
        }
    }
    let scale = scale(greatest.into_iter().fold(0.0, f32::max));
    let inverse = 1.0 / scale;
    let mut errors = [0.0_f32; LANES];
    let mut sums = [0_i32; LANES];
    for (from, to) in scratch.as_chunks::<LANES>().0.iter().zip(codes.as_chunks_mut::<LANES>().0) {
        for l in 0..LANES {
            to[l] = (from[l] * inverse + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32 as i8;
            let error = from[l] - scale * f32::from(to[l]);
            errors[l] += error * error;
            sums[l] += i32::from(to[l]);
        }
    }
    Coded { scale, error: add(errors), square, sum: sums.iter().sum() }
}

#[inline(always)]
pub(crate) fn add(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// See `Backend::tile`: `V` vectors of `L` queries, `R` rows at a time.
#[inline(always)]
pub(crate) fn tile<const L: usize, const V: usize, const R: usize>(
    tile: Tile<'_>,
    add_product: impl Fn(f32, f32, f32) -> f32,
) {
    let Tile { operation, panel, rows, scales, thresholds, hits, ahead: _ } = tile;
    let (steps, _) = panel.as_chunks::<L>();
    let (steps, _) = steps.as_chunks::<V>();
    for first in (0..rows.len()).step_by(R) {
        let last = rows.len() - 1;
        // The last tile repeats the last row where it lacks rows.
        let tile: [&[f32]; R] = std::array::from_fn(|r| &rows[last.min(first + r)][..steps.len()]);
        let mut sums = [[[0.0_f32; L]; V]; R];
        for (d, step) in steps.iter().enumerate() {
            for r in 0..R {
                let x = tile[r][d];
                for v in 0..V {
                    for l in 0..L {
                        let sum = &mut sums[r][v][l];
                        *sum = match operation {
                            Operation::Dot => add_product(x, step[v][l], *sum),
                            Operation::SquaredDifference => add_product(x - step[v][l], x - step[v][l], *sum),
                        };
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate().take(rows.len() - first) {
            let mut word = 0;
            for (q, (&sum, &threshold)) in sums.as_flattened().iter().zip(thresholds).enumerate() {
                word |= u64::from(sum * scales[first + r] > threshold) << q;
            }
            hits[first + r] = word;
        }
    }
}

/// See `Backend::products`.
#[inline(always)]
pub(crate) fn products<const L: usize>(
    panel: &[f32],
    lanes: usize,
    rows: &[&[f32]],
    products: &mut [f32],
    add_product: impl Fn(f32, f32, f32) -> f32,
) {
    /// Rows at a time: so many sums hide the latency of an addition.
    const R: usize = 8;
    for first in (0..rows.len()).step_by(R) {
        let last = rows.len() - 1;
        // The last tile repeats the last row where it lacks rows.
        let tile: [&[f32]; R] = std::array::from_fn(|r| rows[last.min(first + r)]);
        for lane in (0..lanes).step_by(L) {
            let mut sums = [[0.0_f32; L]; R];
            for d in 0..panel.len() / lanes {
                let queries = &panel[d * lanes + lane..][..L];
                for r in 0..R {
                    let x = tile[r][d];
                    for l in 0..L {
                        sums[r][l] = add_product(x, queries[l], sums[r][l]);
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate().take(rows.len() - first) {
                products[(first + r) * lanes + lane..][..L].copy_from_slice(sums);
            }
        }
    }
}

/// See `Backend::tile_i8`, for any number of queries.
#[inline(always)]
pub(crate) fn tile_i8(tile: TileI8<'_>) {
    let TileI8 { panel, rows, biases, scales, thresholds, hits, ahead: _ } = tile;
    let queries = thresholds.len();
    for (i, row) in rows.iter().enumerate() {
        let mut word = 0;
        for (q, &threshold) in thresholds.iter().enumerate() {
            let codes = row.iter().enumerate().map(|(d, &x)| (d / 4 * queries * 4 + q * 4 + d % 4, x));
            let sum: i32 = codes.map(|(place, x)| i32::from(panel[place]) * i32::from(x)).sum();
            word |= u64::from((sum - biases[i]) as f32 * scales[i] > threshold) << q;
        }
        hits[i] = word;
    }
}

/// See `Backend::hamming`.
#[inline(always)]
pub(crate) fn hamming(tile: TileBits<'_>) {
    let TileBits { queries: _, panel, rows, thresholds, hits } = tile;
    let (panel, _) = panel.as_chunks::<BIT_LANES>();
    let groups = thresholds.len() / BIT_LANES;
    let words = panel.len() / groups;
    for (row, hits) in rows.chunks_exact(words).zip(hits) {
        *hits = 0;
        for group in 0..groups {
            let mut distances = [0_u64; BIT_LANES];
            for (w, &word) in row.iter().enumerate() {
                let queries = &panel[w * groups + group];
                for l in 0..BIT_LANES {
                    distances[l] += u64::from((queries[l] ^ word).count_ones());
                }
            }
            for (l, &distance) in distances.iter().enumerate() {
                let below = distance < thresholds[group * BIT_LANES + l];
                *hits |= u64::from(below) << (group * BIT_LANES + l);
            }
        }
    }
}

/// See `Backend::distance`.
#[inline(always)]
pub(crate) fn distance(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// See `Backend::ones`.
#[inline(always)]
pub(crate) fn ones(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<{ size_of::<u64>() }>();
    let of_words = words.iter().map(|word| u64::from_le_bytes(*word).count_ones() as usize).sum::<usize>();
    of_words + rest.iter().map(|byte| byte.count_ones() as usize).sum::<usize>()
}

/// See `Backend::signs_below`.
#[inline(always)]
pub(crate) fn signs_below(of: SignRows<'_>, found: &mut Vec<u64>) {
    let SignRows { query, rows, first, below } = of;
    let (lanes, _) = rows.as_chunks::<BIT_LANES>();
    for (group, words) in lanes.chunks_exact(query.len().max(1)).enumerate() {
        for (l, &distance) in differ(words, query).iter().enumerate() {
            if distance < below {
                found.push(distance << 32 | u64::from(first + (group * BIT_LANES + l) as u32));
            }
        }
    }
}

/// See `Backend::sign_distances`.
#[inline(always)]
pub(crate) fn sign_distances(query: &[u64], rows: &[u64], to: &mut [u16]) {
    let (lanes, _) = rows.as_chunks::<BIT_LANES>();
    for (words, to) in lanes.chunks_exact(query.len().max(1)).zip(to.chunks_exact_mut(BIT_LANES)) {
        for (to, distance) in to.iter_mut().zip(differ(words, query)) {
            *to = u16::try_from(distance).unwrap_or(u16::MAX);
        }
    }
}

/// The bits in which eight rows differ from the query.
#[inline(always)]
fn differ(words: &[[u64; BIT_LANES]], query: &[u64]) -> [u64; BIT_LANES] {
    let mut distances = [0_u64; BIT_LANES];
    for (word, &query) in words.iter().zip(query) {
        for l in 0..BIT_LANES {
            distances[l] += u64::from((word[l] ^ query).count_ones());
        }
    }
    distances
}

/// See `Backend::places_at_most`; `first`: the place of the first number.
#[inline(always)]
pub(crate) fn places_at_most(numbers: &[u16], most: u16, first: u32, places: &mut Vec<u32>) {
    places.extend((first..).zip(numbers).filter(|&(_, &number)| number <= most).map(|(place, _)| place));
}

/// See `Backend::level_distances`.
#[inline(always)]
pub(crate) fn level_distances(of: LevelRows<'_>, to: &mut [u16]) {
    let (lanes, _) = of.rows.as_chunks::<BIT_LANES>();
    for (words, to) in lanes.chunks_exact(of.cut.words().max(1)).zip(to.chunks_exact_mut(BIT_LANES)) {
        let mut sums = [0_i32; BIT_LANES];
        let mut weights = of.weights.iter();
        for (w, rows) in words.iter().enumerate() {
            let bits = u8::BITS as usize / of.cut.levels(w);
            for (level, weights) in weights.by_ref().take(of.cut.levels(w)).enumerate() {
                let weights = weights.to_le_bytes();
                for (sum, row) in sums.iter_mut().zip(rows) {
                    // What comes from the next byte is masked.
                    let levels = (row >> (level * bits)).to_le_bytes();
                    for b in 0..size_of::<u64>() {
                        *sum += i32::from(levels[b] & mask(bits)) * i32::from(weights[b].cast_signed());
                    }
                }
            }
        }
        for (to, sum) in to.iter_mut().zip(sums) {
            *to = ((of.offset - sum).max(0) >> of.shift).min(i32::from(of.farthest)) as u16;
        }
    }
}

/// See `Backend::level_sums`.
#[inline(always)]
pub(crate) fn level_sums(of: LevelSums<'_>) -> [i32; DOTS] {
    of.rows.map(|row| level_sum(of.cut, of.weights, row))
}

/// The sum of levels times weights.
pub(crate) fn level_sum(cut: Cut, weights: [&[i8]; QUARTERS], row: &[u8]) -> i32 {
    let bytes = cut.words() * size_of::<u64>();
    let of = |(at, &byte): (usize, &u8)| -> i32 {
        let levels = cut.levels(at / size_of::<u64>());
        let bits = u8::BITS as usize / levels;
        let each = weights[..levels].iter().enumerate();
        each.map(|(level, weights)| i32::from(byte >> (level * bits) & mask(bits)) * i32::from(weights[at])).sum()
    };
    row[..bytes].iter().enumerate().map(of).sum()
}

/// So many bits that are set.
#[inline(always)]
fn mask(bits: usize) -> u8 {
    u8::MAX >> (u8::BITS as usize - bits)
}

/// See `Backend::count_at_most`. In counts of so few that sixteen bits hold them, as many side by side as there are numbers.
#[inline(always)]
pub(crate) fn count_at_most(numbers: &[u16], most: u16) -> usize {
    let of = |some: &[u16]| usize::from(some.iter().map(|&number| u16::from(number <= most)).sum::<u16>());
    numbers.chunks(1 << 15).map(of).sum()
}
