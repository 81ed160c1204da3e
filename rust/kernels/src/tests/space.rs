//! What a walk compares.

use proptest::prelude::*;

use super::data::{Case, Elements, Kind, cases};
use super::{METRICS, config, on_every_backend, threads};
use crate::backend::{Backend, DOTS, Dots, FEW_STEP};
use crate::space::{Point, Records, Space, record_bytes};
use crate::{Error, Metric};

/// The distance that a space stands for, in f64, and how far codes may be off.
fn exact(q: &[f32], r: &[f32], metric: Metric) -> (f64, f64) {
    let of = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
    let (q, r) = (of(q), of(r));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norm = |x: &[f64]| dot(x, x).sqrt();
    // Each element is within half a scale of its code times the scale, but for the rounding of both.
    let off = |x: &[f64]| {
        let greatest = x.iter().fold(0.0_f64, |greatest, x| greatest.max(x.abs()));
        0.501 * greatest / 127.0 * (x.len() as f64).sqrt()
    };
    let (norms, product) = (norm(&q) * norm(&r), dot(&q, &r));
    // |q r - q' r'| <= |q - q'| |r| + |q'| |r - r'|, and the sums and factors are rounded to f32.
    let products_off = off(&q) * norm(&r) + (norm(&q) + off(&q)) * off(&r) + 1e-5 * (norms + 1e-30);
    match metric {
        Metric::InnerProduct => (-product, products_off),
        Metric::Cosine if norms == 0.0 => (0.0, 0.0),
        Metric::Cosine => (-product / norms, products_off / norms),
        Metric::L2 => {
            let difference: Vec<f64> = q.iter().zip(&r).map(|(q, r)| q - r).collect();
            let squares = dot(&q, &q) + dot(&r, &r);
            // ||a|² - |a'|²| <= (2 |a| + |a - a'|) |a - a'|, for a = q - r.
            let off = off(&q) + off(&r);
            (dot(&difference, &difference), (2.0 * norm(&difference) + off) * off + 1e-5 * (squares + 1e-30))
        }
    }
}

fn is_near(case: &Case, space: &Space<'_>, vectors: &[f32], metric: Metric, rough: bool) -> Result<(), TestCaseError> {
    let rows: Vec<u32> = (0..space.len() as u32).rev().collect();
    let (mut point, mut distances) = (Point::new(case.dimension), Vec::new());
    let row = |row: u32| &vectors[row as usize * case.dimension..][..case.dimension];
    let check = |from: &[f32], distances: &[f32]| {
        for (&to, &distance) in rows.iter().zip(distances) {
            let (wanted, off) = exact(from, row(to), metric);
            // As they lie, queries are of unit length but for L2: the order is the same.
            let of_query = if rough { 1.0 } else { norm(from) };
            let wanted = if metric == Metric::InnerProduct { wanted / of_query } else { wanted };
            // Sums of sixteen lanes, and the roundings of a query that is made a unit vector (Higham 2002, section 3.1).
            let sums = (case.dimension as f64 / 16.0 + 24.0) * 2.0_f64.powi(-24);
            let off = match metric {
                _ if rough => off,
                Metric::InnerProduct => sums * norm(row(to)) + 1e-37,
                Metric::Cosine => sums,
                Metric::L2 => sums * wanted + 1e-37,
            };
            // Where squares pass f32's range a distance is infinite, or far away.
            let most = f64::from(f32::MAX);
            if wanted.abs() + 1e6 * off < 0.1 * most {
                prop_assert!((f64::from(distance) - wanted).abs() <= off, "{metric:?} {distance} {wanted} {off}");
            } else {
                prop_assert!(!distance.is_nan());
            }
        }
        Ok(())
    };
    for query in case.queries.chunks_exact(case.dimension) {
        space.set(&mut point, query);
        space.distances(&mut point, &rows, &mut distances);
        prop_assert_eq!(distances.len(), rows.len());
        check(query, &distances)?;
        for least in distances.iter().take(3) {
            let any = distances.iter().any(|distance| distance < least);
            prop_assert_eq!(space.any_nearer(&mut point, &rows, *least), any);
        }
    }
    for &from in rows.iter().take(3) {
        space.set_row(&mut point, from);
        space.distances(&mut point, &rows, &mut distances);
        check(row(from), &distances)?;
    }
    Ok(())
}

fn norm(x: &[f32]) -> f64 {
    let norm = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if norm == 0.0 { 1.0 } else { norm }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn distances_are_what_they_stand_for(case in cases(&[Kind::Plain, Kind::Whole])) {
        for elements in Elements::all(&case) {
            let (vectors, corpus) = (elements.vectors(case.dimension), elements.corpus(case.dimension));
            for metric in METRICS {
                let mut bytes = vec![0xff; corpus.len() * record_bytes(case.dimension)];
                Records::encode(corpus, metric, &mut bytes, threads(case.threads)).unwrap();
                let records = Records::new(&bytes, case.dimension, corpus.len()).unwrap();
                is_near(&case, &Space::codes(records, metric), &vectors, metric, true)?;
                is_near(&case, &Space::vectors(corpus, metric), &vectors, metric, false)?;
                for row in 0..corpus.len() {
                    prop_assert!(records.fits(corpus, row, metric));
                }
            }
        }
    }

    /// All codes there are, the least among them, on every back end.
    #[test]
    fn dots_are_exact_everywhere(
        dimension in 1_usize..300,
        codes in prop::collection::vec(any::<i8>(), 5 * 300),
        garbage in any::<u8>(),
    ) {
        let length = dimension.next_multiple_of(FEW_STEP);
        let of = |i: usize| &codes[i * 300..][..dimension];
        let mut point = vec![0; length];
        point[..dimension].copy_from_slice(of(0));
        let rows: Vec<Vec<u8>> = (1..=DOTS).map(|i| {
            // What stands behind a row, where the point has zeros, does not matter.
            of(i).iter().map(|code| code.cast_unsigned()).chain(std::iter::repeat_n(garbage, length + 8 - dimension)).collect()
        }).collect();
        let sum = point.iter().map(|&code| i32::from(code)).sum();
        let wanted: Vec<i32> =
            (1..=DOTS).map(|i| of(0).iter().zip(of(i)).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()).collect();
        for (name, found) in on_every_backend!(|backend| {
            let rows = std::array::from_fn(|i| rows[i].as_slice());
            backend.dots(Dots { point: &point, sum, rows, next: [&[]; DOTS] })
        }) {
            prop_assert_eq!(found.to_vec(), wanted.clone(), "{}", name);
        }
    }
}

#[test]
fn vectors_of_any_size_have_codes() {
    for scale in [0.0, 1e-44, 1e-30, 1e-12, 1e12, 1e30, 1e38] {
        let data: Vec<f32> = [1.0, -0.5, 0.25, 0.0, 0.5, 1.0].iter().map(|x| x * scale).collect();
        let corpus = super::floats(&data, 3);
        let mut bytes = vec![0; 2 * record_bytes(3)];
        Records::encode(corpus, Metric::Cosine, &mut bytes, threads(1)).unwrap();
        let space = Space::codes(Records::new(&bytes, 3, 2).unwrap(), Metric::Cosine);
        let (mut point, mut distances) = (Point::new(3), Vec::new());
        space.set(&mut point, &data[..3]);
        space.distances(&mut point, &[0, 1], &mut distances);
        let wanted: f32 = if scale == 0.0 { 0.0 } else { -1.0 };
        // 1e-44 is seven times the least number there is: the elements themselves are rounded.
        assert!((distances[0] - wanted).abs() < 0.01, "{scale} {distances:?}");
        assert!(distances[1].is_finite());
    }
}

#[test]
fn what_cannot_be_encoded_is_refused_by_name() {
    let mut data = vec![1.0; 12];
    (data[10], data[5]) = (f32::NAN, f32::INFINITY);
    let corpus = super::floats(&data, 2);
    let mut bytes = vec![0; 6 * record_bytes(2)];
    assert_eq!(Records::encode(corpus, Metric::L2, &mut bytes, threads(2)), Err(Error::Row(2)));
    assert!(matches!(Records::new(&bytes, 2, 5), Err(Error::Length { .. })));
    assert!(matches!(Records::new(&[], 1 << 17, 0), Err(Error::TooLarge)));
}

/// Of many pairs of like vectors, what rounding does is spread as it is said to be.
#[test]
fn rounding_is_as_large_as_it_is_said_to_be() {
    let (rows, dimension) = (400, 256);
    let element = |row: usize, d: usize| {
        let mixed = ((row * dimension + d) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 32) >> 8 & 0xff_ffff) as f32 / (1 << 23) as f32 - 1.0
    };
    let vectors: Vec<f32> = (0..rows).flat_map(|row| (0..dimension).map(move |d| element(row, d))).collect();
    let corpus = crate::Corpus::F32(crate::Rows::new(&vectors, dimension).unwrap());
    for metric in METRICS {
        let mut bytes = vec![0; rows * record_bytes(dimension)];
        Records::encode(corpus, metric, &mut bytes, threads(1)).unwrap();
        let space = Space::codes(Records::new(&bytes, dimension, rows).unwrap(), metric);
        let (mut point, mut distances) = (Point::new(dimension), Vec::new());
        let (mut squares, mut greatest) = (0.0, 0.0_f64);
        for query in 0..20 {
            let of_query = &vectors[query * dimension..][..dimension];
            space.set(&mut point, of_query);
            let others: Vec<u32> = (20..rows as u32).collect();
            space.distances(&mut point, &others, &mut distances);
            for (&row, &distance) in others.iter().zip(&distances) {
                let (wanted, _) = exact(of_query, &vectors[row as usize * dimension..][..dimension], metric);
                let unit = f64::from(space.rounding(&point, row).unwrap());
                let off = (f64::from(distance) - wanted) / unit;
                squares += off * off;
                greatest = greatest.max(off.abs());
            }
        }
        let deviation = (squares / (20.0 * (rows - 20) as f64)).sqrt();
        // For L2 the square of a row is off too, of these, which are far apart, as much as the product; of near ones both are
        // off by the same.
        let most = if metric == Metric::L2 { 1.7 } else { 1.1 };
        assert!((0.9..most).contains(&deviation) && greatest < 8.0, "{metric:?} {deviation} {greatest}");
    }
    assert_eq!(Space::vectors(corpus, Metric::L2).rounding(&Point::new(dimension), 0), None);
}

/// Rows of int8 may have any scale, where all codes are 0 too.
#[test]
fn nothing_is_nothing_at_any_scale() {
    let (codes, scales) = ([0_i8; 24], [1e30_f32, 2e30, 3e30]);
    let rows = crate::Rows::new(&codes, 8).unwrap();
    let corpus = crate::Corpus::Int8(crate::Scaled::new(rows, &scales).unwrap());
    for metric in METRICS {
        let mut bytes = vec![0; 3 * record_bytes(8)];
        Records::encode(corpus, metric, &mut bytes, threads(1)).unwrap();
        let space = Space::codes(Records::new(&bytes, 8, 3).unwrap(), metric);
        let (mut point, mut distances) = (Point::new(8), Vec::new());
        space.set_row(&mut point, 0);
        space.distances(&mut point, &[0, 1, 2], &mut distances);
        assert_eq!(distances, [0.0; 3], "{metric:?}");
    }
}
