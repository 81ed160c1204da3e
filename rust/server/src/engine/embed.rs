//! One call's texts on their way: deduplicated, looked up, tokenised, let in, queued, waited for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::device::{Arrival, Device, Key, Queued, Text};
use super::model::{InputType, Model, quoted};
use super::ticket::{Row, Ticket};
use super::{Engine, space};
use crate::budget::Permit;
use crate::failure::{Failure, Kind};
use crate::schedule::Priority;
use crate::tokenise::{Encoded, TextTokenizer};

/// Bytes of text up to which a call is tokenised where it is received; a longer one would hold others up there.
const TOKENISED_IN_PLACE: usize = 4096;

/// Bytes of text that one thread tokenises before others may: a few milliseconds.
const TOKENISED_AT_ONCE: usize = 16_384;

/// A call is not let in when it would take that much longer than it has time, as things stand.
const MARGIN: f64 = 1.25;

/// Texts to embed.
pub struct Job {
    /// The model's name.
    pub model: String,
    /// What they are to the model.
    pub input_type: InputType,
    /// One of the model's prompts, in place of the input type's; empty for that.
    pub prompt: String,
    /// The texts.
    pub texts: Vec<String>,
    /// Refuse texts longer than the model reads.
    pub refuse_long: bool,
    /// Whose turn it is.
    pub priority: Priority,
    /// When the answer is of no use any more.
    pub deadline: Option<Instant>,
    /// Wait for room, where a call would be refused.
    pub waits: bool,
}

/// Vectors of texts.
pub struct Embedded {
    /// One a text, in their order.
    pub rows: Vec<Row>,
    /// Of the vectors.
    pub fingerprint: String,
    /// Elements of a vector.
    pub dimension: usize,
    /// Whether they have unit length.
    pub normalise: bool,
    /// Waiting: for room and for the model.
    pub queue_ns: u64,
    /// Tokenising.
    pub tokenise_ns: u64,
    /// From the begin of the first batch to the end of the last.
    pub infer_ns: u64,
    _permit: Option<Arc<Permit>>,
}

impl Engine {
    /// Embed texts. Dropped before its end, it leaves the queue.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput`, `Overloaded`, `DeadlineExceeded`, `Unavailable`; `BundleError` and what else the
    /// model raises.
    pub async fn embed(self: &Arc<Self>, job: Job) -> Result<Embedded, Failure> {
        let received = Instant::now();
        let model = self.model(&job.model)?;
        let reading = model.reading(job.input_type, &job.prompt)?;
        let arrival = Arrival { lane: reading.lane, priority: job.priority, deadline: job.deadline };
        let device = &self.devices[self.lanes[reading.lane].device];
        let space = self.spaces.get(&space(model, reading)).copied().unwrap_or_default();
        let texts = job.texts.len();
        let bytes: usize = job.texts.iter().map(String::len).sum();
        // Equal texts of a call are one.
        let (mut keys, mut places, mut known): (Vec<Key>, _, HashMap<Key, usize>) =
            (Vec::new(), Vec::with_capacity(texts), HashMap::with_capacity(texts));
        for text in job.texts {
            let key: Key = (space, Arc::from(text));
            let next = keys.len();
            places.push(*known.entry(key.clone()).or_insert(next));
            if places.last() == Some(&next) {
                keys.push(key);
            }
        }
        drop(known);
        let ticket = Ticket::new(keys.len());
        let mut guard = Guard { device, ticket: &ticket, keys: &keys };
        let mut unknown: Vec<usize> = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let cached = self.cache.as_ref().map(|cache| cache.get(key));
            if let Some(cached) = &cached {
                self.counters.looked_up(cached.is_some());
            }
            if let Some(row) = cached.flatten() {
                ticket.fill(number, row, None);
            } else if !device.join(key, &arrival, &ticket, number) {
                unknown.push(number);
            }
        }
        let mut tokenise_ns = 0;
        let mut permit = None;
        if !unknown.is_empty() {
            if !job.waits {
                // Before anything is spent on it: a token has four bytes or more, mostly.
                let most = model.tokenizer.max_tokens();
                let tokens = unknown.iter().map(|&number| (keys[number].1.len() / 8).min(most)).sum();
                self.chance(device, &arrival, tokens)?;
            }
            let tokenising = Instant::now();
            let mut encoded = self.tokenise(&model.tokenizer, &reading.prompt, &keys, unknown, bytes).await?;
            tokenise_ns = tokenising.elapsed().as_nanos() as u64;
            if job.refuse_long
                && let Some((number, text)) = encoded.iter().find(|(_, text)| text.encoded.truncated)
            {
                let position = places.iter().position(|place| place == number).unwrap_or_default();
                return Err(too_long(position, text.encoded.ids.len(), model));
            }
            let tokens = encoded.iter().map(|(_, text)| text.encoded.ids.len()).sum();
            permit = Some(Arc::new(self.admit(device, &arrival, tokens, job.waits).await?));
            for (_, text) in &mut encoded {
                text.permit.clone_from(&permit);
            }
            device.send(encoded, &arrival, &ticket);
        }
        let (found, span) = ticket.rows().await?;
        guard.keys = &[]; // All have come.
        let rows: Vec<Row> = places.into_iter().map(|place| found[place].clone()).collect();
        if job.refuse_long
            && let Some(position) = rows.iter().position(|row| row.truncated)
        {
            return Err(too_long(position, rows[position].tokens as usize, model));
        }
        let infer = span.map_or(Duration::ZERO, |span| span.ended - span.began);
        let queue = span.map_or(Duration::ZERO, |span| span.began.saturating_duration_since(received));
        Ok(Embedded {
            rows,
            fingerprint: reading.fingerprint.clone(),
            dimension: model.dimension,
            normalise: model.normalise,
            queue_ns: (queue.as_nanos() as u64).saturating_sub(tokenise_ns),
            tokenise_ns,
            infer_ns: infer.as_nanos() as u64,
            _permit: permit,
        })
    }

    /// Token ids of the texts with these numbers.
    async fn tokenise(
        &self,
        tokenizer: &Arc<TextTokenizer>,
        prompt: &str,
        keys: &[Key],
        numbers: Vec<usize>,
        bytes: usize,
    ) -> Result<Vec<(usize, Text)>, Failure> {
        let texts: Vec<(usize, Key)> = numbers.into_iter().map(|number| (number, keys[number].clone())).collect();
        if bytes <= TOKENISED_IN_PLACE {
            return texts.into_iter().map(|text| encoded(tokenizer, prompt, text)).collect();
        }
        // Many texts, or long ones, are shared by the cores: a device that waits for them is idle meanwhile.
        let count = texts.len();
        let mut working = Vec::new();
        for piece in pieces(texts) {
            // Before a thread is taken: who leaves while waiting leaves nothing behind.
            let slot = Arc::clone(&self.tokenising).acquire_owned().await;
            let (tokenizer, prompt) = (Arc::clone(tokenizer), prompt.to_owned());
            working.push(tokio::task::spawn_blocking(move || {
                let _slot = slot;
                piece.into_iter().map(|text| encoded(&tokenizer, &prompt, text)).collect::<Result<Vec<_>, Failure>>()
            }));
        }
        let mut found = Vec::with_capacity(count);
        for piece in working {
            let failed = |error| Failure::new(Kind::Internal, format!("a text could not be tokenised: {error}"));
            found.extend(piece.await.map_err(failed)??);
        }
        Ok(found)
    }

    /// Let a call in, by the one rule: there is room for its tokens, and time to run them.
    async fn admit(&self, device: &Device, arrival: &Arrival, tokens: usize, waits: bool) -> Result<Permit, Failure> {
        if waits {
            return Ok(self.budget.wait(arrival.priority, tokens).await);
        }
        let queued = self.chance(device, arrival, tokens)?;
        self.budget.take(arrival.priority, tokens).ok_or_else(|| {
            self.counters.refused();
            let message = format!(
                "{} tokens are queued and this call has {tokens}, the limit is {}: try again later, send it as \
                 EmbedStream, which waits, or raise CROSSFADE_MAX_QUEUED_TOKENS on the server",
                self.budget.used(),
                self.budget.limit()
            );
            overloaded(message, queued)
        })
    }

    /// Whether a call of so many tokens would be done in its time, as things stand.
    fn chance(&self, device: &Device, arrival: &Arrival, tokens: usize) -> Result<Queued, Failure> {
        let queued = device.queued(arrival.lane, arrival.priority, tokens);
        let left = arrival.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // When nobody is before it there is nothing to wait for: whatever it takes, it will not take less later.
        let late = left.is_some_and(|left| queued.done.mul_f64(MARGIN) > left && queued.wait > Duration::ZERO);
        if late || queued.wait > self.longest_wait {
            self.counters.refused();
            let message = format!(
                "this call would wait {:.1} s for the model, and has {}: try again later",
                queued.wait.as_secs_f64(),
                left.map_or_else(
                    || format!("{:.1} s, the server's CROSSFADE_MAX_QUEUE_SECONDS", self.longest_wait.as_secs_f64()),
                    |left| format!("{:.1} s left", left.as_secs_f64())
                )
            );
            return Err(overloaded(message, queued));
        }
        Ok(queued)
    }
}

fn encoded(tokenizer: &TextTokenizer, prompt: &str, (number, key): (usize, Key)) -> Result<(usize, Text), Failure> {
    let encoded: Encoded = tokenizer.encode(prompt, &key.1)?;
    Ok((number, Text { key, encoded, permit: None }))
}

/// The texts in their order, cut where a piece has bytes enough.
fn pieces(texts: Vec<(usize, Key)>) -> Vec<Vec<(usize, Key)>> {
    let (mut found, mut piece, mut bytes) = (Vec::new(), Vec::new(), 0);
    for text in texts {
        bytes += text.1.1.len();
        piece.push(text);
        if bytes >= TOKENISED_AT_ONCE {
            found.push(std::mem::take(&mut piece));
            bytes = 0;
        }
    }
    if !piece.is_empty() {
        found.push(piece);
    }
    found
}

fn too_long(position: usize, tokens: usize, model: &Model) -> Failure {
    Failure::limit(format!(
        "text {position} is longer than the {tokens} tokens that model {} reads: cut it into passages, or let its end be \
         cut with LONG_TEXTS_TRUNCATE",
        quoted(&model.name)
    ))
}

fn overloaded(message: String, queued: Queued) -> Failure {
    let delay = (queued.wait / 4).clamp(Duration::from_millis(20), Duration::from_secs(5));
    Failure::new(Kind::Overloaded, message).retry_after(delay)
}

/// Takes a call that waits no more out of the queue.
struct Guard<'e> {
    device: &'e Device,
    ticket: &'e Arc<Ticket>,
    keys: &'e [Key],
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.device.abandon(self.keys, self.ticket);
    }
}
