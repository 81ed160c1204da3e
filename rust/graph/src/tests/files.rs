//! The file: what comes back, and what is refused.

use crossfade_kernels::{Corpus, Metric, Rows};

use super::{Kind, METRICS, SMALL, Sample, placed, threads, vectors};
use crate::cells::LEAST_ROWS;
use crate::format::{HEADER, Header, checksum};
use crate::{Error, Form, Graph, Plan, Search, Settings, Verify, Ways, search};

fn sample() -> Sample {
    // Equal rows, so that there are twins.
    let mut data = vectors(Kind::Random, 400, 6, 3);
    let first = data[..6].to_vec();
    data[600..606].copy_from_slice(&first);
    Sample::new(data, 6, Metric::Cosine, SMALL, 1)
}

/// Elements of rows that have sketches.
const LONG: usize = 192;

/// So many rows, and so long, that there are cells too: every section holds something.
fn whole() -> Sample {
    let mut data = vectors(Kind::Random, LEAST_ROWS, LONG, 3);
    let (first, others) = data.split_at_mut(LONG);
    others[100 * LONG..][..LONG].copy_from_slice(first);
    Sample::new(data, LONG, Metric::Cosine, SMALL, 2)
}

fn refusal(bytes: &[u8], verify: Verify) -> String {
    let mut message = String::new();
    placed(bytes, |bytes| match Graph::open(bytes, verify) {
        Err(Error::File(reason)) => message = reason,
        other => panic!("{:?}", other.map(|graph| graph.facts())),
    });
    message
}

/// With a header that says that everything is as it should be.
fn with_sums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut header = Header::read(&bytes).unwrap();
    for (at, length, sum) in &mut header.sections {
        *sum = checksum([&bytes[*at..*at + *length]]);
    }
    bytes[..HEADER].copy_from_slice(&header.to_bytes());
    bytes
}

#[test]
fn facts_come_back() {
    for metric in METRICS {
        for form in [Form::Codes, Form::Vectors] {
            let settings = Settings { m: 5, ef_construction: 33, seed: u64::MAX - 3, form };
            let sample = Sample::new(vectors(Kind::Random, 300, 9, 3), 9, metric, settings, 1);
            let facts = sample.graph.facts();
            assert_eq!((facts.rows, facts.dimension, facts.metric, facts.settings), (300, 9, metric, settings));
        }
    }
}

#[test]
fn a_bit_that_flips_anywhere_is_noticed() {
    let sample = whole();
    let bytes = sample.bytes().to_vec();
    let header = Header::read(&bytes).unwrap();
    assert!(header.sections.iter().all(|&(_, length, _)| length > 0));
    let mut places: Vec<usize> = (0..HEADER).collect();
    for (at, length, _) in header.sections {
        places.extend([at, at + length / 2, at + length - 1]);
        places.extend(at + length..(at + length).next_multiple_of(64));
    }
    for place in places {
        for bit in [0, 7] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << bit;
            refusal(&damaged, Verify::All);
        }
    }
}

#[test]
fn a_file_that_is_cut_off_or_longer_or_none_is_refused() {
    let bytes = sample().bytes().to_vec();
    for length in [0, 4, 8, 100, 255, 256, 1000, bytes.len() / 2, bytes.len() - 64, bytes.len() - 1] {
        for verify in [Verify::All, Verify::Header] {
            refusal(&bytes[..length], verify);
        }
    }
    let mut longer = bytes.clone();
    longer.extend([0; 64]);
    assert!(refusal(&longer, Verify::Header).contains("something was appended"));
    assert!(refusal(&[0; 1000], Verify::Header).contains("no crossfade graph"));
    let mut newer = bytes;
    newer[8] = 3;
    assert!(refusal(&newer, Verify::Header).contains("version 3, and this release reads up to 2"));
}

/// The first version had no cells; it is searched by scans of all signs.
#[test]
fn a_file_of_the_first_version_is_read() {
    let sample = whole();
    let header = Header::read(sample.bytes()).unwrap();
    let mut first = sample.bytes()[..header.sections[6].0].to_vec();
    first[8] = 1;
    first[208..232].fill(0);
    let sum = checksum([&first[..HEADER - 8]]);
    first[HEADER - 8..HEADER].copy_from_slice(&sum.to_le_bytes());
    let queries = vectors(Kind::Random, 8, LONG, 9);
    let rows = Rows::new(&queries, LONG).unwrap();
    placed(&first, |file| {
        let graph = Graph::open(file, Verify::All).unwrap();
        for (ways, plan) in [(Ways::Walk, Plan::Walk), (Ways::Cells, Plan::Scan)] {
            let asked = Search { k: 5, ef: 50, ways };
            let found = search(&graph, file, (sample.corpus(), rows), asked, threads(1)).unwrap();
            assert!(found.plans.iter().all(|&made| made == plan));
            let now = sample.search(&queries, 5, 50, if plan == Plan::Scan { Ways::Scan } else { ways }, threads(1));
            assert_eq!(found.best.scores, now.best.scores);
        }
    });
}

#[test]
fn what_checksums_do_not_show_is_checked_too() {
    let bytes = whole().bytes().to_vec();
    let header = Header::read(&bytes).unwrap();
    let rows = LEAST_ROWS as u32;
    let at = |section: usize| header.sections[section].0;
    let last = |section: usize| header.sections[section].0 + header.sections[section].1 - 4;
    let upper = header.facts.upper as u32;
    for (place, number, reason) in [
        (at(0), rows, "a link leads to no row"),
        (last(0), u32::MAX - 1, "a link leads to no row"),
        (at(1), upper, "an upper link leads to no node"),
        (at(2), rows - 1, "its upper rows do not rise"),
        (last(2), rows, "its upper rows do not rise"),
        (at(3), 1, "its upper starts do not rise"),
        (at(3) + 4, 0, "its upper starts do not rise"),
        (last(3), 1 << 20, "its upper starts do not rise"),
        (at(5), 0, "its twins do not rise"),
        (at(5), rows, "its twins do not rise"),
        (at(6), crate::cells::count(LEAST_ROWS) as u32, "a row is in no cell"),
        (at(6) + 4 * (rows as usize - 1), u32::MAX, "a row is in no cell"),
    ] {
        let mut damaged = bytes.clone();
        damaged[place..place + 4].copy_from_slice(&number.to_le_bytes());
        let found = refusal(&with_sums(damaged), Verify::All);
        assert!(found.contains(reason), "{found:?} and not {reason:?}");
    }
}

/// More cells than distances that are counted one by one, none of which has a centre that is its own: with all effort what is
/// found is what an exact search finds.
#[test]
fn many_cells_whose_centres_say_nothing() {
    let (rows, cells) = (6 * LEAST_ROWS, 5 * LEAST_ROWS);
    let sample = Sample::new(vectors(Kind::Clustered, rows, LONG, 3), LONG, Metric::L2, SMALL, 2);
    let mut header = Header::read(sample.bytes()).unwrap();
    let (of_records, (start, ..)) = (header.sections[4].0, header.sections[6]);
    let mut bytes = sample.bytes()[..start].to_vec();
    bytes.extend((0..rows as u32).flat_map(|row| (row * 7 % cells as u32).to_le_bytes()));
    let centres = sample.bytes()[of_records..][..cells * crossfade_kernels::record_bytes(LONG)].to_vec();
    bytes.extend(centres);
    let length = bytes.len() - start;
    bytes.resize(bytes.len().next_multiple_of(64), 0);
    header.set(6, start, length, checksum([&bytes[start..start + length]]));
    bytes[..HEADER].copy_from_slice(&header.to_bytes());
    let queries = vectors(Kind::Clustered, 8, LONG, 9);
    let queries = Rows::new(&queries, LONG).unwrap();
    let half = vec![0x55; rows.div_ceil(8)];
    placed(&bytes, |file| {
        let graph = Graph::open(file, Verify::All).unwrap();
        for mask in [None, Some(crossfade_kernels::Mask::new(&half, rows).unwrap())] {
            let options = crossfade_kernels::Options { mask, ..threads(2) };
            let of = |ef: usize, ways: Ways| {
                search(&graph, file, (sample.corpus(), queries), Search { k: 5, ef, ways }, options).unwrap().best
            };
            let exact = of(1, Ways::Exact);
            for ef in [5, 20, 40, 64, 100, 400, rows] {
                let found = of(ef, Ways::Cells);
                assert_eq!(found.indices.len(), exact.indices.len());
            }
            assert_eq!(of(rows, Ways::Cells), exact);
        }
    });
}

/// A header that fits, and any cell for a row.
#[test]
fn damaged_cells_that_were_not_verified_lead_nowhere() {
    let sample = whole();
    let (start, ..) = Header::read(sample.bytes()).unwrap().sections[6];
    let queries = vectors(Kind::Random, 8, LONG, 9);
    let rows = Rows::new(&queries, LONG).unwrap();
    for number in [0_u32, 1, 1 << 20, u32::MAX] {
        let mut damaged = sample.bytes().to_vec();
        for place in (start..start + 4 * LEAST_ROWS).step_by(12) {
            damaged[place..place + 4].copy_from_slice(&number.to_le_bytes());
        }
        placed(&damaged, |file| {
            let graph = Graph::open(file, Verify::Header).unwrap();
            let asked = Search { k: 5, ef: 20, ways: Ways::Cells };
            let found = search(&graph, file, (sample.corpus(), rows), asked, threads(1)).unwrap();
            assert!(found.best.indices.iter().all(|&row| (0..LEAST_ROWS as i64).contains(&row)));
        });
    }
}

/// A header that fits, and anything in the sections: opened without a look at them, searches give something, or an error.
#[test]
fn a_damaged_file_that_was_not_verified_leads_nowhere() {
    let sample = sample();
    let bytes = sample.bytes().to_vec();
    let header = Header::read(&bytes).unwrap();
    let corpus = Corpus::F32(Rows::new(&sample.data, 6).unwrap());
    let queries = vectors(Kind::Random, 8, 6, 9);
    for number in [0_u32, 1, 7, 399, 400, 447, 448, 1 << 20, u32::MAX - 1, u32::MAX] {
        for section in [0, 1, 5] {
            let mut damaged = bytes.clone();
            let (start, length, _) = header.sections[section];
            for place in (start..start + length).step_by(if number % 2 == 0 { 4 } else { 12 }) {
                damaged[place..place + 4].copy_from_slice(&number.to_le_bytes());
            }
            placed(&damaged, |file| {
                let graph = Graph::open(file, Verify::Header).unwrap();
                let mask = vec![0x55; 50];
                for mask in [None, Some(crossfade_kernels::Mask::new(&mask, 400).unwrap())] {
                    let options = crossfade_kernels::Options { mask, ..threads(1) };
                    let rows = Rows::new(&queries, 6).unwrap();
                    let asked = Search { k: 5, ef: 20, ways: Ways::Walk };
                    let _ = search(&graph, file, (corpus, rows), asked, options);
                }
            });
        }
    }
}

#[test]
fn the_graph_of_other_vectors_is_refused() {
    let sample = sample();
    let refused = |data: &[f32], dimension| {
        let corpus = Corpus::F32(Rows::new(data, dimension).unwrap());
        match sample.graph.fits(sample.bytes(), corpus) {
            Err(Error::Vectors(reason)) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(&sample.data[..600], 6).contains("is that of 400 vectors of dimension 6, and these are 100"));
    assert!(refused(&sample.data, 3).contains("800 of dimension 3"));
    assert!(refused(&vectors(Kind::Random, 400, 6, 4), 6).contains("built for other vectors"));
    // Processors may round codes differently; so little is not another vector.
    let near: Vec<f32> = sample.data.iter().map(|x| x * (1.0 + 1e-6)).collect();
    sample.graph.fits(sample.bytes(), Corpus::F32(Rows::new(&near, 6).unwrap())).unwrap();
}
