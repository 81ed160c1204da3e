//! Bits under the Hamming distance.

use proptest::prelude::*;

use super::{TINY, bits, of, on_every_backend, rows, threads};
use crate::binary::top_k_binary_with;
use crate::drive::Limits;
use crate::{Mask, Options, top_k_binary};

proptest! {
    #![proptest_config(super::config(200))]

    #[test]
    fn equal_to_the_oracle(
        bytes in 1..=140_usize,
        queries in prop_oneof![0..=9_usize, 10..=140_usize],
        count in 0..=120_usize,
        k in 0..=130_usize,
        worker_threads in 1..=3_usize,
        alphabet in prop_oneof![Just(0_u8), Just(1), Just(0xff)],
        (masked, seed) in (any::<bool>(), any::<u64>()),
    ) {
        let mut state = seed;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        let corpus: Vec<u8> = (0..count * bytes).map(|_| byte() & alphabet).collect();
        let query_bytes: Vec<u8> = (0..queries * bytes).map(|_| byte() & alphabet).collect();
        let mask: Vec<u8> = (0..count.div_ceil(8)).map(|_| if masked { byte() } else { 0xff }).collect();
        let may = |row: usize| mask[row / 8] >> (row % 8) & 1 == 1;
        let options = Options { mask: masked.then(|| Mask::new(&mask, count).unwrap()), ..threads(worker_threads) };
        let wanted: Vec<Vec<(f32, usize)>> = query_bytes.chunks_exact(bytes).map(|query| {
            let rows = corpus.chunks_exact(bytes).enumerate().filter(|&(row, _)| may(row));
            let mut all: Vec<(u32, usize)> = rows.map(|(row, x)| {
                (query.iter().zip(x).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>(), row)
            }).collect();
            all.sort_unstable();
            all.into_iter().map(|(distance, row)| (0.0 - distance as f32, row)).collect()
        }).collect();
        let (query_rows, corpus_rows) = (rows(&query_bytes, bytes), rows(&corpus, bytes));
        for limits in [TINY, Limits::default()] {
            let everywhere =
                on_every_backend!(|backend| top_k_binary_with(backend, query_rows, corpus_rows, k, options, limits));
            for (name, found) in everywhere {
                let found = found.unwrap();
                for (q, wanted) in wanted.iter().enumerate() {
                    prop_assert_eq!(bits(&of(&found, q)), bits(&wanted[..found.k]), "{} query {}", name, q);
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let error = top_k_binary(rows(&[0; 4], 4), rows(&[0; 6], 3), 1, Options::default()).unwrap_err();
    assert!(error.to_string().contains("queries have dimension 32 and the corpus 24"), "{error}");
    let options = Options { mask: Some(Mask::new(&[0], 3).unwrap()), ..Options::default() };
    let error = top_k_binary(rows(&[0; 3], 3), rows(&[0; 6], 3), 1, options).unwrap_err();
    assert_eq!(error.to_string(), "expected 2 bits of mask, not 3");
}
