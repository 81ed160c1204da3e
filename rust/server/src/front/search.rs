//! Search: queries become vectors here, and the executor finds what is near them.

use std::sync::Arc;
use std::time::Instant;

use prost::Message;
use tokio::sync::oneshot;

use super::Front;
use super::framing::{Answer, framed};
use super::hot::{QUERY_TOKENS, SEARCH_TEXTS, since, times};
use super::wire;
use crate::engine::{InputType, Job};
use crate::executor::{Call, Found, Matrix, Ranked, Search};
use crate::failure::{Failure, Kind};
use crate::proto::crossfade::v1::{
    Hit, Hits, SearchMode, SearchOptions, SearchRequest, SearchResponse, SearchStage, StageTimes,
};
use crate::schema;

/// How often a search that names no model looks for one: a switch to another one's index while it runs costs one.
const MODEL_TRIES: usize = 8;

impl Front {
    pub(super) async fn search(
        &self,
        path: &str,
        data: &bytes::Bytes,
        call: &Arc<Call>,
        received: Instant,
    ) -> Result<Answer, Failure> {
        self.few(data, SEARCH_TEXTS, "query texts")?;
        let request: SearchRequest = schema::decode(path, data)?;
        let k = request.k as usize;
        self.limits.k(k)?;
        let options = Wanted::of(request.options.as_ref())?;
        let Some(given) = &request.vectors else {
            return self.search_texts(request, options, k, call, received).await;
        };
        if options.needs_texts {
            return Err(Failure::invalid("vectors are given, and lexical search and rerankers need texts: send those"));
        }
        if !request.texts.is_empty() || !request.model.is_empty() {
            return Err(Failure::invalid("vectors are given together with texts or a model: send one or the other"));
        }
        let vectors = wire::matrix(given, "vectors")?;
        self.limits.batch(given.count as usize, "query vectors")?;
        let priority = wire::priority(request.priority, given.count as usize)?;
        let tokens = given.count as usize * QUERY_TOKENS;
        let _permit = self.permit(priority, tokens)?;
        let reranked = options.reranked;
        let search = Search {
            collection: request.collection,
            model: None,
            fingerprint: request.fingerprint,
            vectors,
            k,
            with_documents: request.with_documents,
            texts: Vec::new(),
            options: options.encoded,
            call: Arc::clone(call),
        };
        let found = self.found(search, reranked).await?;
        let times = StageTimes { search_ns: found.search_ns, total_ns: since(received), ..StageTimes::default() };
        Ok(Answer::Framed(framed(&response(found, times)?)))
    }

    async fn search_texts(
        &self,
        request: SearchRequest,
        options: Wanted,
        k: usize,
        call: &Arc<Call>,
        received: Instant,
    ) -> Result<Answer, Failure> {
        if options.lexical {
            return self.search_words(request, options, k, call, received).await;
        }
        if !request.model.is_empty() {
            return self.search_by_model(request, options, k, call, received).await;
        }
        if request.texts.is_empty() {
            return Err(Failure::invalid(
                "neither texts nor vectors are given: send texts, or vectors with their fingerprint",
            ));
        }
        let mut tries = MODEL_TRIES;
        loop {
            let model = self.reader(request.collection.clone(), call).await?;
            let named = SearchRequest { model, ..request.clone() };
            let answer = self.search_by_model(named, options.clone(), k, call, received).await;
            tries -= 1;
            match answer {
                // Another model's index became the one that is searched while this one's was at work.
                Err(failure) if failure.kind == Kind::FingerprintMismatch && tries > 0 => {}
                answer => return answer,
            }
        }
    }

    /// The served model that reads queries for a collection as it is now.
    async fn reader(&self, collection: String, call: &Arc<Call>) -> Result<String, Failure> {
        let (sender, receiver) = oneshot::channel();
        let (executor, call) = (Arc::clone(&self.executor), Arc::clone(call));
        self.readers.run(move || {
            // Nobody hears it when the caller has gone.
            let _ = sender.send(call.check().and_then(|()| executor.reader(&collection, &call)));
        });
        receiver.await.unwrap_or_else(|_| Err(Failure::stopping()))
    }

    async fn search_by_model(
        &self,
        request: SearchRequest,
        options: Wanted,
        k: usize,
        call: &Arc<Call>,
        received: Instant,
    ) -> Result<Answer, Failure> {
        let model = self.engine.model(&request.model)?;
        self.limits.batch(request.texts.len(), "query texts")?;
        self.limits.texts(&request.texts, "query text")?;
        let dimension = model.dimension;
        let texts = if options.needs_texts { request.texts.clone() } else { Vec::new() };
        let job = Job {
            model: request.model.clone(),
            input_type: InputType::Query,
            prompt: String::new(),
            priority: wire::priority(request.priority, request.texts.len())?,
            texts: request.texts,
            refuse_long: false,
            deadline: call.deadline(),
            waits: false,
        };
        // Its permit is held until the search is done.
        let embedded = self.engine.embed(job).await?;
        let values = embedded.rows.iter().flat_map(|row| row.vector().iter().copied()).collect();
        let reranked = options.reranked;
        let search = Search {
            collection: request.collection,
            model: Some(request.model),
            fingerprint: embedded.fingerprint.clone(),
            vectors: Matrix { values, dimension },
            k,
            with_documents: request.with_documents,
            texts,
            options: options.encoded,
            call: Arc::clone(call),
        };
        let found = self.found(search, reranked).await?;
        let times = times(&embedded, found.search_ns, received);
        Ok(Answer::Framed(framed(&response(found, times)?)))
    }

    async fn found(&self, search: Search, reranked: bool) -> Result<Found, Failure> {
        if reranked { self.reranks.search(search).await } else { self.searches.search(search).await }
    }

    /// Lexical search alone: no model runs.
    async fn search_words(
        &self,
        request: SearchRequest,
        options: Wanted,
        k: usize,
        call: &Arc<Call>,
        received: Instant,
    ) -> Result<Answer, Failure> {
        if !request.model.is_empty() {
            return Err(Failure::invalid("a lexical search needs no model: leave it out, or search dense or hybrid"));
        }
        self.limits.batch(request.texts.len(), "query texts")?;
        self.limits.texts(&request.texts, "query text")?;
        let priority = wire::priority(request.priority, request.texts.len())?;
        let _permit = self.permit(priority, request.texts.len() * QUERY_TOKENS)?;
        let reranked = options.reranked;
        let search = Search {
            collection: request.collection,
            model: None,
            fingerprint: String::new(),
            vectors: Matrix { values: Vec::new(), dimension: 0 },
            k,
            with_documents: request.with_documents,
            texts: request.texts,
            options: options.encoded,
            call: Arc::clone(call),
        };
        let found = self.found(search, reranked).await?;
        let times = StageTimes { search_ns: found.search_ns, total_ns: since(received), ..StageTimes::default() };
        Ok(Answer::Framed(framed(&response(found, times)?)))
    }
}

/// What the front end itself has to know of a search's options; the rest is the executor's.
#[derive(Default, Clone)]
struct Wanted {
    encoded: bytes::Bytes,
    lexical: bool,
    needs_texts: bool,
    reranked: bool,
}

impl Wanted {
    fn of(given: Option<&SearchOptions>) -> Result<Self, Failure> {
        let Some(given) = given else { return Ok(Self::default()) };
        let mode = SearchMode::try_from(given.mode)
            .map_err(|_| Failure::invalid(format!("mode {} is unknown: use one of SearchMode", given.mode)))?;
        Ok(Self {
            encoded: given.encode_to_vec().into(),
            lexical: mode == SearchMode::Lexical,
            reranked: !given.reranker.is_empty(),
            needs_texts: !given.reranker.is_empty() || matches!(mode, SearchMode::Lexical | SearchMode::Hybrid),
        })
    }
}

fn response(found: Found, times: StageTimes) -> Result<SearchResponse, Failure> {
    let results = match found.hits {
        Ranked::Plain(lists) => lists
            .into_iter()
            .map(|hits| {
                let hits = hits.into_iter().map(|(id, score)| Hit { id, score, ..Hit::default() });
                Hits { hits: hits.collect(), ..Hits::default() }
            })
            .collect(),
        Ranked::Encoded(lists) => lists
            .into_iter()
            .map(|hits| {
                Hits::decode(hits).map_err(|error| {
                    Failure::new(Kind::Internal, format!("hits cannot be read: {error}; this is a fault of the server"))
                })
            })
            .collect::<Result<_, _>>()?,
    };
    let stages = found.stages.into_iter().map(|(stage, candidates, ns)| SearchStage { stage, candidates, ns });
    Ok(SearchResponse {
        results,
        query_fingerprint: found.query_fingerprint,
        times: Some(times),
        stages: stages.collect(),
        incomplete: found.incomplete,
        pending: found.pending,
    })
}
