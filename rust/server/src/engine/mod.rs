//! Texts in, vectors out: dedupes, caches, admits, tokenises, queues, and runs batches on the executor's lanes.

mod counters;
mod device;
#[cfg(all(test, crossfade_loom))]
mod interleavings;
mod model;
mod runner;
mod sync;
#[cfg(test)]
mod tests;
mod ticket;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use counters::Counters;
pub use counters::Counts;
use device::{Arrival, Device, Key, Queued, Text};
use model::listed;
pub(crate) use model::quoted;
pub use model::{InputType, Lane, Model, Reading};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
pub use ticket::Row;
use ticket::Ticket;

use tokio::sync::Semaphore;

use crate::budget::{Budget, Permit};
use crate::executor::{Executor, Tokens};
use crate::failure::{Failure, Kind};
use crate::schedule::{Bounds, Last, Priority};
use crate::tokenise::{Encoded, TextTokenizer};

/// Texts that one batch holds at most, however short they are.
const MOST_TEXTS: usize = 2048;

/// Bytes of text up to which a call is tokenised where it is received; a longer one would hold others up there.
const TOKENISED_IN_PLACE: usize = 4096;

/// A call is not let in when it would take that much longer than it has time, as things stand.
const MARGIN: f64 = 1.25;

/// How the engine is set up.
pub struct Setup {
    /// What is served.
    pub models: Vec<Model>,
    /// What the executor runs, by lane.
    pub lanes: Vec<Lane>,
    /// Threads that run batches, by device.
    pub runners: Vec<usize>,
    /// Tokens admitted and not answered.
    pub queued_tokens: usize,
    /// What a call is to wait at most, from admission to its first batch.
    pub longest_wait: Duration,
    /// Bytes of vectors that are kept for texts that come again; 0 keeps none.
    pub cache_bytes: u64,
}

/// Whether a lane does what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// Its last batch was run.
    Serving,
    /// Its last batch failed, for every text.
    Failing,
}

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

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Row> for Weight {
    fn weight(&self, key: &Key, row: &Row) -> u64 {
        (key.1.len() + size_of_val(row.vector()) + 128) as u64
    }
}

/// Models, and what is on its way to them.
pub struct Engine {
    executor: Arc<dyn Executor>,
    models: BTreeMap<String, Model>,
    lanes: Vec<Lane>,
    /// By lane: what fills a row up, and the elements of a vector.
    pads: Vec<u32>,
    dimensions: Vec<usize>,
    /// By lane, tokenizer and prompt.
    spaces: HashMap<(usize, usize, String), u32>,
    devices: Vec<Device>,
    budget: Arc<Budget>,
    longest_wait: Duration,
    cache: Option<Cache<Key, Row, Weight>>,
    counters: Counters,
    /// By lane: whether it fails.
    failing: Vec<AtomicBool>,
    listener: Mutex<Option<Box<dyn Fn() + Send>>>,
    runners: Mutex<Vec<JoinHandle<()>>>,
    /// Runners in the middle of a batch.
    working: AtomicUsize,
    /// Calls whose texts are being tokenised, away from the front end's threads.
    tokenising: Arc<Semaphore>,
}

impl Engine {
    /// Make it; `start` starts it.
    #[must_use]
    pub fn new(executor: Arc<dyn Executor>, setup: Setup) -> Arc<Self> {
        let Setup { models, lanes, runners, queued_tokens, longest_wait, cache_bytes } = setup;
        let (mut pads, mut dimensions) = (vec![0; lanes.len()], vec![0; lanes.len()]);
        let mut spaces = HashMap::new();
        for model in &models {
            let named = model.prompts.values().flatten();
            for reading in [&model.query, &model.document].into_iter().chain(named) {
                pads[reading.lane] = model.tokenizer.pad_id();
                dimensions[reading.lane] = model.dimension;
                let next = spaces.len() as u32;
                spaces.entry(space(model, reading)).or_insert(next);
            }
        }
        let bounds: Vec<Bounds> =
            lanes.iter().map(|lane| Bounds { tokens: lane.batch_tokens, texts: MOST_TEXTS }).collect();
        // About a kilobyte each is what the cache expects to hold; it grows as it must.
        let cache =
            (cache_bytes > 0).then(|| Cache::with_weighter((cache_bytes / 1024).max(16) as usize, cache_bytes, Weight));
        let failing = lanes.iter().map(|_| AtomicBool::new(false)).collect();
        Arc::new(Self {
            executor,
            models: models.into_iter().map(|model| (model.name.clone(), model)).collect(),
            lanes,
            pads,
            dimensions,
            spaces,
            devices: runners.iter().map(|_| Device::new(bounds.clone())).collect(),
            budget: Budget::new(queued_tokens),
            longest_wait,
            cache,
            counters: Counters::default(),
            failing,
            listener: Mutex::new(None),
            runners: Mutex::new(Vec::new()),
            working: AtomicUsize::new(0),
            tokenising: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from))),
        })
    }

    /// Run every lane once, so that no caller waits for what a first run has to set up; then start the runners.
    ///
    /// # Errors
    /// A model's own, which cannot be run.
    pub fn start(self: &Arc<Self>, runners: &[usize]) -> Result<(), Failure> {
        for (lane, lane_of) in self.lanes.iter().enumerate() {
            let Some(tokenizer) = self.tokenizer(lane) else { continue };
            let id = tokenizer.encode("", "a")?.ids.first().copied().unwrap_or_default();
            // The first run sets up, the others show what batches cost.
            for (rows, columns) in [(1, 2), (1, 16), (8, 16)] {
                let (ids, mask) = (vec![i64::from(id); rows * columns], vec![1; rows * columns]);
                let began = Instant::now();
                self.executor.infer(lane, Tokens { ids, mask, rows, columns })?;
                if columns > 2 {
                    let span = ticket::Span { began, ended: Instant::now() };
                    let _: Last = self.devices[lane_of.device].ran(lane, rows * columns, 1, span, true);
                }
            }
        }
        let mut handles = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
        for (device, &count) in runners.iter().enumerate() {
            for runner in 0..count {
                let engine = Arc::clone(self);
                let name = format!("crossfade-run-{device}-{runner}");
                let thread = std::thread::Builder::new().name(name).spawn(move || engine.run(device));
                let refused = |error| Failure::new(Kind::Unavailable, format!("no thread can be started: {error}"));
                handles.push(thread.map_err(refused)?);
            }
        }
        Ok(())
    }

    /// A tokenizer that makes a lane's texts.
    fn tokenizer(&self, lane: usize) -> Option<&TextTokenizer> {
        let on_lane = |model: &&Model| model.query.lane == lane || model.document.lane == lane;
        self.models.values().find(on_lane).map(|model| &*model.tokenizer)
    }

    /// The models by name.
    pub fn models(&self) -> &BTreeMap<String, Model> {
        &self.models
    }

    /// A served model.
    ///
    /// # Errors
    /// `NotFound`, with the names there are.
    pub fn model(&self, name: &str) -> Result<&Model, Failure> {
        self.models.get(name).ok_or_else(|| {
            let served = listed(self.models.keys());
            Failure::new(Kind::NotFound, format!("no model {} is served here: use one of {served}", quoted(name)))
        })
    }

    /// Tokens admitted and not answered.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        let cached = self.cache.as_ref().map_or(0, Cache::weight);
        let (joined, waiting) = self
            .devices
            .iter()
            .fold((0, 0), |(joined, waiting), device| (joined + device.joined(), waiting + device.waiting()));
        self.counters.read(self.budget.used(), joined, waiting, cached)
    }

    /// Be told whenever a lane begins or ceases to fail.
    pub fn on_health(&self, listener: impl Fn() + Send + 'static) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(listener));
    }

    /// Whether a model's last batches were run.
    pub fn healthy(&self, model: &Model) -> bool {
        ![model.query.lane, model.document.lane].iter().any(|&lane| self.failing[lane].load(Ordering::Relaxed))
    }

    fn tell(&self, lane: usize, health: Health) {
        let failing = health == Health::Failing;
        if self.failing[lane].swap(failing, Ordering::Relaxed) != failing
            && let Some(listener) = &*self.listener.lock().unwrap_or_else(PoisonError::into_inner)
        {
            listener();
        }
    }

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
        let encode = |tokenizer: &TextTokenizer, prompt: &str, number: usize, key: Key| {
            let encoded: Result<Encoded, Failure> = tokenizer.encode(prompt, &key.1);
            encoded.map(|encoded| (number, Text { key, encoded, permit: None }))
        };
        let texts: Vec<(usize, Key)> = numbers.into_iter().map(|number| (number, keys[number].clone())).collect();
        if bytes <= TOKENISED_IN_PLACE {
            return texts.into_iter().map(|(number, key)| encode(tokenizer, prompt, number, key)).collect();
        }
        // Before a thread is taken: who leaves while waiting leaves nothing behind.
        let slot = Arc::clone(&self.tokenising).acquire_owned().await;
        let (tokenizer, prompt) = (Arc::clone(tokenizer), prompt.to_owned());
        let all = move || {
            let _slot = slot;
            texts.into_iter().map(|(number, key)| encode(&tokenizer, &prompt, number, key)).collect()
        };
        let failed = |error| Failure::new(Kind::Internal, format!("a text could not be tokenised: {error}"));
        tokio::task::spawn_blocking(all).await.map_err(failed)?
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

    /// Runners in the middle of a batch, also of callers that are gone.
    pub fn working(&self) -> usize {
        self.working.load(Ordering::Relaxed)
    }

    /// Stop: whoever waits is told so, and the runners end after the batch that they are at.
    pub fn stop(&self) {
        self.devices.iter().for_each(Device::stop);
    }

    /// Wait for the runners to end. Not while holding anything that a batch needs, such as Python's lock.
    pub fn join(&self) {
        let handles = std::mem::take(&mut *self.runners.lock().unwrap_or_else(PoisonError::into_inner));
        for handle in handles {
            // A runner that panicked has said so on stderr.
            let _ = handle.join();
        }
    }
}

fn space(model: &Model, reading: &Reading) -> (usize, usize, String) {
    (reading.lane, Arc::as_ptr(&model.tokenizer) as usize, reading.prompt.clone())
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
