//! What one call waits for: the vectors of its texts.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::sync::Mutex;
use crate::executor::Matrix;
use crate::failure::Failure;

/// The vector of a text, and what is known of the text.
#[derive(Debug, Clone)]
pub struct Row {
    vector: Vector,
    /// Tokens that the model read.
    pub tokens: u32,
    /// Whether the text's end was not read.
    pub truncated: bool,
}

#[derive(Debug, Clone)]
enum Vector {
    /// A row of a batch.
    Of(Arc<Matrix>, usize),
    Own(Arc<[f32]>),
}

impl Row {
    /// Row `row` of a batch.
    #[must_use]
    pub fn of(batch: &Arc<Matrix>, row: usize, tokens: u32, truncated: bool) -> Self {
        Self { vector: Vector::Of(Arc::clone(batch), row), tokens, truncated }
    }

    /// With a vector of its own, which keeps no batch alive.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { vector: Vector::Own(self.vector().into()), ..*self }
    }

    /// The vector.
    #[must_use]
    pub fn vector(&self) -> &[f32] {
        match &self.vector {
            Vector::Of(batch, row) => batch.row(*row),
            Vector::Own(vector) => vector,
        }
    }
}

/// When a batch was run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

impl Span {
    fn with(self, other: Self) -> Self {
        Self { began: self.began.min(other.began), ended: self.ended.max(other.ended) }
    }
}

#[derive(Debug)]
struct State {
    rows: Vec<Option<Row>>,
    missing: usize,
    failure: Option<Failure>,
    /// From the begin of the first batch to the end of the last.
    span: Option<Span>,
}

/// A call's place for its answers.
#[derive(Debug)]
pub(super) struct Ticket {
    state: Mutex<State>,
    done: Notify,
}

impl Ticket {
    pub(super) fn new(texts: usize) -> Arc<Self> {
        let state = State { rows: vec![None; texts], missing: texts, failure: None, span: None };
        Arc::new(Self { state: Mutex::new(state), done: Notify::new() })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = state.missing == 0 || state.failure.is_some();
        change(&mut state);
        if !done && (state.missing == 0 || state.failure.is_some()) {
            self.done.notify_one();
        }
    }

    /// The vector of a text; `span`: of the batch that made it, if it was made now.
    pub(super) fn fill(&self, text: usize, row: Row, span: Option<Span>) {
        self.change(|state| {
            if state.rows[text].replace(row).is_none() {
                state.missing -= 1;
            }
            state.span = match (state.span, span) {
                (Some(one), Some(other)) => Some(one.with(other)),
                (one, other) => one.or(other),
            };
        });
    }

    /// A text cannot be embedded: the call has failed.
    pub(super) fn fail(&self, failure: &Failure) {
        self.change(|state| {
            state.failure.get_or_insert_with(|| failure.clone());
        });
    }

    /// How many rows have come, and how the call has failed.
    #[cfg(crossfade_loom)]
    pub(super) fn seen(&self) -> (usize, Option<Failure>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.rows.iter().flatten().count(), state.failure.clone())
    }

    /// Every text's row, in their order, and when they were made.
    pub(super) async fn rows(&self) -> Result<(Vec<Row>, Option<Span>), Failure> {
        loop {
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(failure) = state.failure.take() {
                    return Err(failure);
                }
                if state.missing == 0 {
                    return Ok((state.rows.drain(..).flatten().collect(), state.span));
                }
            }
            self.done.notified().await;
        }
    }
}
