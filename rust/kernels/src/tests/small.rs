//! Smaller forms of vectors, against the obvious way.

use proptest::prelude::*;

use super::data::{Kind, cases};
use super::{rows, threads};
use crate::{Error, to_bf16, to_binary, to_f16, to_int8};

proptest! {
    #![proptest_config(super::config(100))]

    #[test]
    fn like_the_obvious_way(case in cases(&[Kind::Plain, Kind::Whole, Kind::Adverse])) {
        let vectors = rows(&case.corpus, case.dimension);
        let options = threads(case.threads);
        let mut words = vec![0_u16; case.corpus.len()];
        let too_large = case.corpus.iter().position(|x| half::f16::from_f32(*x).is_infinite());
        if let Some(place) = too_large {
            prop_assert_eq!(to_f16(vectors, &mut words, options), Err(Error::HalfRange(place / case.dimension)));
        } else {
                to_f16(vectors, &mut words, options).unwrap();
                let wanted: Vec<u16> = case.corpus.iter().map(|&x| half::f16::from_f32(x).to_bits()).collect();
                prop_assert_eq!(&words, &wanted);
        }
        let too_large = case.corpus.iter().position(|x| half::bf16::from_f32(*x).is_infinite());
        if let Some(place) = too_large {
            prop_assert_eq!(to_bf16(vectors, &mut words, options), Err(Error::BrainRange(place / case.dimension)));
        } else {
                to_bf16(vectors, &mut words, options).unwrap();
                let wanted: Vec<u16> = case.corpus.iter().map(|&x| half::bf16::from_f32(x).to_bits()).collect();
                prop_assert_eq!(&words, &wanted);
        }

        let (mut codes, mut scales) = (vec![0_i8; case.corpus.len()], vec![0.0; vectors.len()]);
        to_int8(vectors, &mut codes, &mut scales, options).unwrap();
        for (i, row) in case.corpus.chunks_exact(case.dimension).enumerate() {
            let scale = f64::from(scales[i]);
            prop_assert!(scale > 0.0);
            for (x, &code) in row.iter().zip(&codes[i * case.dimension..]) {
                // Half a step, and the rounding of the scale itself to the next of the least numbers there are.
                let error = (f64::from(*x) - scale * f64::from(code)).abs();
                prop_assert!(error <= scale * 0.500_1 + 127.0 * 2.0_f64.powi(-149), "{x} {scale} {code}");
                prop_assert!((-127..=127).contains(&code));
            }
        }

        let bytes = case.dimension.div_ceil(8);
        let mut bits = vec![0xff_u8; vectors.len() * bytes];
        to_binary(vectors, &mut bits, options).unwrap();
        for (i, row) in case.corpus.chunks_exact(case.dimension).enumerate() {
            for d in 0..bytes * 8 {
                let bit = bits[i * bytes + d / 8] >> (7 - d % 8) & 1 == 1;
                prop_assert_eq!(bit, row.get(d).is_some_and(|&x| x > 0.0));
            }
        }
    }
}

#[test]
fn what_is_not_finite_is_named() {
    let mut vectors = vec![1.0_f32; 3000 * 100];
    (vectors[150_000], vectors[290_001]) = (f32::NAN, f32::INFINITY);
    let (mut words, mut codes, mut scales) = (vec![0; 300_000], vec![0; 300_000], vec![0.0; 3000]);
    for worker_threads in [1, 2] {
        let (rows, options) = (rows(&vectors, 100), threads(worker_threads));
        assert_eq!(to_f16(rows, &mut words, options), Err(Error::NotFinite(1500)));
        assert_eq!(to_bf16(rows, &mut words, options), Err(Error::NotFinite(1500)));
        assert_eq!(to_int8(rows, &mut codes, &mut scales, options), Err(Error::NotFinite(1500)));
        assert_eq!(to_binary(rows, &mut vec![0; 13 * 3000], options), Err(Error::NotFinite(1500)));
    }
    vectors[..].fill(1.0);
    vectors[7] = 3.4e38;
    assert_eq!(to_bf16(rows(&vectors, 100), &mut words, threads(1)), Err(Error::BrainRange(0)));
}
