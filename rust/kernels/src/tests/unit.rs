//! Functions of the back ends that a search alone could not show wrong: their errors would only cost time, or be hidden
//! by a bound.

use proptest::prelude::*;

use super::on_every_backend;
use crate::backend::{Ahead, Backend, Coded, FEW, FEW_STEP, FewCodes, generic};
use crate::element::{Bf16, F16};

fn rows() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(prop_oneof![-1.0_f32..1.0, Just(0.0), -1e-30_f32..1e-30, -1e15_f32..1e15], 1..200)
}

proptest! {
    #![proptest_config(super::config(300))]

    #[test]
    fn codes_are_near(row in rows()) {
        let as_brain: Vec<u16> = row.iter().map(|x| (x.to_bits() >> 16) as u16).collect();
        let as_half: Vec<u16> = row.iter().map(|&x| half::f16::from_f32(x).to_bits()).collect();
        let halves: Vec<f32> = as_half.iter().map(|&x| half::f16::from_bits(x).to_f32()).collect();
        let brains: Vec<f32> = as_brain.iter().map(|&x| half::bf16::from_bits(x).to_f32()).collect();
        let filled = row.len().next_multiple_of(FEW_STEP);
        let encode = |encode: &dyn Fn(&mut [f32], &mut [i8]) -> Coded| {
            let (mut scratch, mut codes) = (vec![f32::NAN; filled], vec![77; filled]);
            (encode(&mut scratch, &mut codes), codes)
        };
        let of_row = on_every_backend!(|backend| {
            encode(&|scratch, codes| backend.encode_f32(&row, scratch, codes))
        });
        let of_halves = on_every_backend!(|backend| {
            encode(&|scratch, codes| backend.encode_f16(F16::from_bits(&as_half), scratch, codes))
        });
        let of_brains = on_every_backend!(|backend| {
            encode(&|scratch, codes| backend.encode_bf16(Bf16::from_bits(&as_brain), scratch, codes))
        });
        let everywhere = [(&row, of_row), (&halves, of_halves), (&brains, of_brains)].into_iter();
        for (row, (name, (coded, codes))) in everywhere.flat_map(|(row, all)| all.into_iter().map(move |one| (row, one))) {
            prop_assert_eq!(coded.sum, codes.iter().map(|&code| i32::from(code)).sum::<i32>(), "{}", name);
            prop_assert!(codes[row.len()..].iter().all(|&code| code == 0), "{name}");
            let error = |(x, code): (&f32, &i8)| f64::from(*x) - f64::from(coded.scale) * f64::from(*code);
            let square: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            if !(crate::bound::LEAST_SQUARE..=crate::bound::MOST_SQUARE).contains(&(square as f32)) {
                // Such a row is scored without a scan.
                continue;
            }
            let norm = square.sqrt();
            let error = row.iter().zip(&codes).map(error).map(|x| x * x).sum::<f64>().sqrt();
            let above = f64::from(crate::bound::error_above(coded.error.sqrt(), norm as f32, row.len()));
            prop_assert!(error <= above, "{name} {error} {above}");
            // No more than half a step for each element.
            prop_assert!(above <= 0.51 * f64::from(coded.scale) * (row.len() as f64).sqrt() + 1e-6 * norm, "{name}");
            prop_assert!(codes.iter().all(|&code| code >= -127), "{name}");
        }
    }

    #[test]
    fn sums_are_sums(codes in prop::collection::vec(prop_oneof![any::<i8>(), Just(-128)], 0..300)) {
        let sum: i32 = codes.iter().map(|&x| i32::from(x)).sum();
        let squares: i32 = codes.iter().map(|&x| i32::from(x) * i32::from(x)).sum();
        for (name, found) in on_every_backend!(|backend| backend.sums_i8(&codes)) {
            prop_assert_eq!(found, (sum, squares), "{}", name);
        }
    }

    #[test]
    fn squares_are_squares(row in rows()) {
        let exact: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        for (name, found) in on_every_backend!(|backend| backend.squares(&row)) {
            let bound = exact * crate::bound::gamma(row.len()) + row.len() as f64 * 2.0_f64.powi(-149);
            prop_assert!((f64::from(found) - exact).abs() <= bound, "{name} {found} {exact}");
        }
    }
}

proptest! {
    #![proptest_config(super::config(200))]

    #[test]
    fn a_few_codes_are_multiplied_as_they_are(
        (dimension, count, number) in (1..=200_usize, 0..=20_usize, 1..=FEW),
        seed in prop::collection::vec(prop_oneof![any::<i8>(), Just(-128), Just(127)], 25 * 256),
    ) {
        let rows: Vec<&[i8]> = (0..count).map(|row| &seed[row * dimension..][..dimension]).collect();
        check_few_codes(&rows, number, |query, d| seed[seed.len() - 1 - query * dimension - d].max(-127));
    }
}

/// Against plain Rust.
fn check_few_codes(rows: &[&[i8]], number: usize, code: impl Fn(usize, usize) -> i8) {
    let dimension = rows.first().map_or(1, |row| row.len());
    let filled = dimension.next_multiple_of(FEW_STEP);
    let queries: Vec<Vec<i8>> = (0..number)
        .map(|query| (0..filled).map(|d| if d < dimension { code(query, d) } else { 0 }).collect())
        .collect();
    let queries: Vec<&[i8]> = queries.iter().map(Vec::as_slice).collect();
    let run = |few_codes: &dyn Fn(FewCodes<'_>)| {
        let (mut sums, mut squares) = (vec![7; number * rows.len()], vec![7; rows.len()]);
        let ahead = Ahead::new::<i8>(&[], 1, 0, 1);
        few_codes(FewCodes { queries: &queries, rows, sums: &mut sums, squares: &mut squares, ahead });
        (sums, squares)
    };
    let expected = run(&|rows| generic::few_codes(rows));
    for (name, found) in on_every_backend!(|backend| run(&|rows| backend.few_codes(rows))) {
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn the_greatest_codes_of_the_longest_rows_do_not_overflow() {
    let most = 1 << 16;
    for (row, query) in [(-128, 127), (-128, -127), (127, 127), (127, -127)] {
        let row = vec![row; most];
        check_few_codes(&[&row, &row], 2, |_, _| query);
    }
}

#[test]
fn the_least_code_in_the_longest_row_is_squared_too() {
    for (name, found) in on_every_backend!(|backend| backend.sums_i8(&vec![i8::MIN; 1 << 16])) {
        assert_eq!(found, (-(1 << 23), 1 << 30), "{name}");
    }
}

#[test]
fn every_half_and_brain_float_is_decoded() {
    let bits: Vec<u16> = (0..=u16::MAX).collect();
    let decode = |decode: &dyn Fn(&mut [f32])| {
        let mut to = vec![0.0; bits.len()];
        decode(&mut to);
        to
    };
    let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    for (name, found) in on_every_backend!(|backend| decode(&|to| backend.decode_f16(F16::from_bits(&bits), to))) {
        assert!(bits.iter().zip(found).all(|(&x, y)| same(half::f16::from_bits(x).to_f32(), y)), "{name}");
    }
    for (name, found) in on_every_backend!(|backend| decode(&|to| backend.decode_bf16(Bf16::from_bits(&bits), to))) {
        assert!(bits.iter().zip(found).all(|(&x, y)| same(half::bf16::from_bits(x).to_f32(), y)), "{name}");
    }
}
