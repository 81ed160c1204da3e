//! One search, over and over, on one thread or more: something for a profiler to look at.
//!
//! ```text
//! cargo run --release -p crossfade-kernels --example one_case -- f32 384 64 100
//! ```
//!
//! The arguments: type of element (f32, f16, int8, binary), dimension, queries, k; then, if wanted, one in how many rows a
//! mask lets through, and how many threads. `docs/roofline.md` says what was seen.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crossfade_kernels::{
    Corpus, F16, Mask, Metric, Options, Rows, Scaled, TopK, to_binary, to_f16, to_int8, top_k, top_k_binary,
};

const ROWS: usize = 300_000;
const LONG: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\nusage: one_case f32|f16|int8|binary DIMENSION QUERIES K [ONE_IN [THREADS]]");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, Box<dyn Error>> {
    let [element, numbers @ ..] = arguments else { return Err("what is to be searched?".into()) };
    let numbers = numbers.iter().map(|number| number.parse()).collect::<Result<Vec<usize>, _>>()?;
    let (dimension, count, k, one_in, threads) = match numbers[..] {
        [dimension, count, k] => (dimension, count, k, 1, 1),
        [dimension, count, k, one_in] => (dimension, count, k, one_in.max(1), 1),
        [dimension, count, k, one_in, threads] => (dimension, count, k, one_in.max(1), threads),
        _ => return Err("three numbers, four or five".into()),
    };
    let (corpus, queries) = (directions(ROWS * dimension, 1), directions(count * dimension, 2));
    let (corpus, queries) = (Rows::new(&corpus, dimension)?, Rows::new(&queries, dimension)?);
    let bits: Vec<u8> = (0..ROWS.div_ceil(8)).map(|byte| mask_byte(byte, one_in)).collect();
    let mask = if one_in > 1 { Some(Mask::new(&bits, ROWS)?) } else { None };
    let options = Options { threads, mask, ..Options::default() };
    let vectors = |corpus| move || top_k(queries, corpus, k, Metric::InnerProduct, options);
    let size = ROWS * dimension;
    let seconds = match element.as_str() {
        "f32" => timed(vectors(Corpus::F32(corpus)))?,
        "f16" => {
            let mut codes = vec![0; size];
            to_f16(corpus, &mut codes, Options::default())?;
            timed(vectors(Corpus::F16(Rows::new(F16::from_bits(&codes), dimension)?)))?
        }
        "int8" => {
            let (mut codes, mut scales) = (vec![0; size], vec![0.0; ROWS]);
            to_int8(corpus, &mut codes, &mut scales, Options::default())?;
            timed(vectors(Corpus::Int8(Scaled::new(Rows::new(&codes, dimension)?, &scales)?)))?
        }
        "binary" => {
            let bytes = dimension.div_ceil(8);
            let (mut of_corpus, mut of_queries) = (vec![0; ROWS * bytes], vec![0; count * bytes]);
            to_binary(corpus, &mut of_corpus, Options::default())?;
            to_binary(queries, &mut of_queries, Options::default())?;
            let (corpus, queries) = (Rows::new(&of_corpus, bytes)?, Rows::new(&of_queries, bytes)?);
            timed(|| top_k_binary(queries, corpus, k, options))?
        }
        other => return Err(format!("{other} is no type of element").into()),
    };
    let what = format!("{element}, {ROWS} x {dimension}, top {k}, {count} queries, threads: {threads}");
    Ok(format!("{what}: {:.2} ms", seconds * 1e3))
}

/// The median of all calls that fit into the time there is.
fn timed(search: impl Fn() -> Result<TopK, crossfade_kernels::Error>) -> Result<f64, crossfade_kernels::Error> {
    let mut seconds = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < LONG {
        let call = Instant::now();
        search()?;
        seconds.push(call.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

fn mask_byte(byte: usize, one_in: usize) -> u8 {
    (0..8).filter(|bit| (byte * 8 + bit).is_multiple_of(one_in)).map(|bit| 1 << bit).sum()
}

/// Elements of about a normal distribution: sums of four even ones (Knuth's MMIX generator).
fn directions(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut even = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    (0..count).map(|_| even() + even() + even() + even()).collect()
}
