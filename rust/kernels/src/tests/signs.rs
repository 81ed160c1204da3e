//! Signs of rows that are all looked at.

use std::slice::from_ref;

use proptest::prelude::*;

use super::{METRICS, config, on_every_backend, threads};
use crate::backend::{BIT_LANES, Backend, SignRows};
use crate::space::{Measured, Nearest, Point, Records, Sketches, Space, Which, record_bytes};
use crate::{Corpus, Metric, Rows};

/// Distances one by one.
fn naive_distances(query: &[u64], rows: &[Vec<u64>]) -> Vec<u64> {
    let differ = |row: &Vec<u64>| row.iter().zip(query).map(|(a, b)| u64::from((a ^ b).count_ones())).sum();
    rows.iter().map(differ).collect()
}

/// Sorted by distance, then by place; the first `most`.
fn naive_nearest(distances: &[u64], most: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..distances.len()).collect();
    places.sort_by_key(|&place| (distances[place], place));
    places.truncate(most);
    places
}

fn side_by_side(rows: &[Vec<u64>], words: usize) -> Vec<u64> {
    let mut all = vec![0; rows.len().next_multiple_of(BIT_LANES) * words];
    for (place, row) in rows.iter().enumerate() {
        for (w, &word) in row.iter().enumerate() {
            all[(place / BIT_LANES * words + w) * BIT_LANES + place % BIT_LANES] = word;
        }
    }
    all
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn what_is_below_is_found_everywhere(
        words in prop::sample::select(vec![1_usize, 3, 4, 6, 7, 8, 12, 16, 24]),
        count in 0_usize..150,
        below in 0_u64..1600,
        seed in any::<u64>(),
    ) {
        let word = |i: usize| seed.wrapping_add(i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let rows: Vec<Vec<u64>> = (0..count).map(|row| (0..words).map(|w| word(row * words + w)).collect()).collect();
        let query: Vec<u64> = (0..words).map(|w| word(w + 1_000_000)).collect();
        let all = side_by_side(&rows, words);
        let padded: Vec<Vec<u64>> =
            rows.iter().cloned().chain(std::iter::repeat(vec![0; words])).take(count.next_multiple_of(8)).collect();
        let distances = naive_distances(&query, &padded);
        let wanted: Vec<u64> =
            (0..padded.len()).filter(|&i| distances[i] < below).map(|i| distances[i] << 32 | (i as u64 + 40)).collect();
        let of = SignRows { query: &query, rows: &all, first: 40, below };
        for (name, found) in on_every_backend!(|backend| {
            let mut found = Vec::new();
            backend.signs_below(of, &mut found);
            found
        }) {
            prop_assert_eq!(&found, &wanted, "{}", name);
        }
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn distances_are_the_same_everywhere(
        words in prop::sample::select(vec![1_usize, 3, 4, 6, 7, 8, 12, 16, 24, 1024]),
        groups in 0_usize..20,
        seed in any::<u64>(),
    ) {
        let word = |i: usize| seed.wrapping_add(i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mut rows: Vec<Vec<u64>> =
            (0..BIT_LANES * groups).map(|row| (0..words).map(|w| word(row * words + w)).collect()).collect();
        let query: Vec<u64> = (0..words).map(|w| word(w + 1_000_000)).collect();
        // The farthest that there is: of 2^16 bits, one more than a number holds.
        rows.iter_mut().take(1).for_each(|row| *row = query.iter().map(|word| !word).collect());
        let all = side_by_side(&rows, words);
        let wanted: Vec<u16> =
            naive_distances(&query, &rows).into_iter().map(|d| d.min(u64::from(u16::MAX)) as u16).collect();
        for (name, found) in on_every_backend!(|backend| {
            let mut found = vec![7; rows.len()];
            backend.sign_distances(&query, &all, &mut found);
            found
        }) {
            prop_assert_eq!(&found, &wanted, "{}", name);
        }
    }

    #[test]
    fn places_at_most_are_found_everywhere(numbers in prop::collection::vec(0_u16..50, 0..200), most in 0_u16..60, behind in any::<bool>()) {
        let numbers: Vec<u16> = numbers.into_iter().map(|x| if x == 49 { u16::MAX } else { x }).collect();
        let wanted: Vec<u32> = (0..numbers.len() as u32).filter(|&place| numbers[place as usize] <= most).collect();
        for (name, found) in on_every_backend!(|backend| {
            let mut found = if behind { vec![7] } else { Vec::new() };
            backend.places_at_most(&numbers, most, &mut found);
            found.drain(usize::from(behind)..).collect::<Vec<u32>>()
        }) {
            prop_assert_eq!(&found, &wanted, "{}", name);
        }
        for (name, found) in on_every_backend!(|backend| backend.count_at_most(&numbers, most)) {
            prop_assert_eq!(found, wanted.len(), "{}", name);
        }
    }

    /// Whatever the runs, and in whatever order, as sorting has it; of so many rows too that a sample is made.
    #[test]
    fn what_was_measured_comes_in_order(
        (rows, topics) in (2_usize..700, 1_usize..20),
        times in prop::sample::select(vec![1_usize, 16]),
        lengths in prop::collection::vec(0_usize..90, 1..40),
        (most, again) in (1_usize..300, any::<bool>()),
        metric in prop::sample::select(&METRICS[..]),
    ) {
        let (rows, dimension) = (rows * times, 200);
        let mut data = vectors(rows, dimension, topics, 0.7, 3);
        data[..dimension].iter_mut().for_each(|x| *x = -*x);
        let made = Made::new(data, dimension, metric);
        let sketches = made.sketches(metric);
        // From the last row to the first, so that places are not rows.
        let chosen: Vec<u32> = (0..rows as u32).rev().collect();
        let signs = sketches.signs(Some(chosen), threads(1)).unwrap();
        // Runs with gaps between them, the last first.
        let (mut runs, mut at) = (Vec::new(), 0);
        for (number, length) in lengths.into_iter().enumerate() {
            let end = rows.min(at + length * times);
            if number % 3 != 1 {
                runs.push(at..end);
            }
            at = end;
        }
        runs.reverse();
        let query = vectors(1, dimension, topics, 0.7, 11);
        let mut point = Point::new(dimension);
        Space::codes(made.records(), metric).set(&mut point, &query);
        sketches.set_signs(&mut point, &query);
        let (mut measured, mut found) = (Measured::default(), Vec::new());
        if again {
            signs.measure(from_ref(&(0..rows)), &point, &mut measured);
            measured.clear();
        }
        let (some, others) = runs.split_at(runs.len() / 2);
        signs.measure(some, &point, &mut measured);
        let since = measured.end();
        signs.measure(others, &point, &mut measured);
        measured.nearest(&signs, most, &mut found);
        let places: Vec<usize> = runs.iter().cloned().flatten().collect();
        let norm = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        let factor = if metric == Metric::L2 { 1.0 } else { f64::from(sketches.norm) / norm };
        let scaled: Vec<f32> = query.iter().map(|&x| (factor * f64::from(x)) as f32).collect();
        let of_query = naive_signs(&scaled, &sketches.centre);
        let differ = |place: usize| {
            let of_row = naive_signs(&made.decoded(rows - 1 - place), &sketches.centre);
            of_row.iter().zip(&of_query).filter(|(a, b)| a != b).count() as u64
        };
        let distances: Vec<u64> = places.iter().map(|&place| differ(place)).collect();
        let wanted: Vec<u32> = naive_nearest(&distances, most)
            .into_iter()
            .map(|place| (rows - 1 - places[place]) as u32)
            .collect();
        prop_assert_eq!(&found, &wanted);
        // Of what was measured last, as far as the nearest of all go: with what is as far as the last of them.
        measured.nearest_since(since, &signs, most, &mut found);
        let mut sorted = distances.clone();
        sorted.sort_unstable();
        let cut = sorted.get(most - 1).copied().unwrap_or(u64::MAX);
        let first: usize = some.iter().map(ExactSizeIterator::len).sum();
        let wanted: Vec<u32> = naive_nearest(&distances[first..], most)
            .into_iter()
            .filter(|&place| distances[first + place] <= cut)
            .map(|place| (rows - 1 - places[first + place]) as u32)
            .collect();
        prop_assert_eq!(&found, &wanted);
        // Of all, in the order of places, and with what is as far as the last.
        measured.clear();
        signs.measure(from_ref(&(0..rows)), &point, &mut measured);
        measured.nearest_places(&signs, most, &mut found);
        let distances: Vec<u64> = (0..rows).map(differ).collect();
        let mut sorted = distances.clone();
        sorted.sort_unstable();
        let cut = sorted.get(most - 1).copied().unwrap_or(u64::MAX);
        let wanted: Vec<u32> = (0..rows as u32).filter(|&place| distances[place as usize] <= cut).collect();
        prop_assert_eq!(&found, &wanted);
    }

    /// What is known of rows is known of vectors that are as they are, and of some of them.
    #[test]
    fn signs_of_vectors_and_of_some_places(
        (rows, seed) in (9_usize..60, 0_u64..100),
        places in prop::collection::vec(0_usize..9, 0..30),
    ) {
        let dimension = 200;
        let made = Made::new(vectors(rows, dimension, 5, 0.7, seed), dimension, Metric::L2);
        let sketches = made.sketches(Metric::L2);
        let vectors = (0..rows).map(|row| made.records().vector(row));
        prop_assert!((0..rows).all(|row| made.records().vector(row) == made.decoded(row)));
        let (of_rows, of_vectors) =
            (sketches.signs(None, threads(1)).unwrap(), sketches.signs_of(vectors));
        let places: Vec<u32> = places.into_iter().map(|place| place as u32).collect();
        let some = of_vectors.of_places(&places);
        prop_assert_eq!((of_vectors.len(), some.len()), (rows, places.len()));
        let mut point = Point::new(dimension);
        sketches.set_signs(&mut point, &made.data[..dimension]);
        let distances = |signs: &crate::Signs| -> Vec<(u32, usize)> {
            let (mut measured, mut one) = (Measured::default(), Vec::new());
            (0..signs.len()).map(|place| {
                measured.clear();
                signs.measure(from_ref(&(place..place + 1)), &point, &mut measured);
                measured.nearest(signs, 1, &mut one);
                (one[0], measured.first())
            }).collect()
        };
        let all = distances(&of_rows);
        prop_assert_eq!(&all, &distances(&of_vectors));
        let wanted: Vec<usize> = places.iter().map(|&place| all[place as usize].1).collect();
        let found: Vec<usize> = distances(&some).into_iter().map(|(_, distance)| distance).collect();
        prop_assert_eq!(found, wanted);
    }
}

/// Rows of topics, of which some are equal and all are alike where there is one topic without noise.
fn vectors(rows: usize, dimension: usize, topics: usize, noise: f32, seed: u64) -> Vec<f32> {
    let number = |seed: u64, i: u64| {
        let mixed = (seed ^ i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 32) >> 8 & 0xff_ffff) as f32 / (1 << 23) as f32 - 1.0
    };
    let element = |row: usize, d: usize| {
        let at = |row: usize, seed: u64| number(seed, (row * dimension + d) as u64);
        0.5 * at(0, 5) + at(row % topics, 7) + noise * at(row, seed)
    };
    (0..rows).flat_map(|row| (0..dimension).map(move |d| element(row, d))).collect()
}

/// Each sign by its definition, of what the codes stand for.
fn naive_signs(vector: &[f32], centre: &[f32]) -> Vec<bool> {
    vector.iter().zip(centre).map(|(x, c)| x >= c).collect()
}

struct Made {
    bytes: Vec<u8>,
    data: Vec<f32>,
    dimension: usize,
}

impl Made {
    fn new(data: Vec<f32>, dimension: usize, metric: Metric) -> Self {
        let corpus = Corpus::F32(Rows::new(&data, dimension).unwrap());
        let mut bytes = vec![0; corpus.len() * record_bytes(dimension)];
        Records::encode(corpus, metric, &mut bytes, threads(1)).unwrap();
        Self { bytes, data, dimension }
    }

    fn records(&self) -> Records<'_> {
        Records::new(&self.bytes, self.dimension, self.data.len() / self.dimension).unwrap()
    }

    fn sketches(&self, metric: Metric) -> Sketches {
        let near: Vec<Vec<u32>> =
            (0..self.records().len()).map(|row| vec![((row + 1) % self.records().len()) as u32]).collect();
        let near = |row: u32| &*near[row as usize];
        Sketches::of_which(self.records(), metric, near, Which::Signs, threads(1)).unwrap().unwrap()
    }

    fn decoded(&self, row: usize) -> Vec<f32> {
        let record = &self.bytes[row * record_bytes(self.dimension)..][..record_bytes(self.dimension)];
        let scale = f32::from_le_bytes(record[record.len() - 8..][..4].try_into().unwrap());
        record[..self.dimension].iter().map(|&code| scale * f32::from(code.cast_signed())).collect()
    }
}

proptest! {
    #![proptest_config(config(40))]

    /// Whatever the parts, the blocks and the other queries.
    #[test]
    fn a_scan_finds_what_sorting_finds(
        (rows, topics) in (2_usize..1500, 1_usize..20),
        many in any::<bool>(),
        dimension in prop::sample::select(vec![190_usize, 250, 384, 500]),
        metric in prop::sample::select(&METRICS[..]),
        (most, every, parts) in (1_usize..400, 0_usize..6, 1_usize..5),
        noise in prop::sample::select(vec![0.0_f32, 0.7]),
    ) {
        // So many that a sample is made of them.
        let rows = if many { 20 * rows } else { rows };
        // One row at least differs, or there are no sketches.
        let mut data = vectors(rows, dimension, topics, noise, 3);
        data[..dimension].iter_mut().for_each(|x| *x = -*x);
        let made = Made::new(data, dimension, metric);
        let sketches = made.sketches(metric);
        let chosen: Option<Vec<u32>> =
            (every > 0).then(|| (0..rows as u32).filter(|row| row % every as u32 == 0).collect());
        let signs = sketches.signs(chosen.clone(), threads(2)).unwrap();
        let all = chosen.unwrap_or_else(|| (0..rows as u32).collect());
        prop_assert_eq!(signs.len(), all.len());
        let space = Space::codes(made.records(), metric);
        let queries = vectors(3, dimension, topics, 0.7, 11);
        let centre = &sketches.centre;
        let mut points: Vec<Point> = (0..3).map(|_| Point::new(dimension)).collect();
        for (point, query) in points.iter_mut().zip(queries.chunks(dimension)) {
            space.set(point, query);
            sketches.set_signs(point, query);
        }
        let mut begun: Vec<Nearest> = (0..3).map(|_| Nearest::default()).collect();
        points.iter().zip(&mut begun).for_each(|(point, nearest)| signs.begin(point, most, nearest));
        let mut whole: Vec<Nearest> = Vec::new();
        for part in signs.parts(parts) {
            let mut nearest: Vec<Nearest> = begun.iter().map(Nearest::another).collect();
            let mut pairs: Vec<(&Point, &mut Nearest)> = points.iter().zip(&mut nearest).collect();
            signs.scan(part, &mut pairs);
            if whole.is_empty() {
                whole = nearest;
            } else {
                whole.iter_mut().zip(&nearest).for_each(|(whole, part)| whole.absorb(part));
            }
        }
        points.iter().zip(&mut whole).for_each(|(point, nearest)| signs.end(point, nearest));
        for (query, nearest) in queries.chunks(dimension).zip(&mut whole) {
            let norm = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            let factor = if metric == Metric::L2 { 1.0 } else { f64::from(sketches.norm) / norm };
            let scaled: Vec<f32> = query.iter().map(|&x| (factor * f64::from(x)) as f32).collect();
            let of_query = naive_signs(&scaled, centre);
            let distances: Vec<u64> = all.iter().map(|&row| {
                let of_row = naive_signs(&made.decoded(row as usize), centre);
                of_row.iter().zip(&of_query).filter(|(a, b)| a != b).count() as u64
            }).collect();
            let wanted: Vec<u32> =
                naive_nearest(&distances, most).into_iter().map(|place| all[place]).collect();
            let mut found = Vec::new();
            nearest.rows(&signs, &mut found);
            prop_assert_eq!(found, wanted);
        }
    }
}

#[test]
fn of_no_rows_nothing_is_found() {
    let made = Made::new(vectors(20, 384, 4, 0.7, 3), 384, Metric::L2);
    let sketches = made.sketches(Metric::L2);
    let signs = sketches.signs(Some(Vec::new()), threads(1)).unwrap();
    assert!(signs.is_empty() && signs.parts(3).is_empty());
    let mut point = Point::new(384);
    let (mut nearest, mut found) = (Nearest::default(), vec![7]);
    sketches.set_signs(&mut point, &made.data[..384]);
    signs.begin(&point, 5, &mut nearest);
    signs.scan(0..0, &mut [(&point, &mut nearest)]);
    signs.end(&point, &mut nearest);
    nearest.rows(&signs, &mut found);
    assert_eq!(found, []);
}
