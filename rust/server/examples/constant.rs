//! The front end alone: a model that takes no time and gives the same vector for every text.
//!
//! `constant TOKENIZER_JSON [HOST:PORT]` serves it as the model "constant" until it is killed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossfade_server::{
    Call, Executor, Failure, Found, Kind, Lane, Limits, Matrix, Model, Reading, Search, Server, Settings, Setup,
    TextTokenizer, Tokens,
};

const DIMENSION: usize = 384;

struct Constant;

impl Executor for Constant {
    fn infer(&self, _lane: usize, tokens: Tokens) -> Result<Matrix, Failure> {
        Ok(Matrix { values: vec![0.051_031_036; tokens.rows * DIMENSION], dimension: DIMENSION })
    }

    fn search(&self, calls: Vec<Search>) -> Vec<Result<Found, Failure>> {
        calls.iter().map(|_| Err(Failure::new(Kind::NotFound, "there are no collections here"))).collect()
    }

    fn answer(&self, method: &str, _request: Bytes, _call: &Arc<Call>) -> Result<Bytes, Failure> {
        Err(Failure::new(Kind::NotFound, format!("{method} is not answered here")))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let tokenizer = arguments.next().ok_or("say where a tokenizer.json is")?;
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let told = |failure: Failure| failure.message;
    let tokenizer = Arc::new(TextTokenizer::new(&std::fs::read(tokenizer)?, 256).map_err(told)?);
    let reading = Reading { lane: 0, prompt: String::new(), fingerprint: "constant".to_owned() };
    let model = Model {
        name: "constant".to_owned(),
        dimension: DIMENSION,
        normalise: true,
        tokenizer,
        query: reading.clone(),
        document: reading,
        prompts: std::collections::BTreeMap::default(),
    };
    let setup = Setup {
        models: vec![model],
        lanes: vec![Lane { device: 0, batch_tokens: 16_384, padding_cost: 1.0 }],
        runners: vec![1],
        queued_tokens: 1 << 18,
        longest_wait: Duration::from_secs(10),
        cache_bytes: 0,
    };
    let settings = Settings {
        listen,
        limits: Limits {
            texts_per_call: 1024,
            text_bytes: 1 << 20,
            message_bytes: 32 << 20,
            k: 10_000,
            results_per_call: 1_000_000,
            score_vectors: 1_000_000,
        },
        calls: 4096,
        connections: 1024,
        receiving_bytes: 256 << 20,
        front_threads: 1,
        search_threads: 0,
        keepalive: Duration::from_secs(60),
        keepalive_timeout: Duration::from_secs(20),
    };
    let server = Server::start(Arc::new(Constant), setup, &settings).map_err(told)?;
    println!("listening on {}", server.address());
    loop {
        std::thread::park();
    }
}
