//! Texts to token ids: the prompt put before, the end cut at the model's limit. Padding is the batch's business.

use std::borrow::Cow;

use tokenizers::{Tokenizer, TruncationParams};

use crate::failure::{Failure, Kind};

/// A `tokenizer.json` with a token limit.
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    pad_id: u32,
    max_tokens: usize,
}

/// The token ids of a text, special tokens included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// At most as many as the model reads.
    pub ids: Box<[u32]>,
    /// Whether the text's end was cut.
    pub truncated: bool,
}

impl TextTokenizer {
    /// `json`: what `tokenizer.json` holds.
    ///
    /// # Errors
    /// `BundleError` when it is no tokenizer, or its special tokens leave no room for text.
    pub fn new(json: &[u8], max_tokens: usize) -> Result<Self, Failure> {
        let refused = |reason: String| Failure::new(Kind::BundleError, reason);
        let mut tokenizer = Tokenizer::from_bytes(json)
            .map_err(|error| refused(format!("a tokenizer.json cannot be read as a tokenizer: {error}")))?;
        let pad_id = tokenizer.get_padding().map_or(0, |padding| padding.pad_id);
        tokenizer.with_padding(None);
        let special = tokenizer.get_post_processor().map_or(0, |processor| {
            use tokenizers::PostProcessor;
            processor.added_tokens(false)
        });
        if special >= max_tokens {
            return Err(refused(format!(
                "the tokenizer adds {special} special tokens to a text, which leaves none of the {max_tokens} tokens \
                 that the model may read for the text itself: raise max_tokens"
            )));
        }
        // The library stops when it has as many tokens as the limit: whether there were more, it knows only from the
        // special tokens that it still has to make room for. Without any, it reads one more.
        let limit = if special == 0 { max_tokens.saturating_add(1) } else { max_tokens };
        let truncation = TruncationParams { max_length: limit, ..TruncationParams::default() };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(|error| refused(format!("a tokenizer.json takes no token limit: {error}")))?;
        Ok(Self { tokenizer, pad_id, max_tokens })
    }

    /// What fills a row up.
    #[must_use]
    pub fn pad_id(&self) -> u32 {
        self.pad_id
    }

    /// Tokens of a text that the model reads.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Token ids of a text, `prompt` put before it.
    ///
    /// # Errors
    /// `InvalidInput` when the tokenizer fails for this text.
    pub fn encode(&self, prompt: &str, text: &str) -> Result<Encoded, Failure> {
        let whole: Cow<'_, str> = if prompt.is_empty() { text.into() } else { format!("{prompt}{text}").into() };
        let encoding = self
            .tokenizer
            .encode_fast(whole, true)
            .map_err(|error| Failure::invalid(format!("a text cannot be tokenised: {error}")))?;
        let ids = encoding.get_ids();
        let truncated = ids.len() > self.max_tokens || !encoding.get_overflowing().is_empty();
        Ok(Encoded { ids: ids[..ids.len().min(self.max_tokens)].into(), truncated })
    }
}
