//! The measures and the paired tests by themselves, on data that is coded already and on one thread. `python -m bench`
//! runs it and holds the whole job against the peers.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use crossfade_metrics::{
    Bootstrap, Judgments, Measure, Options, Randomisation, Run, Vocabulary, evaluate, paired_bootstrap,
    paired_randomisation,
};

const QUERIES: usize = 200;
const DEPTH: usize = 100;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    measures(&mut criterion);
    paired_tests(&mut criterion);
    criterion.final_summary();
}

/// Every measure by itself, and five at once; throughput counts queries.
fn measures(criterion: &mut Criterion) {
    let input = Input::new();
    let mut group = criterion.benchmark_group("evaluate");
    group.throughput(Throughput::Elements(QUERIES as u64));
    for names in ["nDCG@10", "AP", "RR", "R@100", "P@10", "nDCG@10 AP RR R@100 P@10"] {
        let wanted: Vec<Measure> = names.split(' ').map(|name| name.parse().expect("a known measure")).collect();
        group.bench_function(names, |bencher| bencher.iter(|| input.evaluate(black_box(&wanted))));
    }
    group.finish();
}

/// Throughput counts the queries drawn or flipped.
fn paired_tests(criterion: &mut Criterion) {
    let mut random = Random(1);
    let (base, candidate): (Vec<f64>, Vec<f64>) = (0..1000).map(|_| (random.unit(), random.unit())).unzip();
    let repeats = 1000;
    let mut group = criterion.benchmark_group("paired");
    group.throughput(Throughput::Elements((repeats * base.len()) as u64));
    group.bench_function("randomisation", |bencher| {
        let settings = Randomisation { permutations: repeats, seed: 1, threads: 1 };
        bencher.iter(|| paired_randomisation(black_box(&base), black_box(&candidate), settings));
    });
    group.bench_function("bootstrap", |bencher| {
        let settings = Bootstrap { resamples: repeats, confidence: 0.95, seed: 1, threads: 1 };
        bencher.iter(|| paired_bootstrap(black_box(&base), black_box(&candidate), settings));
    });
    group.finish();
}

#[derive(Default)]
struct Input {
    queries: Vocabulary,
    documents: Vocabulary,
    judgments: Judgments,
    run: Run,
}

impl Input {
    /// Each query has `DEPTH` results out of 100,000 documents; every tenth of them is judged.
    fn new() -> Self {
        let mut input = Self::default();
        let mut random = Random(0);
        let mut name = String::new();
        for query in 0..QUERIES {
            let query = input.queries.code(&format!("q{query}"));
            input.run.begin(query);
            input.judgments.begin(query);
            for rank in 0..DEPTH {
                name.clear();
                // Strides of 997 in a hundred thousand: no document comes twice within a query.
                let document = (random.below(997) + rank * 997) % 100_000;
                write!(name, "d{document}").expect("a string takes what it is given");
                let document = input.documents.code(&name);
                input.run.push(document, random.unit());
                if rank % 10 == 0 {
                    input.judgments.push(document, random.below(4) as i32);
                }
            }
        }
        input
    }

    fn evaluate(&self, measures: &[Measure]) -> Vec<f64> {
        let options = Options { threads: 1, ..Options::default() };
        evaluate((&self.queries, &self.documents), &self.judgments, &self.run, measures, options)
            .expect("sound input")
            .values
    }
}

/// Knuth's MMIX generator: the same numbers in every run.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.unit() * bound as f64) as usize
    }
}
