//! The measures by themselves, on data that is coded already and on one thread. `python -m bench` runs it and holds the
//! whole job against the peers.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use crossfade_metrics::{Judgments, Measure, Options, Rows, Run, evaluate};

mod random;
use random::Random;

const QUERIES: usize = 200;
const DEPTH: usize = 100;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    measures(&mut criterion);
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

struct Input {
    judgments: Judgments,
    run: Run,
}

impl Input {
    /// Each query has `DEPTH` results out of 100,000 documents; every tenth of them is judged.
    fn new() -> Self {
        let (mut run, mut judgments) = (Rows::default(), Rows::default());
        let mut random = Random(0);
        for query in 0..QUERIES {
            let query = format!("q{query}");
            run.open(&query);
            judgments.open(&query);
            for rank in 0..DEPTH {
                // Strides of 997 in a hundred thousand: no document comes twice within a query.
                let document = format!("d{}", ((random.unit() * 997.0) as usize + rank * 997) % 100_000);
                run.push(&document, random.unit());
                if rank % 10 == 0 {
                    judgments.push(&document, (random.unit() * 4.0) as i32);
                }
            }
        }
        let sound = "no document comes twice";
        Self { judgments: Judgments::gather(&[judgments], 1).expect(sound), run: Run::gather(&[run], 1).expect(sound) }
    }

    fn evaluate(&self, measures: &[Measure]) -> Vec<f64> {
        let options = Options { threads: 1, ..Options::default() };
        evaluate(&self.judgments, &self.run, measures, options).values
    }
}
