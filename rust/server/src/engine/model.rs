//! What is served: models by name, and the lanes they run in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::failure::{Failure, Kind};
use crate::tokenise::TextTokenizer;

/// A model as it is served.
pub struct Model {
    /// The name it is served under.
    pub name: String,
    /// Elements of a vector.
    pub dimension: usize,
    /// Whether its vectors have unit length.
    pub normalise: bool,
    /// Texts to token ids.
    pub tokenizer: Arc<TextTokenizer>,
    /// How it reads queries.
    pub query: Reading,
    /// How it reads documents.
    pub document: Reading,
    /// Named prompts, each for queries and for documents.
    pub prompts: BTreeMap<String, [Reading; 2]>,
}

/// How a model reads texts of one kind.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Which of the executor's lanes runs it.
    pub lane: usize,
    /// Put before each text.
    pub prompt: String,
    /// Of the vectors.
    pub fingerprint: String,
}

/// Where texts of a lane run.
#[derive(Debug, Clone, Copy)]
pub struct Lane {
    /// Lanes of one device share its runners.
    pub device: usize,
    /// Tokens of one batch, padding counted as far as it costs; a single text may have more.
    pub batch_tokens: usize,
    /// What a token of padding costs the model, as a part of one of a text: 1 where it computes both alike.
    pub padding_cost: f64,
}

/// What a text is to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputType {
    /// What is searched for.
    Query,
    /// What is searched in.
    Document,
}

impl Model {
    /// How it reads texts of this type, or with this prompt.
    ///
    /// # Errors
    /// `NotFound` for a prompt it does not have.
    pub fn reading(&self, input_type: InputType, prompt: &str) -> Result<&Reading, Failure> {
        if prompt.is_empty() {
            return Ok(match input_type {
                InputType::Query => &self.query,
                InputType::Document => &self.document,
            });
        }
        match self.prompts.get(prompt) {
            Some(readings) => Ok(&readings[usize::from(input_type == InputType::Document)]),
            None => Err(Failure::new(
                Kind::NotFound,
                format!(
                    "model {} has no prompt {}: use one of {}, or none",
                    quoted(&self.name),
                    quoted(prompt),
                    listed(self.prompts.keys())
                ),
            )),
        }
    }
}

/// A name that a caller gave, for a message: its beginning, in quotes.
pub(crate) fn quoted(name: &str) -> String {
    let end = name.char_indices().nth(80).map_or(name.len(), |(end, _)| end);
    format!("'{}'", name[..end].escape_debug())
}

/// Names, for a message.
pub(crate) fn listed<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
