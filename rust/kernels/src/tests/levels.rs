//! Levels along axes: what is written, what it says of products, and what a scan of it finds.

use std::slice::from_ref;

use proptest::prelude::*;

use super::{METRICS, config, on_every_backend, threads};
use crate::backend::{BIT_LANES, Backend, Cut, FEW_STEP, LevelRows, LevelSums, QUARTERS};
use crate::space::{Measured, Nearest, Point, Records, Sketches, Space, Which, record_bytes};
use crate::{Corpus, Metric, Rows};

/// About evenly from -1 to 1, the same for the same numbers.
fn number(seed: u64, i: u64) -> f32 {
    let mixed = (seed ^ i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ mixed >> 32) >> 8 & 0xff_ffff) as f32 / (1 << 23) as f32 - 1.0
}

/// Rows that differ along `directions` of no element each, the less the later they come, and a little along all.
fn vectors(rows: usize, dimension: usize, directions: usize, seed: u64) -> Vec<f32> {
    let axis = |of: usize, d: usize| number(99, (of * dimension + d) as u64);
    let axes: Vec<f32> = (0..directions).flat_map(|of| (0..dimension).map(move |d| axis(of, d))).collect();
    let mut all = Vec::with_capacity(rows * dimension);
    for row in 0..rows {
        let mut vector: Vec<f32> = (0..dimension)
            .map(|d| 0.5 * number(5, d as u64) + 0.02 * number(seed + 1, (row * dimension + d) as u64))
            .collect();
        for (of, axis) in axes.chunks(dimension).enumerate() {
            let place = number(7, (row % rows.div_ceil(50) * 1000 + of) as u64);
            let along = (place + 0.9 * number(seed, (row * 1000 + of) as u64)) / (of as f32 + 1.0).powf(0.7);
            vector.iter_mut().zip(axis).for_each(|(x, &axis)| *x += along * axis);
        }
        all.extend(vector);
    }
    all
}

struct Made {
    bytes: Vec<u8>,
    dimension: usize,
    rows: usize,
}

impl Made {
    fn new(data: &[f32], dimension: usize, metric: Metric) -> Self {
        let corpus = Corpus::F32(Rows::new(data, dimension).unwrap());
        let mut bytes = vec![0; corpus.len() * record_bytes(dimension)];
        Records::encode(corpus, metric, &mut bytes, threads(1)).unwrap();
        Self { bytes, dimension, rows: corpus.len() }
    }

    fn records(&self) -> Records<'_> {
        Records::new(&self.bytes, self.dimension, self.rows).unwrap()
    }

    /// Of levels; None where this processor is not fast with them.
    fn sketches(&self, metric: Metric, which: Which) -> Option<Sketches> {
        let space = Space::codes(self.records(), metric);
        let (all, mut point): (Vec<u32>, _) = ((0..self.rows as u32).collect(), Point::new(self.dimension));
        let mut distances = Vec::new();
        let mut nearest = |row: u32| -> Vec<u32> {
            space.set_row(&mut point, row);
            space.distances(&mut point, &all, &mut distances);
            let mut near: Vec<u32> = all.iter().copied().filter(|&to| to != row).collect();
            near.sort_by(|&a, &b| distances[a as usize].total_cmp(&distances[b as usize]));
            near.truncate(8);
            near
        };
        let near: Vec<Vec<u32>> = (0..self.rows as u32).map(&mut nearest).collect();
        let made = Sketches::of_which(self.records(), metric, |row| &near[row as usize], which, threads(2));
        made.unwrap().filter(|made| which != Which::Levels || made.have_levels())
    }
}

/// The levels of a row's bytes, one after another, by how words are cut up.
fn naive_levels(bytes: &[u8], cut: Cut) -> Vec<(usize, u8, usize)> {
    let mut levels = Vec::new();
    for (at, &byte) in bytes.iter().take(cut.words() * 8).enumerate() {
        let count = cut.levels(at / 8);
        let bits = 8 / count;
        levels.extend((0..count).map(|level| (level, (byte >> (level * bits)) & (0xff_u16 >> (8 - bits)) as u8, at)));
    }
    levels
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn sums_and_distances_are_the_same_everywhere(
        (whole, halves, quarters) in prop::sample::select(vec![
            (1_usize, 2_usize, 3_usize), (1, 2, 0), (1, 1, 2), (1, 1, 0), (2, 2, 0), (2, 4, 0), (2, 4, 6), (3, 5, 0), (3, 5, 8),
            (1, 0, 0), (0, 0, 2), (1, 3, 4),
        ]),
        groups in 0_usize..9,
        (offset, shift, farthest) in (-300_000_i32..300_000, 0_u32..12, 0_u16..2000),
        bytes in prop::collection::vec(any::<u8>(), 72 * 128),
        codes in prop::collection::vec(any::<i8>(), 512),
    ) {
        let cut = Cut { whole, halves, quarters };
        let (words, rows) = (cut.words(), groups * BIT_LANES);
        let row = |row: usize| &bytes[row * 128..][..128];
        // The weights by word, each level's eight together, and by byte.
        let stride = (words * 8).next_multiple_of(FEW_STEP);
        let mut by_byte = vec![0_i8; QUARTERS * stride];
        let mut weights = Vec::new();
        let mut next = codes.iter().copied();
        for word in 0..words {
            for level in 0..cut.levels(word) {
                let eight: [i8; 8] = std::array::from_fn(|_| next.next().unwrap());
                by_byte[level * stride + word * 8..][..8].copy_from_slice(&eight);
                weights.push(u64::from_le_bytes(eight.map(i8::cast_unsigned)));
            }
        }
        let sum = |row: &[u8]| -> i32 {
            let levels = naive_levels(row, cut).into_iter();
            levels.map(|(level, which, at)| i32::from(which) * i32::from(by_byte[level * stride + at])).sum()
        };
        let of_levels: [&[i8]; QUARTERS] = std::array::from_fn(|level| &by_byte[level * stride..][..stride]);
        let four = [row(0), row(1), row(2), row(3)];
        for (name, found) in on_every_backend!(|backend| backend.level_sums(LevelSums { cut, weights: of_levels, rows: four })) {
            prop_assert_eq!(found, four.map(sum), "{}", name);
        }
        let mut all = vec![0_u64; rows * words];
        for place in 0..rows {
            for word in 0..words {
                let eight = row(place)[word * 8..][..8].try_into().unwrap();
                all[(place / BIT_LANES * words + word) * BIT_LANES + place % BIT_LANES] = u64::from_le_bytes(eight);
            }
        }
        let wanted: Vec<u16> = (0..rows)
            .map(|place| ((offset - sum(row(place))).max(0) >> shift).min(i32::from(farthest)) as u16)
            .collect();
        let of = LevelRows { cut, weights: &weights, rows: &all, offset, shift, farthest };
        for (name, found) in on_every_backend!(|backend| {
            let mut found = vec![7; rows];
            backend.level_distances(of, &mut found);
            found
        }) {
            prop_assert_eq!(&found, &wanted, "{}", name);
        }
    }
}

/// Most of what is near stays, and less of what is far than with signs; the distance that a row has at least is mostly less
/// than what it has.
#[test]
fn levels_tell_more_than_signs_where_rows_differ_along_few_directions() {
    let (rows, dimension) = (1500, 384);
    let data = vectors(rows, dimension, 40, 3);
    let queries = vectors(40, dimension, 40, 11);
    for metric in METRICS {
        let made = Made::new(&data, dimension, metric);
        let Some(levels) = made.sketches(metric, Which::Levels) else { return };
        let signs = made.sketches(metric, Which::Signs).unwrap();
        assert!(made.sketches(metric, Which::Better).unwrap().have_levels(), "{metric:?}");
        let nodes: Vec<u32> = (0..rows as u32).collect();
        let mut kept = [0, 0];
        for (of, sketches) in [&levels, &signs].into_iter().enumerate() {
            let space = Space::codes(made.records(), metric).with_sketches(sketches);
            let (mut point, mut distances, mut least) = (Point::new(dimension), Vec::new(), Vec::new());
            let (mut stayed, mut below) = (0, 0);
            for query in queries.chunks(dimension) {
                space.set(&mut point, query);
                space.distances(&mut point, &nodes, &mut distances);
                space.least_distances(&point, &nodes, &mut least);
                let mut near = nodes.clone();
                near.sort_by(|&a, &b| distances[a as usize].total_cmp(&distances[b as usize]));
                let mut some = nodes.clone();
                space.sift(&point, &mut some, |node| node, distances[near[9] as usize]);
                stayed += near[..10].iter().filter(|row| some.contains(row)).count();
                below += near[..50].iter().filter(|&&row| least[row as usize] <= distances[row as usize]).count();
                kept[of] += some.len();
            }
            assert!(stayed >= 370, "{metric:?} {of}: {stayed} of 400");
            assert!(below >= 1500, "{metric:?} {of}: {below} of 2000");
        }
        // Of what should not have been kept.
        assert!(3 * (kept[0] - 400) < kept[1] - 400, "{metric:?}: {kept:?}");
    }
}

/// Rows that differ along all directions alike keep their signs.
#[test]
fn signs_stay_where_levels_tell_no_more() {
    let (rows, dimension) = (2000, 384);
    let data: Vec<f32> = (0..rows * dimension).map(|i| number(3, i as u64)).collect();
    for metric in METRICS {
        assert!(
            !Made::new(&data, dimension, metric).sketches(metric, Which::Better).unwrap().have_levels(),
            "{metric:?}"
        );
    }
}

/// A scan finds those whose distances by codes are least, but for what levels do not tell: of the nearest ten 19 in 20 among
/// the first 60, of an outlying query too; and the same however the rows lie.
#[test]
fn what_is_near_is_among_the_first_by_levels() {
    let (rows, dimension) = (1500, 384);
    let data = vectors(rows, dimension, 40, 3);
    for metric in METRICS {
        let made = Made::new(&data, dimension, metric);
        let Some(sketches) = made.sketches(metric, Which::Levels) else { return };
        assert_eq!(sketches.words(), 3, "{metric:?}");
        let space = Space::codes(made.records(), metric).with_sketches(&sketches);
        let all = sketches.signs(None, threads(1)).unwrap();
        let backwards: Vec<u32> = (0..rows as u32).rev().collect();
        let turned = sketches.signs(Some(backwards), threads(1)).unwrap();
        let nodes: Vec<u32> = (0..rows as u32).collect();
        let (mut point, mut distances) = (Point::new(dimension), Vec::new());
        let (mut measured, mut nearest) = (Measured::default(), Nearest::default());
        let (mut found, mut other, mut hits) = (Vec::new(), Vec::new(), 0);
        for (number, query) in vectors(40, dimension, 40, 11).chunks(dimension).enumerate() {
            let query: Vec<f32> = query.iter().map(|x| x * if number % 8 == 7 { 30.0 } else { 1.0 }).collect();
            space.set(&mut point, &query);
            space.distances(&mut point, &nodes, &mut distances);
            sketches.set_signs(&mut point, &query);
            measured.clear();
            all.measure(from_ref(&(0..rows)), &point, &mut measured);
            measured.nearest(&all, 60, &mut found);
            let mut near = nodes.clone();
            near.sort_by(|&a, &b| distances[a as usize].total_cmp(&distances[b as usize]));
            hits += near[..10].iter().filter(|row| found.contains(row)).count();
            // By the other way of scanning; what is as far as the last of them may be another.
            all.begin(&point, 60, &mut nearest);
            all.scan(0..rows, &mut [(&point, &mut nearest)]);
            all.end(&point, &mut nearest);
            nearest.rows(&all, &mut other);
            assert_eq!(found, other, "{metric:?} {number}");
            measured.clear();
            turned.measure(from_ref(&(0..rows)), &point, &mut measured);
            measured.nearest_places(&turned, 60, &mut other);
            let places: Vec<u32> = other.iter().map(|&place| rows as u32 - 1 - place).collect();
            assert!(found.iter().all(|row| places.contains(row)), "{metric:?} {number}");
        }
        assert!(hits >= 380, "{metric:?}: {hits} of 400");
    }
}

/// Vectors that are no rows have the levels that they would have as rows, and some places those of all.
#[test]
fn levels_of_vectors_are_those_of_rows() {
    let (rows, dimension) = (90, 320);
    for metric in METRICS {
        let made = Made::new(&vectors(rows, dimension, 12, 3), dimension, metric);
        let Some(sketches) = made.sketches(metric, Which::Levels) else { return };
        let of_rows = sketches.signs(None, threads(1)).unwrap();
        let of_vectors = sketches.signs_of((0..rows).map(|row| made.records().vector(row)));
        let some = of_vectors.of_places(&[80, 3, 3, 17]);
        let space = Space::codes(made.records(), metric).with_sketches(&sketches);
        let query = vectors(1, dimension, 12, 8);
        let mut point = Point::new(dimension);
        space.set(&mut point, &query);
        sketches.set_signs(&mut point, &query);
        let distances = |signs: &crate::Signs| -> Vec<usize> {
            let mut measured = Measured::default();
            let one = |place: usize| {
                measured.clear();
                signs.measure(from_ref(&(place..place + 1)), &point, &mut measured);
                measured.first()
            };
            (0..signs.len()).map(one).collect()
        };
        let all = distances(&of_rows);
        assert!(all.iter().any(|distance| *distance != all[0]), "{metric:?}");
        assert_eq!(all, distances(&of_vectors), "{metric:?}");
        assert_eq!(distances(&some), [80, 3, 3, 17].map(|place: usize| all[place]), "{metric:?}");
    }
}

/// Where f32 cannot tell, and where levels would end long before rows do, what is near stays.
#[test]
fn vectors_of_any_size_stay_where_they_are_near() {
    let (rows, dimension) = (800, 384);
    let nodes: Vec<u32> = (0..rows as u32).collect();
    for scale in [1e-30, 1e-3, 100.0, 1e9, 1e30] {
        // Every other row, or one in ten, or all of them.
        for every in [2, 10, 1] {
            let mut data = vectors(rows, dimension, 20, 3);
            data.chunks_mut(dimension).step_by(every).for_each(|row| row.iter_mut().for_each(|x| *x *= scale));
            for metric in METRICS {
                let made = Made::new(&data, dimension, metric);
                let Some(sketches) = made.sketches(metric, Which::Better) else { continue };
                let space = Space::codes(made.records(), metric).with_sketches(&sketches);
                let (mut point, mut distances) = (Point::new(dimension), Vec::new());
                let mut stayed = 0;
                for row in (0..rows as u32).step_by(4) {
                    space.set_row(&mut point, row);
                    // The nearest, which by inner product may be another.
                    space.distances(&mut point, &nodes, &mut distances);
                    let least = |&a: &u32, &b: &u32| distances[a as usize].total_cmp(&distances[b as usize]);
                    let nearest = nodes.iter().copied().min_by(least).unwrap();
                    let mut kept = vec![nearest];
                    space.sift(&point, &mut kept, |node| node, distances[nearest as usize]);
                    stayed += kept.len();
                }
                // As of signs: 93 in 100, but for five standard deviations.
                assert!(stayed >= 168, "{scale} {every} {metric:?}: {stayed} of 200");
            }
        }
    }
}

/// Few rows, rows that are equal, and rows that differ along one direction only: nothing is divided by nothing.
#[test]
fn few_directions_and_few_rows_are_no_trouble() {
    for (rows, directions) in [(3, 1), (40, 0), (40, 1), (500, 2)] {
        let dimension = 384;
        let mut data = vectors(rows, dimension, directions, 3);
        if directions == 1 {
            // Nothing but that one direction.
            for (row, vector) in data.chunks_mut(dimension).enumerate() {
                vector.iter_mut().enumerate().for_each(|(d, x)| *x = number(5, d as u64) * row as f32);
            }
        }
        for metric in METRICS {
            let made = Made::new(&data, dimension, metric);
            let Some(sketches) = made.sketches(metric, Which::Levels) else { continue };
            let space = Space::codes(made.records(), metric).with_sketches(&sketches);
            let (mut point, mut least, mut measured) = (Point::new(dimension), Vec::new(), Measured::default());
            let nodes: Vec<u32> = (0..rows as u32).collect();
            let all = sketches.signs(None, threads(1)).unwrap();
            for query in [vectors(1, dimension, 3, 8), vec![0.0; dimension], data[..dimension].to_vec()] {
                space.set(&mut point, &query);
                space.least_distances(&point, &nodes, &mut least);
                assert!(least.iter().all(|x| !x.is_nan()), "{metric:?} {rows} {directions}");
                sketches.set_signs(&mut point, &query);
                measured.clear();
                all.measure(from_ref(&(0..rows)), &point, &mut measured);
                let mut found = Vec::new();
                measured.nearest(&all, rows, &mut found);
                found.sort_unstable();
                assert_eq!(found, nodes, "{metric:?} {rows} {directions}");
            }
        }
    }
}

/// However long rows are, what levels leave of a row is what they leave: the product with any query is off by no more than that
/// times the query's length, and for most by a part of it.
#[test]
fn what_is_left_is_known_however_long_rows_are() {
    let (rows, dimension) = (800, 384);
    for length in [1e-8, 1.0, 1e4, 1e6, 1e9] {
        for metric in METRICS {
            let mut data = vectors(rows, dimension, 60, 3);
            for (row, vector) in data.chunks_mut(dimension).enumerate() {
                let longer = length * (0.3 * number(17, row as u64)).exp() / 10.0;
                for x in vector {
                    *x *= longer;
                }
            }
            let made = Made::new(&data, dimension, metric);
            let Some(sketches) = made.sketches(metric, Which::Levels) else { return };
            let space = Space::codes(made.records(), metric).with_sketches(&sketches);
            let nodes: Vec<u32> = (0..rows as u32).collect();
            let (mut point, mut distances, mut least) = (Point::new(dimension), Vec::new(), Vec::new());
            let (mut too_far, mut all) = (0, 0);
            for row in (0..rows as u32).step_by(8) {
                space.set_row(&mut point, row);
                space.distances(&mut point, &nodes, &mut distances);
                space.least_distances(&point, &nodes, &mut least);
                let mut near = nodes.clone();
                near.sort_by(|&a, &b| distances[a as usize].total_cmp(&distances[b as usize]));
                // Not itself, of which the product is right by the choice of f.
                let near = &near[1..11];
                all += near.len();
                too_far += near.iter().filter(|&&to| least[to as usize] > distances[to as usize]).count();
            }
            // They are given one error, as large as is usual.
            assert!(too_far * 3 < all, "{metric:?} {length}: {too_far} of {all}");
        }
    }
}

/// Elements that are the same of all rows, and rows that equal others, do not keep levels from what they tell of the rest.
#[test]
fn levels_are_taken_beside_elements_and_rows_that_say_nothing() {
    let (rows, dimension) = (1200, 384);
    for metric in METRICS {
        let mut data = vectors(rows, dimension, 40, 3);
        data.chunks_mut(dimension).for_each(|row| row[..64].fill(0.25));
        let made = Made::new(&data, dimension, metric);
        let Some(levels) = made.sketches(metric, Which::Levels) else { return };
        assert_eq!(levels.words(), 3);
        assert!(made.sketches(metric, Which::Better).unwrap().have_levels(), "{metric:?}");
        // Four in seven rows equal another, and have no neighbours, as in a graph.
        let mut data = vectors(rows, dimension, 40, 3);
        for row in 0..rows {
            if row % 7 < 4 && row / 7 * 7 + 6 < rows {
                let from = row / 7 * 7 + 6;
                data.copy_within(from * dimension..(from + 1) * dimension, row * dimension);
            }
        }
        let made = Made::new(&data, dimension, metric);
        let firsts: Vec<u32> = (0..rows as u32).filter(|row| row % 7 >= 4).collect();
        let space = Space::codes(made.records(), metric);
        let (mut point, mut distances) = (Point::new(dimension), Vec::new());
        let near: Vec<Vec<u32>> = (0..rows as u32)
            .map(|row| {
                if row % 7 < 4 {
                    return Vec::new();
                }
                space.set_row(&mut point, row);
                space.distances(&mut point, &firsts, &mut distances);
                let mut near: Vec<usize> = (0..firsts.len()).filter(|&at| firsts[at] != row).collect();
                near.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
                near[..8].iter().map(|&at| firsts[at]).collect()
            })
            .collect();
        let made = Sketches::new(made.records(), metric, |row| &near[row as usize], threads(1));
        assert!(made.unwrap().unwrap().have_levels(), "{metric:?}");
    }
}

/// As long as a query may be, and as short, it is a direction.
#[test]
fn the_length_of_a_query_moves_nothing_but_for_l2() {
    let (rows, dimension) = (800, 384);
    let data = vectors(rows, dimension, 40, 3);
    for metric in [Metric::InnerProduct, Metric::Cosine] {
        // With a mean, and about without one.
        for mirrored in [false, true] {
            let mut data = data.clone();
            if mirrored {
                data.chunks_mut(dimension).step_by(2).for_each(|row| row.iter_mut().for_each(|x| *x = -*x));
            }
            let made = Made::new(&data, dimension, metric);
            let Some(sketches) = made.sketches(metric, Which::Levels) else { return };
            let space = Space::codes(made.records(), metric).with_sketches(&sketches);
            let all = sketches.signs(None, threads(1)).unwrap();
            let (mut point, mut measured) = (Point::new(dimension), Measured::default());
            let query = vectors(1, dimension, 40, 8);
            let mut found_of = |length: f32| {
                let query: Vec<f32> = query.iter().map(|x| x * length).collect();
                space.set(&mut point, &query);
                sketches.set_signs(&mut point, &query);
                measured.clear();
                all.measure(from_ref(&(0..rows)), &point, &mut measured);
                let mut found = Vec::new();
                measured.nearest(&all, 60, &mut found);
                found
            };
            let wanted = found_of(1.0);
            for length in [1e-25, 1e-10, 1e10, 1e25] {
                let same = found_of(length).iter().filter(|row| wanted.contains(row)).count();
                // What is as far as the last of them may be another.
                assert!(same >= 55, "{metric:?} {mirrored} {length}: {same}");
            }
        }
    }
}
