//! Texts in, vectors out: dedupes, caches, admits, tokenises, queues, and runs batches on the executor's lanes.

mod counters;
mod device;
mod embed;
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
use device::{Device, Key};
pub use embed::{Embedded, Job};
use model::listed;
pub(crate) use model::quoted;
pub use model::{InputType, Lane, Model, Reading};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
pub use ticket::Row;
use tokio::sync::Semaphore;

use crate::budget::Budget;
use crate::executor::{Executor, Tokens};
use crate::failure::{Failure, Kind};
use crate::schedule::{Bounds, Last};
use crate::tokenise::TextTokenizer;

/// Texts that one batch holds at most, however short they are.
const MOST_TEXTS: usize = 2048;

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
        let bounds: Vec<Bounds> = lanes
            .iter()
            .map(|lane| Bounds { tokens: lane.batch_tokens, texts: MOST_TEXTS, padding: lane.padding_cost })
            .collect();
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
