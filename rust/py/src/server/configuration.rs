//! The server's settings and models, as Python gives them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossfade_server::{Failure, Lane, Limits, Model, Reading, Settings, Setup, TextTokenizer};
use pyo3::prelude::*;

/// A dictionary with these keys; see `crossfade.serving.configuration`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Configuration {
    listen: String,
    /// What `tokenizer.json` holds, and the token limit.
    tokenizers: Vec<(Vec<u8>, usize)>,
    models: Vec<ModelItem>,
    /// Device, tokens of a batch, and what padding costs.
    lanes: Vec<(usize, usize, f64)>,
    /// By device.
    runners: Vec<usize>,
    queued_tokens: usize,
    longest_wait_seconds: f64,
    cache_bytes: u64,
    limits: LimitsItem,
    calls: usize,
    connections: usize,
    receiving_bytes: usize,
    front_threads: usize,
    search_threads: usize,
    keepalive_seconds: f64,
    keepalive_timeout_seconds: f64,
}

/// Lane, prompt, fingerprint.
type ReadingItem = (usize, String, String);

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct ModelItem {
    name: String,
    dimension: usize,
    normalise: bool,
    tokenizer: usize,
    query: ReadingItem,
    document: ReadingItem,
    /// By name: for queries, for documents.
    prompts: BTreeMap<String, (ReadingItem, ReadingItem)>,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct LimitsItem {
    texts_per_call: usize,
    text_bytes: usize,
    message_bytes: usize,
    k: usize,
    results_per_call: usize,
    score_vectors: usize,
}

fn reading((lane, prompt, fingerprint): ReadingItem) -> Reading {
    Reading { lane, prompt, fingerprint }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

impl Configuration {
    pub(super) fn read(self) -> Result<(Setup, Settings), Failure> {
        let tokenizers = self.tokenizers.iter().map(|(json, max)| TextTokenizer::new(json, *max).map(Arc::new));
        let tokenizers = tokenizers.collect::<Result<Vec<_>, _>>()?;
        let models = self.models.into_iter().map(|model| Model {
            name: model.name,
            dimension: model.dimension,
            normalise: model.normalise,
            tokenizer: Arc::clone(&tokenizers[model.tokenizer]),
            query: reading(model.query),
            document: reading(model.document),
            prompts: model
                .prompts
                .into_iter()
                .map(|(name, (query, document))| (name, [reading(query), reading(document)]))
                .collect(),
        });
        let setup = Setup {
            models: models.collect(),
            lanes: self
                .lanes
                .into_iter()
                .map(|(device, batch_tokens, padding_cost)| Lane { device, batch_tokens, padding_cost })
                .collect(),
            runners: self.runners,
            queued_tokens: self.queued_tokens,
            longest_wait: seconds(self.longest_wait_seconds),
            cache_bytes: self.cache_bytes,
        };
        let limits = Limits {
            texts_per_call: self.limits.texts_per_call,
            text_bytes: self.limits.text_bytes,
            message_bytes: self.limits.message_bytes,
            k: self.limits.k,
            results_per_call: self.limits.results_per_call,
            score_vectors: self.limits.score_vectors,
        };
        let settings = Settings {
            listen: self.listen,
            limits,
            calls: self.calls,
            connections: self.connections,
            receiving_bytes: self.receiving_bytes,
            front_threads: self.front_threads,
            search_threads: self.search_threads,
            keepalive: seconds(self.keepalive_seconds),
            keepalive_timeout: seconds(self.keepalive_timeout_seconds),
        };
        Ok((setup, settings))
    }
}
