//! Graphs against exact search, their files against damage, and what holds whatever the rows.

mod effort;
mod files;
mod graphs;
mod scans;
mod searches;

use std::sync::atomic::AtomicUsize;

use crossfade_kernels::{Corpus, Metric, Options, Rows};

use crate::image::Part;
use crate::level::mixed;
use crate::{Found, Graph, Search, Settings, Verify, Ways, build, search};

const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];

/// Settings that make a small graph with several layers quickly.
const SMALL: Settings = Settings { m: 8, ef_construction: 60, seed: 1, form: crate::Form::Codes };

/// Where the rows of a test come from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Evenly about the origin.
    Random,
    /// Thirty clouds, far from one another.
    Clustered,
    /// A few vectors, over and over.
    Duplicates,
    /// Zeros, every other one.
    Zeros,
    /// All elements one of two numbers: ties everywhere.
    Ties,
}

const KINDS: [Kind; 5] = [Kind::Random, Kind::Clustered, Kind::Duplicates, Kind::Zeros, Kind::Ties];

/// About evenly from -1 to 1.
fn number(seed: u64, i: u64) -> f32 {
    (mixed(seed ^ mixed(i)) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn vectors(kind: Kind, rows: usize, dimension: usize, seed: u64) -> Vec<f32> {
    let at = |row: usize, d: usize, seed: u64| number(seed, (row * dimension + d) as u64);
    let mut all = Vec::with_capacity(rows * dimension);
    for row in 0..rows {
        for d in 0..dimension {
            all.push(match kind {
                Kind::Clustered => 4.0 * at(mixed(row as u64) as usize % 30, d, 77) + 0.5 * at(row, d, seed),
                Kind::Duplicates => at(row % 7, d, 78),
                Kind::Zeros if row % 2 == 0 => 0.0,
                Kind::Random | Kind::Zeros => at(row, d, seed),
                Kind::Ties => at(row, d, seed).signum(),
            });
        }
    }
    all
}

/// The bytes of a file, at an address that fits.
struct File(Vec<u32>);

impl File {
    fn of(parts: &[Part]) -> Self {
        let mut bytes = Vec::new();
        for part in parts {
            match part {
                Part::Bytes(part) => bytes.extend_from_slice(part),
                Part::Words(words) => bytes.extend(words.iter().flat_map(|word| word.to_le_bytes())),
            }
        }
        Self::from_bytes(&bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        // Whole words, and so a length that may be cut: the tests cut at multiples of 4.
        Self(bytes.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]])).collect())
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }
}

/// Bytes that begin at an address that is a multiple of 4, as those of a mapped file do.
fn placed(bytes: &[u8], work: impl FnOnce(&[u8])) {
    let mut room = vec![0; bytes.len() + 4];
    let start = room.as_ptr().align_offset(4);
    room[start..start + bytes.len()].copy_from_slice(bytes);
    work(&room[start..start + bytes.len()]);
}

/// A graph with its file and rows.
struct Sample {
    graph: Graph,
    file: Vec<u8>,
    start: usize,
    data: Vec<f32>,
    dimension: usize,
}

impl Sample {
    fn new(data: Vec<f32>, dimension: usize, metric: Metric, settings: Settings, threads: usize) -> Self {
        let corpus = Corpus::F32(Rows::new(&data, dimension).unwrap());
        let built = build(corpus, metric, settings, self::threads(threads), &AtomicUsize::new(0)).unwrap();
        let bytes = File::of(&built.parts).bytes();
        let mut file = vec![0; bytes.len() + 4];
        let start = file.as_ptr().align_offset(4);
        file[start..start + bytes.len()].copy_from_slice(&bytes);
        file.truncate(start + bytes.len());
        let graph = Graph::open(&file[start..], Verify::All).unwrap();
        graph.fits(&file[start..], corpus).unwrap();
        Self { graph, file, start, data, dimension }
    }

    fn bytes(&self) -> &[u8] {
        &self.file[self.start..]
    }

    fn corpus(&self) -> Corpus<'_> {
        Corpus::F32(Rows::new(&self.data, self.dimension).unwrap())
    }

    fn search(&self, queries: &[f32], k: usize, ef: usize, ways: Ways, options: Options<'_>) -> Found {
        let queries = Rows::new(queries, self.dimension).unwrap();
        search(&self.graph, self.bytes(), (self.corpus(), queries), Search { k, ef, ways }, options).unwrap()
    }

    /// The k best scores that were found, as a share of those that an exact search finds.
    fn recall(&self, queries: &[f32], found: &Found, options: Options<'_>) -> f64 {
        let metric = self.graph.facts().metric;
        let rows = Rows::new(queries, self.dimension).unwrap();
        let exact = crossfade_kernels::top_k(rows, self.corpus(), found.best.k, metric, options).unwrap();
        assert_eq!(found.best.scores.len(), exact.scores.len());
        let k = exact.k.max(1);
        let mut hits = 0;
        for (found, exact) in found.best.scores.chunks(k).zip(exact.scores.chunks(k)) {
            hits += found.iter().filter(|&score| score >= exact.last().unwrap()).count();
        }
        hits as f64 / exact.scores.len().max(1) as f64
    }
}

fn threads(threads: usize) -> Options<'static> {
    Options { threads, ..Options::default() }
}
