//! What sketches rule out.

use proptest::prelude::*;

use super::{METRICS, config, on_every_backend, threads};
use crate::backend::{Backend, BitSums, DOTS, FEW_STEP};
use crate::space::{Point, Records, Sketches, Space, Which, record_bytes};
use crate::{Corpus, Metric, Rows};

/// About evenly from -1 to 1, the same for the same numbers.
fn number(seed: u64, i: u64) -> f32 {
    let mixed = (seed ^ i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ mixed >> 32) >> 8 & 0xff_ffff) as f32 / (1 << 23) as f32 - 1.0
}

/// Rows about as many places as there are hundreds of them, and all of them away from the origin.
fn vectors(rows: usize, dimension: usize, seed: u64) -> Vec<f32> {
    let at = |row: usize, d: usize, seed: u64| number(seed, (row * dimension + d) as u64);
    let element =
        |row: usize, d: usize| 0.5 * at(0, d, 5) + at(row % rows.div_ceil(100), d, 7) + 0.7 * at(row, d, seed);
    (0..rows).flat_map(|row| (0..dimension).map(move |d| element(row, d))).collect()
}

fn records_of(vectors: &[f32], dimension: usize, metric: Metric) -> Vec<u8> {
    let corpus = Corpus::F32(Rows::new(vectors, dimension).unwrap());
    let mut bytes = vec![0; corpus.len() * record_bytes(dimension)];
    Records::encode(corpus, metric, &mut bytes, threads(1)).unwrap();
    bytes
}

/// What a row's codes stand for, and what is added to its distances.
fn decoded(bytes: &[u8], row: usize, dimension: usize) -> (Vec<f64>, f64) {
    let record = &bytes[row * record_bytes(dimension)..][..record_bytes(dimension)];
    let factor = |at: usize| f64::from(f32::from_le_bytes(record[record.len() - at..][..4].try_into().unwrap()));
    (record[..dimension].iter().map(|&code| factor(8) * f64::from(code.cast_signed())).collect(), factor(4))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The formula of `sketches`, in f64.
struct Naive {
    centre: Vec<f64>,
}

/// What the formula says of a product P x: about what it is; f |P'|; f times the most that P' in codes may be off.
struct About {
    product: f64,
    unit: f64,
    off: f64,
}

impl Naive {
    fn about(&self, p: &[f64], x: &[f64]) -> About {
        let k = dot(p, &self.centre) / dot(&self.centre, &self.centre);
        let rest: Vec<f64> = p.iter().zip(&self.centre).map(|(p, c)| p - k * c).collect();
        let y: Vec<f64> = x.iter().zip(&self.centre).map(|(x, c)| x - c).collect();
        let signs: Vec<f64> = y.iter().map(|&y| if y >= 0.0 { 1.0 } else { -1.0 }).collect();
        let f = dot(&y, &y) / y.iter().map(|y| y.abs()).sum::<f64>();
        let greatest = rest.iter().fold(0.0_f64, |greatest, x| greatest.max(x.abs()));
        About {
            product: dot(p, &self.centre) + k * dot(&self.centre, &y) + f * dot(&signs, &rest),
            unit: f * dot(&rest, &rest).sqrt(),
            off: f * rest.len() as f64 * 0.501 * greatest / 127.0,
        }
    }
}

/// As `sketches` has it.
const MARGIN: f64 = 1.5;

/// Neighbours of a row, for a test: those that come next.
fn next_ones(rows: usize) -> Vec<Vec<u32>> {
    (0..rows).map(|row| (1..9).map(|i| ((row + i) % rows) as u32).collect()).collect()
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn bit_sums_are_exact_everywhere(
        dimension in 1_usize..300,
        codes in prop::collection::vec(any::<i8>(), 300),
        bits in prop::collection::vec(any::<u8>(), DOTS * 40),
    ) {
        let length = dimension.next_multiple_of(FEW_STEP);
        let mut point = vec![0; length];
        point[..dimension].copy_from_slice(&codes[..dimension]);
        let row = |i: usize| &bits[i * 40..][..40];
        let rows = [row(0), row(1), row(2), row(3)];
        let wanted = rows.map(|row| {
            let set = (0..dimension).filter(|i| row[i / 8] >> (i % 8) & 1 == 1);
            set.map(|i| i32::from(codes[i])).sum::<i32>()
        });
        for (name, sums) in on_every_backend!(|backend| backend.bit_sums(BitSums { point: &point, rows })) {
            prop_assert_eq!(sums, wanted, "{}", name);
        }
    }
}

/// What goes is farther by the formula, and what stays is not; distances are at least what it has with less given.
#[test]
fn sifts_by_the_formula() {
    for (rows, dimension, metric) in
        [(100, 200, Metric::InnerProduct), (100, 384, Metric::Cosine), (128, 250, Metric::L2), (90, 768, Metric::L2)]
    {
        let data = vectors(rows, dimension, 3);
        let bytes = records_of(&data, dimension, metric);
        let records = Records::new(&bytes, dimension, rows).unwrap();
        let near = next_ones(rows);
        let made =
            Sketches::of_which(records, metric, |row| &near[row as usize], Which::Signs, threads(2)).unwrap().unwrap();
        assert_eq!(made.nbytes(), rows * if dimension > 400 { 128 } else { 64 });
        let space = Space::codes(records, metric).with_sketches(&made);
        if !space.has_sketches() {
            return; // this processor compares codes as fast
        }
        let all: Vec<(Vec<f64>, f64)> = (0..rows).map(|row| decoded(&bytes, row, dimension)).collect();
        let mean = |d: usize| all.iter().map(|(x, _)| x[d]).sum::<f64>() / rows as f64;
        let naive = Naive { centre: (0..dimension).map(mean).collect() };
        let twice = if metric == Metric::L2 { 2.0 } else { 1.0 };
        let point_of = |row: usize| -> Vec<f64> { all[row].0.iter().map(|x| twice * x).collect() };
        let (mut squares, mut worst_off, mut count) = (0.0, 0.0_f64, 0.0);
        for (row, near) in near.iter().enumerate() {
            let p = point_of(row);
            for &to in near {
                let About { product, unit, off } = naive.about(&p, &all[to as usize].0);
                squares += ((dot(&p, &all[to as usize].0) - product) / unit).powi(2);
                (worst_off, count) = (worst_off.max(off / unit), count + 1.0);
            }
        }
        let spread = (squares / count).sqrt();
        let nodes: Vec<u32> = (0..rows as u32).collect();
        let (mut point, mut distances) = (Point::new(dimension), Vec::new());
        let mut gone = 0;
        for row in 0..rows {
            space.set_row(&mut point, row as u32);
            space.distances(&mut point, &nodes, &mut distances);
            let mut sorted = distances.clone();
            sorted.sort_by(f32::total_cmp);
            let mut kept = nodes.clone();
            space.sift(&point, &mut kept, |node| node, sorted[10]);
            gone += rows - kept.len();
            space.least_distances(&point, &nodes, &mut distances);
            let (p, base) = (point_of(row), if metric == Metric::L2 { all[row].1 } else { 0.0 });
            for (to, (x, add)) in all.iter().enumerate() {
                let About { product, unit, off } = naive.about(&p, x);
                let least = base + add - product - MARGIN * spread * unit;
                // Codes of P' are off, in this product and in those that the spread was measured on (a root mean square
                // changes no more than what it is of); the rest is f32's rounding.
                let off = off + MARGIN * worst_off * unit + 1e-5 * (base + add + product.abs());
                let wanted = least + MARGIN / 3.0 * spread * unit;
                assert!((f64::from(distances[to]) - wanted).abs() <= off, "{metric:?} {row} {to}");
                let stays = kept.contains(&(to as u32));
                let distance = f64::from(sorted[10]);
                assert!(if stays { least <= distance + off } else { least >= distance - off }, "{metric:?} {row} {to}");
            }
        }
        assert!(gone > 0, "{metric:?}: nothing went");
    }
}

/// Sketches hand on what a record ends with: distances, and what rounding does to them, are the same without them.
#[test]
fn distances_are_those_of_records_to_the_bit() {
    for (dimension, metric) in [192, 250, 384, 768, 1000].into_iter().flat_map(|d| METRICS.map(|metric| (d, metric))) {
        let rows = 70;
        let data = vectors(rows, dimension, 3);
        let bytes = records_of(&data, dimension, metric);
        let records = Records::new(&bytes, dimension, rows).unwrap();
        let neighbours = next_ones(rows);
        let made =
            Sketches::of_which(records, metric, |row| &neighbours[row as usize], Which::Signs, threads(1)).unwrap();
        let made = made.unwrap_or_else(|| panic!("{dimension}"));
        let (plain, sketched) = (Space::codes(records, metric), Space::codes(records, metric).with_sketches(&made));
        let of: Vec<u32> = (0..rows as u32).rev().step_by(3).collect();
        let found = [plain, sketched].map(|space| {
            let (mut point, mut distances) = (Point::new(dimension), Vec::new());
            space.set(&mut point, &vectors(1, dimension, 8));
            space.distances(&mut point, &of, &mut distances);
            let rounding = of.iter().map(|&row| space.rounding(&point, row).unwrap());
            let steps = of.iter().map(|&row| space.step(row));
            distances.iter().copied().chain(rounding).chain(steps).map(f32::to_bits).collect::<Vec<u32>>()
        });
        assert_eq!(found[0], found[1], "{dimension} {metric:?}");
        // Of one row, and of as many as make no whole four.
        let (mut point, mut one) = (Point::new(dimension), Vec::new());
        sketched.set(&mut point, &vectors(1, dimension, 8));
        for (place, row) in of.iter().enumerate() {
            sketched.distances(&mut point, &[*row], &mut one);
            assert_eq!(one.iter().map(|x| x.to_bits()).collect::<Vec<u32>>(), found[0][place..=place]);
        }
    }
}

/// Of the nearest ten, almost all stay, and of the others most go.
#[test]
fn what_is_near_stays() {
    let (rows, dimension) = (2000, 384);
    let data = vectors(rows, dimension, 3);
    for metric in METRICS {
        let bytes = records_of(&data, dimension, metric);
        let records = Records::new(&bytes, dimension, rows).unwrap();
        let near = next_ones(rows);
        let made =
            Sketches::of_which(records, metric, |row| &near[row as usize], Which::Signs, threads(1)).unwrap().unwrap();
        let space = Space::codes(records, metric).with_sketches(&made);
        if !space.has_sketches() {
            return; // this processor compares codes as fast
        }
        let queries = vectors(50, dimension, 11);
        let nodes: Vec<u32> = (0..rows as u32).collect();
        let (mut point, mut distances) = (Point::new(dimension), Vec::new());
        let (mut stayed, mut kept_of_all) = (0, 0);
        for query in queries.chunks(dimension) {
            space.set(&mut point, query);
            space.distances(&mut point, &nodes, &mut distances);
            let mut by_distance = nodes.clone();
            by_distance.sort_by(|&a, &b| distances[a as usize].total_cmp(&distances[b as usize]));
            let mut kept = nodes.clone();
            space.sift(&point, &mut kept, |node| node, distances[by_distance[9] as usize]);
            stayed += by_distance[..10].iter().filter(|row| kept.contains(row)).count();
            kept_of_all += kept.len();
        }
        // An error of one and a half is passed by 7 in 100 of a normal distribution, and only the tenth has no more room.
        assert!(stayed >= 470, "{metric:?}: {stayed} of 500");
        assert!(kept_of_all < 50 * rows / 2, "{metric:?}: {kept_of_all} of {}", 50 * rows);
    }
}

#[test]
fn without_sketches_every_row_may_be_near() {
    let data = vectors(5, 24, 3);
    let bytes = records_of(&data, 24, Metric::L2);
    let space = Space::codes(Records::new(&bytes, 24, 5).unwrap(), Metric::L2);
    let (mut point, mut least) = (Point::new(24), vec![1.0]);
    space.set(&mut point, &data[..24]);
    space.least_distances(&point, &[0, 3, 4], &mut least);
    assert_eq!(least, [f32::NEG_INFINITY; 3]);
}

#[test]
fn rows_too_short_or_all_equal_have_none() {
    let near = next_ones(50);
    for (data, dimension) in [(vectors(50, 24, 3), 24), (vec![0.5; 50 * 384], 384)] {
        let bytes = records_of(&data, dimension, Metric::L2);
        let records = Records::new(&bytes, dimension, 50).unwrap();
        assert!(Sketches::new(records, Metric::L2, |row| &near[row as usize], threads(1)).unwrap().is_none());
    }
    let none = Records::new(&[], 384, 0).unwrap();
    assert!(Sketches::new(none, Metric::L2, |_| &[], threads(1)).unwrap().is_none());
}

/// Where f32 cannot tell, what is near stays.
#[test]
fn vectors_of_any_size_stay_where_they_are_near() {
    let (rows, dimension) = (60, 384);
    let near = next_ones(rows);
    for scale in [1e-44, 1e-30, 1e-12, 1e9, 1e12, 1e18, 1e30, 1e37] {
        // Every other row, or all of them.
        for every in [2, 1] {
            let mut data = vectors(rows, dimension, 3);
            data.chunks_mut(dimension).step_by(every).for_each(|row| row.iter_mut().for_each(|x| *x *= scale));
            for metric in METRICS {
                let bytes = records_of(&data, dimension, metric);
                let records = Records::new(&bytes, dimension, rows).unwrap();
                let made =
                    Sketches::of_which(records, metric, |row| &near[row as usize], Which::Signs, threads(1)).unwrap();
                let Some(made) = made else { continue };
                let space = Space::codes(records, metric).with_sketches(&made);
                let (mut point, mut distances) = (Point::new(dimension), Vec::new());
                let mut stayed = 0;
                for row in 0..rows as u32 {
                    space.set_row(&mut point, row);
                    space.distances(&mut point, &[row], &mut distances);
                    let mut kept = vec![row];
                    space.sift(&point, &mut kept, |node| node, distances[0]);
                    stayed += kept.len();
                }
                // As many as errors of one and a half, of a normal distribution, leave: 93 in 100, but for five
                // standard deviations of a binomial count of 60.
                assert!(stayed >= 46, "{scale} {every} {metric:?}: {stayed} of {rows}");
            }
        }
    }
}
