//! What holds of every graph.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize;

use crossfade_kernels::{Corpus, Error as Fault, Metric, Options, Rows};

use super::{KINDS, Kind, METRICS, SMALL, Sample, threads, vectors};
use crate::layer::NONE;
use crate::{Error, Form, Settings, build};

/// Links within bounds and without a node twice or itself; everything can be reached from where walks begin.
fn check(sample: &Sample, m: usize) {
    let rows = sample.graph.facts().rows;
    let sections = sample.graph.sections(sample.bytes()).unwrap();
    let linked = |list: &[u32], own: u32| {
        let mut links: Vec<u32> = list.iter().copied().filter(|&to| to != NONE).collect();
        assert!(list[links.len()..].iter().all(|&to| to == NONE), "gaps in {list:?}");
        links.sort_unstable();
        let count = links.len();
        links.dedup();
        assert_eq!(links.len(), count, "a link twice in {list:?}");
        assert!(!links.contains(&own), "a link of {own} to itself");
        links
    };
    let mut first: Vec<bool> = vec![true; rows];
    for &next in sections.twins.0.iter().filter(|&&next| next != NONE) {
        first[next as usize] = false;
    }
    for (row, list) in sections.links.chunks(2 * m).enumerate() {
        let links = linked(list, row as u32);
        assert!(first[row] || links.is_empty(), "links of a row that is no node");
        assert!(links.iter().all(|&to| first[to as usize]), "links to a row that is no node");
    }
    for node in 0..sections.upper_rows.len() {
        let levels = sections.upper_starts[node]..sections.upper_starts[node + 1];
        for list in levels {
            linked(&sections.upper_links[list as usize * m..][..m], node as u32);
        }
    }
    let mut seen = vec![false; rows];
    let mut open: Vec<u32> = (rows > 0).then_some(sample.graph.facts().entry).into_iter().collect();
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut seen[node as usize], true) {
            open.extend(sections.links[node as usize * 2 * m..][..2 * m].iter().filter(|&&to| to != NONE));
        }
    }
    let lost = (0..rows).filter(|&row| first[row] && !seen[row]).count();
    assert_eq!(lost, sample.graph.facts().unreachable);
    assert!(lost as f64 <= 0.001 * rows as f64, "{lost} of {rows} rows cannot be reached");
}

#[test]
fn links_are_valid_and_everything_can_be_reached() {
    for kind in KINDS {
        for metric in METRICS {
            for threads in [1, 4] {
                for form in [Form::Codes, Form::Vectors] {
                    let data = vectors(kind, 1500, 20, 3);
                    check(&Sample::new(data, 20, metric, Settings { form, ..SMALL }, threads), SMALL.m);
                }
            }
        }
    }
}

#[test]
fn few_links_and_few_rows_too() {
    for rows in [0, 1, 2, 3, 17, 100] {
        for m in [2, 3, 16] {
            let settings = Settings { m, ef_construction: 1, ..SMALL };
            check(&Sample::new(vectors(Kind::Random, rows, 5, 3), 5, Metric::L2, settings, 2), m);
        }
    }
}

#[test]
fn one_thread_makes_the_same_graph_each_time_and_another_seed_another() {
    let data = vectors(Kind::Clustered, 800, 12, 5);
    let make = |seed| Sample::new(data.clone(), 12, Metric::Cosine, Settings { seed, ..SMALL }, 1).bytes().to_vec();
    assert!(make(4) == make(4));
    assert!(make(4) != make(5));
}

#[test]
fn equal_rows_are_one_node() {
    let sample = Sample::new(vectors(Kind::Duplicates, 1000, 6, 1), 6, Metric::InnerProduct, SMALL, 2);
    let sections = sample.graph.sections(sample.bytes()).unwrap();
    let nodes = sections.links.chunks(2 * SMALL.m).filter(|list| list[0] != NONE).count();
    assert_eq!(nodes, 7);
    assert_eq!(sections.twins.of(3).count(), 1000_usize.div_ceil(7));
}

#[test]
fn codes_are_measured_before_they_are_used() {
    let form = |data: &[f32], dimension| {
        let corpus = Corpus::F32(Rows::new(data, dimension).unwrap());
        let settings = Settings { form: Form::Measured, ..SMALL };
        build(corpus, Metric::L2, settings, threads(2), &AtomicUsize::new(0)).unwrap().form
    };
    assert_eq!(form(&vectors(Kind::Random, 2000, 64, 1), 64), Form::Codes);
    // Far from the origin, codes tell no difference between rows.
    let far: Vec<f32> = vectors(Kind::Random, 2000, 8, 1).iter().map(|x| x + 1000.0).collect();
    assert_eq!(form(&far, 8), Form::Vectors);
}

#[test]
fn what_cannot_be_built_is_refused_by_name() {
    let refused = |settings: Settings, data: &[f32]| {
        let corpus = Corpus::F32(Rows::new(data, 3).unwrap());
        build(corpus, Metric::L2, settings, threads(2), &AtomicUsize::new(0)).err().unwrap()
    };
    let data = vectors(Kind::Random, 5, 3, 1);
    for m in [0, 1, 257] {
        let message = refused(Settings { m, ..SMALL }, &data).to_string();
        assert_eq!(message, format!("m must be at least 2 and at most 256, not {m}"));
    }
    assert!(matches!(refused(Settings { ef_construction: 0, ..SMALL }, &data), Error::Setting(_)));
    for form in [Form::Codes, Form::Vectors, Form::Measured] {
        let mut data = vectors(Kind::Random, 500, 3, 1);
        data[3 * 400] = f32::NAN;
        data[3 * 333 + 2] = f32::INFINITY;
        assert_eq!(refused(Settings { form, ..SMALL }, &data), Error::Kernels(Fault::Row(333)));
    }
}

#[test]
fn a_build_can_be_stopped_and_tells_how_far_it_is() {
    let data = vectors(Kind::Random, 3000, 16, 1);
    let corpus = Corpus::F32(Rows::new(&data, 16).unwrap());
    let (calls, done) = (Cell::new(0), AtomicUsize::new(0));
    let interrupted = || {
        calls.set(calls.get() + 1);
        calls.get() > 60
    };
    let options = Options { threads: 2, interrupted: Some(&interrupted), ..Options::default() };
    let stopped = build(corpus, Metric::L2, SMALL, options, &done).err();
    assert_eq!(stopped, Some(Error::Kernels(Fault::Interrupted)));
    assert!(done.into_inner() < 3000);
    let done = AtomicUsize::new(0);
    build(corpus, Metric::L2, SMALL, threads(2), &done).unwrap();
    assert_eq!(done.into_inner(), 3000);
}
