//! The declared limits of a call, each with a message that says what to do.

use crate::failure::Failure;

/// What one call may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Texts, documents or vectors.
    pub texts_per_call: usize,
    /// UTF-8 bytes of one text.
    pub text_bytes: usize,
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Results of one query.
    pub k: usize,
    /// Queries times results.
    pub results_per_call: usize,
    /// Vectors of Score, each side.
    pub score_vectors: usize,
}

impl Limits {
    /// `what`: "texts", "query vectors".
    pub(crate) fn batch(&self, count: usize, what: &str) -> Result<(), Failure> {
        if count == 0 {
            return Err(Failure::invalid(format!("no {what} in the call: send at least one")));
        }
        let limit = self.texts_per_call;
        if count > limit {
            return Err(Failure::limit(format!(
                "{count} {what} in one call, the limit is {limit}: split them over several calls, or raise \
                 CROSSFADE_MAX_TEXTS_PER_CALL on the server"
            )));
        }
        Ok(())
    }

    /// `what`: "text", "query text".
    pub(crate) fn texts(&self, texts: &[String], what: &str) -> Result<(), Failure> {
        let limit = self.text_bytes;
        match texts.iter().enumerate().find(|(_, text)| text.len() > limit) {
            None => Ok(()),
            Some((position, text)) => Err(Failure::limit(format!(
                "{what} {position} is {} bytes long, the limit is {limit}: cut it into passages, or raise \
                 CROSSFADE_MAX_TEXT_BYTES on the server",
                text.len()
            ))),
        }
    }

    pub(crate) fn k(&self, k: usize) -> Result<(), Failure> {
        if k < 1 {
            return Err(Failure::invalid(format!("k is {k}: ask for at least 1 result a query")));
        }
        let limit = self.k;
        if k > limit {
            return Err(Failure::limit(format!(
                "k is {k}, the limit is {limit}: ask for fewer results, or raise CROSSFADE_MAX_K on the server"
            )));
        }
        Ok(())
    }

    /// `k`: results that one query will really get.
    pub(crate) fn results(&self, queries: usize, k: usize) -> Result<(), Failure> {
        let (limit, results) = (self.results_per_call, queries.saturating_mul(k));
        if results > limit {
            return Err(Failure::limit(format!(
                "{queries} queries of {k} results each make {results} results in one answer, the limit is {limit}: \
                 send fewer queries a call, lower k, or raise CROSSFADE_MAX_RESULTS_PER_CALL on the server"
            )));
        }
        Ok(())
    }

    /// `what`: "query" or "corpus".
    pub(crate) fn score_side(&self, count: usize, what: &str) -> Result<(), Failure> {
        if count == 0 {
            return Err(Failure::invalid(format!("no {what} vectors in the call: send at least one")));
        }
        let limit = self.score_vectors;
        if count > limit {
            return Err(Failure::limit(format!(
                "{count} {what} vectors in one call, the limit is {limit}: split them over several calls, or raise \
                 CROSSFADE_MAX_SCORE_VECTORS on the server"
            )));
        }
        Ok(())
    }
}
