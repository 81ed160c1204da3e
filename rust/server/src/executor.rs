//! What the front end needs done, and does not do itself. Python does it in crossfade; a test, a few lines of Rust.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;

use crate::failure::{Failure, Kind};

/// Runs models, searches collections, answers what is not hot. Its methods block, and are called from many threads.
pub trait Executor: Send + Sync + 'static {
    /// Run a model over a batch: one vector a row.
    ///
    /// # Errors
    /// Whatever is wrong with the model. A batch that fails is tried again in halves, until the text is found that it
    /// fails for.
    fn infer(&self, lane: usize, tokens: Tokens) -> Result<Matrix, Failure>;

    /// Answer searches, each on its own: as many answers as calls, in their order.
    fn search(&self, calls: Vec<Search>) -> Vec<Result<Found, Failure>>;

    /// The served model that reads queries for a collection as it is now, for searches that name none.
    ///
    /// # Errors
    /// When there is no such collection, no such model, or more than one.
    fn reader(&self, collection: &str, _call: &Arc<Call>) -> Result<String, Failure> {
        Err(Failure::invalid(format!("no model is known to read queries for {collection}: name one")))
    }

    /// Answer a call of a method, such as `/crossfade.v1.ModelService/ListModels`, that is not known here.
    ///
    /// # Errors
    /// As the call's own.
    fn answer(&self, method: &str, request: Bytes, call: &Arc<Call>) -> Result<Bytes, Failure>;
}

/// Token ids of texts, padded on the right to the longest: shape (rows, columns), row after row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Token ids, and padding.
    pub ids: Vec<i64>,
    /// 1 where a token is, 0 where padding is.
    pub mask: Vec<i64>,
    /// Texts.
    pub rows: usize,
    /// Tokens of the longest.
    pub columns: usize,
}

/// Vectors, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Shape (rows, dimension).
    pub values: Vec<f32>,
    /// Elements of a vector.
    pub dimension: usize,
}

impl Matrix {
    /// One vector.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dimension..][..self.dimension]
    }
}

/// Queries against a collection.
#[derive(Debug)]
pub struct Search {
    /// The collection's name.
    pub collection: String,
    /// The model that made the vectors, when the caller sent texts.
    pub model: Option<String>,
    /// Of what made the vectors, when the caller sent them.
    pub fingerprint: String,
    /// The queries.
    pub vectors: Matrix,
    /// Results a query.
    pub k: usize,
    /// Whether titles and texts are wanted.
    pub with_documents: bool,
    /// The queries' texts, where the options need them.
    pub texts: Vec<String>,
    /// A `SearchOptions` message, as it came; empty for none.
    pub options: Bytes,
    /// Whose search it is.
    pub call: Arc<Call>,
}

/// The hits of each query.
#[derive(Debug)]
pub enum Ranked {
    /// Ids and scores.
    Plain(Vec<Vec<(String, f32)>>),
    /// `Hits` messages, where more is wanted of them.
    Encoded(Vec<Bytes>),
}

impl Default for Ranked {
    fn default() -> Self {
        Self::Plain(Vec::new())
    }
}

/// The answer to a search.
#[derive(Debug, Default)]
pub struct Found {
    /// By query, best first.
    pub hits: Ranked,
    /// What stages took, where it was wanted: name, candidates, nanoseconds.
    pub stages: Vec<(String, u64, u64)>,
    /// Whether a part of the collection was not searched.
    pub incomplete: bool,
    /// Documents that are not in the index that was searched yet.
    pub pending: u64,
    /// Of what made the queries' vectors.
    pub query_fingerprint: String,
    /// Time it took.
    pub search_ns: u64,
}

/// One call's right to run: its deadline, its tenant, and whether anybody still waits for the answer.
#[derive(Debug, Default)]
pub struct Call {
    deadline: Option<Instant>,
    tenant: Option<String>,
    gone: AtomicBool,
}

impl Call {
    /// A call whose answer is of no use after that time.
    #[must_use]
    pub fn new(deadline: Option<Instant>) -> Self {
        Self { deadline, ..Self::default() }
    }

    /// Of a tenant.
    #[must_use]
    pub fn of(mut self, tenant: Option<String>) -> Self {
        self.tenant = tenant;
        self
    }

    /// Whose documents it may see, where documents are somebody's.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// When the answer is of no use any more.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Nobody waits any more: work that has not begun will not.
    pub fn cancel(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// Whether it is still worth while to work for this call.
    ///
    /// # Errors
    /// `DeadlineExceeded` when the answer would come too late, or to nobody.
    pub fn check(&self) -> Result<(), Failure> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(Failure::new(Kind::DeadlineExceeded, "the caller went away before the answer was ready"));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Failure::late());
        }
        Ok(())
    }
}
