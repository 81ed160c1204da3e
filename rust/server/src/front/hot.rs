//! The calls that never wait for Python one by one: Embed and Score here, Search in `search`.

use std::sync::Arc;
use std::time::Instant;

use crossfade_kernels::{Corpus, Error, Options, Rows, TopK};

use super::framing::{Answer, framed};
use super::{Front, wire};
use crate::engine::{Embedded, Job};
use crate::executor::{Call, Matrix};
use crate::failure::{Failure, Kind};
use crate::proto::crossfade::v1::{
    EmbedRequest, EmbedResponse, LongTexts, Ranking, ScoreRequest, ScoreResponse, StageTimes,
};
use crate::schedule::Priority;
use crate::schema;

/// Tokens that a query vector counts for, when calls are let in.
pub(super) const QUERY_TOKENS: usize = 8;

/// Bytes of vectors to score that count for a token, when calls are let in.
const BYTES_A_TOKEN: usize = 1024;

/// The numbers of the fields that hold what a call has many of.
const EMBED_TEXTS: u64 = 3;
pub(super) const SEARCH_TEXTS: u64 = 3;

impl Front {
    pub(super) async fn embed(
        &self,
        path: &str,
        data: &bytes::Bytes,
        call: &Call,
        received: Instant,
    ) -> Result<Answer, Failure> {
        self.few(data, EMBED_TEXTS, "texts")?;
        let request: EmbedRequest = schema::decode(path, data)?;
        Ok(Answer::Framed(framed(&self.embedded(request, call, received, false).await?)))
    }

    /// The answer to an Embed; `waits`: for room, where a call would be refused.
    pub(super) async fn embedded(
        &self,
        request: EmbedRequest,
        call: &Call,
        received: Instant,
        waits: bool,
    ) -> Result<EmbedResponse, Failure> {
        let input_type = wire::input_type(request.input_type)?;
        let model = self.engine.model(&request.model)?;
        let dimensions = wire::check_dimensions(request.dimensions, model.dimension, &model.name)?;
        self.limits.batch(request.texts.len(), "texts")?;
        self.limits.texts(&request.texts, "text")?;
        let usual = if waits { Priority::Bulk } else { Priority::Interactive };
        let priority = match wire::priority(request.priority, request.texts.len())? {
            Priority::Interactive if request.priority == 0 => usual,
            priority => priority,
        };
        let refuse_long = match LongTexts::try_from(request.long_texts) {
            Ok(LongTexts::Truncate) => false,
            Ok(LongTexts::Refuse) => true,
            Err(_) => {
                let number = request.long_texts;
                return Err(Failure::invalid(format!(
                    "long_texts {number} is unknown: use LONG_TEXTS_TRUNCATE or LONG_TEXTS_REFUSE"
                )));
            }
        };
        let job = Job {
            model: request.model,
            input_type,
            prompt: request.prompt_name,
            texts: request.texts,
            refuse_long,
            priority,
            deadline: call.deadline(),
            waits,
        };
        let embedded = self.engine.embed(job).await?;
        Ok(EmbedResponse {
            vectors: Some(wire::vectors(&embedded, dimensions, request.encoding)?),
            fingerprint: wire::fingerprint(&embedded, dimensions),
            token_counts: embedded.rows.iter().map(|row| row.tokens).collect(),
            truncated: embedded.rows.iter().map(|row| row.truncated).collect(),
            times: Some(times(&embedded, 0, received)),
        })
    }

    pub(super) async fn score(
        &self,
        path: &str,
        data: &bytes::Bytes,
        call: &Arc<Call>,
        received: Instant,
    ) -> Result<Answer, Failure> {
        let request: ScoreRequest = schema::decode(path, data)?;
        let (queries, corpus) = (request.queries.unwrap_or_default(), request.corpus.unwrap_or_default());
        let (k, metric) = (request.k as usize, wire::metric(request.metric)?);
        let (query_count, corpus_count) = (queries.count as usize, corpus.count as usize);
        let (queries, corpus) = (wire::matrix(&queries, "queries")?, wire::matrix(&corpus, "corpus")?);
        self.limits.k(k)?;
        self.limits.score_side(query_count, "query")?;
        self.limits.score_side(corpus_count, "corpus")?;
        self.limits.results(query_count, k.min(corpus_count))?;
        if queries.dimension != corpus.dimension {
            return Err(Failure::invalid(format!(
                "corpus vectors have shape ({}, {}), expected (any, {dimension}): the query vectors have {dimension} \
                 dimensions",
                corpus.values.len().checked_div(corpus.dimension).unwrap_or(0),
                corpus.dimension,
                dimension = queries.dimension
            )));
        }
        let _permit = self.permit(Priority::Interactive, data.len() / BYTES_A_TOKEN + 1)?;
        // Each uses all cores.
        let slot = Arc::clone(&self.scoring).acquire_owned().await;
        call.check()?;
        let (threads, call) = (self.threads, Arc::clone(call));
        let scoring = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let began = Instant::now();
            let interrupted = || call.check().is_err();
            let options = Options { threads, interrupted: Some(&interrupted), ..Options::default() };
            score(&queries, &corpus, k, metric, options).map(|found| (found, began.elapsed()))
        });
        let failed =
            |error| Failure::new(Kind::Internal, format!("scoring failed: {error}: this is a fault of the server"));
        let (found, took) = scoring.await.map_err(failed)??;
        let results = found.k.max(1);
        let rankings = found.indices.chunks(results).zip(found.scores.chunks(results)).map(|(indices, scores)| {
            Ranking { indices: indices.iter().map(|&index| index as u32).collect(), scores: scores.to_vec() }
        });
        let rankings = rankings.collect();
        let times =
            StageTimes { search_ns: took.as_nanos() as u64, total_ns: since(received), ..StageTimes::default() };
        Ok(Answer::Framed(framed(&ScoreResponse { rankings, times: Some(times) })))
    }

    /// Refuse a message with too many of a field before each becomes an object.
    pub(super) fn few(&self, data: &[u8], field: u64, what: &str) -> Result<(), Failure> {
        match schema::count(data, field) {
            0 => Ok(()),
            count => self.limits.batch(count, what),
        }
    }

    /// Let a call in that needs no model, by the rule of those that do.
    pub(super) fn permit(&self, priority: Priority, tokens: usize) -> Result<crate::budget::Permit, Failure> {
        let budget = self.engine.budget();
        budget.take(priority, tokens).ok_or_else(|| {
            let message = format!(
                "{} tokens are queued and this call counts for {tokens}, the limit is {}: try again later, or raise \
                 CROSSFADE_MAX_QUEUED_TOKENS on the server",
                budget.used(),
                budget.limit()
            );
            Failure::new(Kind::Overloaded, message).retry_after(std::time::Duration::from_millis(100))
        })
    }
}

fn score(
    queries: &Matrix,
    corpus: &Matrix,
    k: usize,
    metric: crossfade_kernels::Metric,
    options: Options<'_>,
) -> Result<TopK, Failure> {
    check_finite(queries, "query")?;
    check_finite(corpus, "corpus")?;
    let queries = Rows::new(&queries.values, queries.dimension).map_err(|error| refusal(&error))?;
    let corpus = Rows::new(&corpus.values, corpus.dimension).map_err(|error| refusal(&error))?;
    crossfade_kernels::top_k(queries, Corpus::F32(corpus), k, metric, options).map_err(|error| refusal(&error))
}

fn check_finite(matrix: &Matrix, what: &str) -> Result<(), Failure> {
    match matrix.values.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Failure::invalid(format!(
            "{what} vector {} holds {} at position {}: every value must be a finite float32",
            at / matrix.dimension,
            written(matrix.values[at]),
            at % matrix.dimension
        ))),
    }
}

/// As Python writes it.
fn written(x: f32) -> &'static str {
    match x {
        f32::INFINITY => "inf",
        f32::NEG_INFINITY => "-inf",
        _ => "nan",
    }
}

fn refusal(error: &Error) -> Failure {
    match error {
        Error::Interrupted => Failure::late(),
        error => Failure::invalid(error.to_string()),
    }
}

pub(super) fn times(embedded: &Embedded, search_ns: u64, received: Instant) -> StageTimes {
    StageTimes {
        queue_ns: embedded.queue_ns,
        tokenise_ns: embedded.tokenise_ns,
        infer_ns: embedded.infer_ns,
        search_ns,
        total_ns: since(received),
    }
}

pub(super) fn since(received: Instant) -> u64 {
    received.elapsed().as_nanos() as u64
}
