//! Which texts a model runs next: batches by tokens, turns by priority, deadlines. No threads and no clock of its own:
//! it is told the time, so that a test can make it pass.
//!
//! Times are durations since an epoch of the caller's.

mod cost;
mod fair;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

pub(crate) use cost::Cost;
use fair::Fair;
use queue::Queue;

/// Whose turn it is when there is more to do than the models can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody waits for the answer.
    Interactive,
    /// Loads of work: whole collections, streams.
    Bulk,
    /// Nobody waits for the answer.
    Shadow,
}

impl Priority {
    /// All, the first first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Bulk, Self::Shadow];

    fn index(self) -> usize {
        self as usize
    }
}

/// A text on its way to a model.
#[derive(Debug)]
pub(crate) struct Item<T> {
    /// Which model's queue.
    pub lane: usize,
    /// Whose turn it is.
    pub priority: Priority,
    /// Tokens of the text; at least 1.
    pub tokens: u32,
    /// When the answer is of no use any more.
    pub deadline: Option<Duration>,
    /// The text itself.
    pub what: T,
}

/// Names an item that waits.
pub(crate) type Id = u64;

/// Texts to run together.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    /// Which model's.
    pub lane: usize,
    /// What it costs, in tokens: those of its texts, and padding as far as the model computes it.
    pub load: usize,
    /// In order of their length.
    pub items: Vec<(Id, Item<T>)>,
}

/// What a runner is to do.
#[derive(Debug)]
pub(crate) enum Next<T> {
    /// Run this.
    Run(Batch<T>),
    /// Ask again at that time, or when there is something new.
    Wait(Duration),
    /// Ask again when there is something new.
    Nothing,
}

/// Bounds on one batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Its load; a single text may have more.
    pub tokens: usize,
    /// Texts.
    pub texts: usize,
    /// What a token of padding costs, as a part of one of a text.
    pub padding: f64,
}

impl Bounds {
    /// The load of texts of so many tokens, and so many with their padding.
    fn load(&self, tokens: usize, padded: usize) -> usize {
        tokens + ((padded - tokens) as f64 * self.padding).ceil() as usize
    }
}

/// What a runner remembers of its last batch, for whose callers it may wait a little: they are likely to come back.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Last {
    texts: usize,
    linger_until: Duration,
}

/// Padding that a batch may always have, as a part of its load.
const PADDING: f64 = 0.1;

/// A runner waits for its last callers to come back for this part of the time their batch took, and no longer than that.
const LINGER_PART: u32 = 32;
const LONGEST_LINGER: Duration = Duration::from_millis(2);

/// All that waits for the models of one device.
pub(crate) struct Scheduler<T> {
    items: HashMap<Id, Item<T>>,
    /// By lane, by priority.
    queues: Vec<[Queue; 3]>,
    costs: Vec<Cost>,
    bounds: Vec<Bounds>,
    fair: Fair,
    next_id: Id,
    /// By priority.
    tokens: [usize; 3],
    expired: Vec<(Id, Item<T>)>,
}

impl<T> Scheduler<T> {
    /// `bounds`: of a batch, by lane.
    #[must_use]
    pub(crate) fn new(bounds: Vec<Bounds>) -> Self {
        Self {
            items: HashMap::new(),
            queues: bounds.iter().map(|_| Default::default()).collect(),
            costs: vec![Cost::default(); bounds.len()],
            bounds,
            fair: Fair::default(),
            next_id: 0,
            tokens: [0; 3],
            expired: Vec::new(),
        }
    }

    /// Texts that wait.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// How long those will take who wait and have their turn no later than those of this priority, on any lane.
    #[must_use]
    pub(crate) fn time_before(&self, priority: Priority) -> Duration {
        let lanes = self.queues.iter().enumerate();
        lanes
            .map(|(lane, queues)| {
                let tokens = queues[..=priority.index()].iter().map(Queue::tokens).sum();
                self.queue_time(lane, tokens)
            })
            .sum()
    }

    /// How long so many tokens of a lane will take.
    pub(crate) fn queue_time(&self, lane: usize, tokens: usize) -> Duration {
        self.costs[lane].queue(tokens, self.bounds[lane].tokens)
    }

    /// What batches of a lane cost.
    #[must_use]
    pub(crate) fn cost(&self, lane: usize) -> &Cost {
        &self.costs[lane]
    }

    /// Take an item in.
    pub(crate) fn push(&mut self, item: Item<T>) -> Id {
        let id = self.next_id;
        self.next_id += 1;
        self.enqueue(id, item);
        id
    }

    fn enqueue(&mut self, id: Id, item: Item<T>) {
        let class = item.priority.index();
        if self.tokens[class] == 0 {
            self.fair.wake(item.priority, |class| self.tokens[class] > 0);
        }
        self.tokens[class] += item.tokens as usize;
        self.queues[item.lane][class].insert(id, item.tokens);
        self.items.insert(id, item);
    }

    /// Take an item out, which has not been run.
    pub(crate) fn remove(&mut self, id: Id) -> Option<Item<T>> {
        let item = self.items.remove(&id)?;
        let class = item.priority.index();
        self.tokens[class] -= item.tokens as usize;
        self.queues[item.lane][class].remove(id, item.tokens);
        Some(item)
    }

    /// Somebody else waits for this item too: it gets the better of both turns, and the later deadline.
    pub(crate) fn join(&mut self, id: Id, priority: Priority, deadline: Option<Duration>) {
        if let Some(mut item) = self.remove(id) {
            item.priority = item.priority.min(priority);
            item.deadline = item.deadline.zip(deadline).map(|(one, other)| one.max(other));
            self.enqueue(id, item);
        }
    }

    /// Items whose deadline cannot be met any more, found by `next` since they were last asked for.
    pub(crate) fn expired(&mut self) -> Vec<(Id, Item<T>)> {
        std::mem::take(&mut self.expired)
    }

    /// What to run now.
    ///
    /// The priority whose turn it is, by its share of the tokens; of that, the lane of the oldest text; and with this
    /// text those next to it in length.
    pub(crate) fn next(&mut self, now: Duration, last: Last) -> Next<T> {
        loop {
            let Some(priority) = self.fair.turn(|class| self.tokens[class] > 0) else { return Next::Nothing };
            let class = priority.index();
            let oldest =
                self.queues.iter().enumerate().filter_map(|(lane, queues)| Some((queues[class].oldest()?, lane)));
            let Some((id, lane)) = oldest.min() else { return Next::Nothing };
            if self.hopeless(now, id) {
                let item = self.remove(id);
                self.expired.extend(item.map(|item| (id, item)));
                continue;
            }
            let (ids, load) = self.fill(now, lane, class, id);
            let full = load * 2 > self.bounds[lane].tokens;
            if now < last.linger_until && ids.len() < last.texts && !full {
                return Next::Wait(last.linger_until);
            }
            let items: Vec<_> = ids.into_iter().filter_map(|id| Some((id, self.remove(id)?))).collect();
            self.fair.serve(priority, load);
            return Next::Run(Batch { lane, load, items });
        }
    }

    /// A batch has been run: what it was, when it ended, how long it took. None: in parts, which says nothing about the
    /// next one.
    pub(crate) fn ran(
        &mut self,
        lane: usize,
        load: usize,
        texts: usize,
        now: Duration,
        took: Option<Duration>,
    ) -> Last {
        let took = took.inspect(|&took| self.costs[lane].learn(load, took)).unwrap_or_default();
        let linger = if texts > 1 { (took / LINGER_PART).min(LONGEST_LINGER) } else { Duration::ZERO };
        Last { texts, linger_until: now + linger }
    }

    /// Whether an item comes too late, or would even if it were run at once, alone. The latter is an estimate, which one
    /// slow batch may spoil: what is alone is run all the same, and shows what batches cost now.
    fn hopeless(&self, now: Duration, id: Id) -> bool {
        let item = &self.items[&id];
        let estimate =
            if self.items.len() > 1 { self.costs[item.lane].batch(item.tokens as usize) } else { Duration::ZERO };
        item.deadline.is_some_and(|deadline| now + estimate > deadline)
    }

    /// The items to run with the oldest one, in order of length, and their load.
    fn fill(&self, now: Duration, lane: usize, class: usize, oldest: Id) -> (Vec<Id>, usize) {
        let (bounds, cost) = (self.bounds[lane], &self.costs[lane]);
        let spare = cost.batch_in_tokens();
        // Nothing left is no time at all: None is what is too late already.
        let slack = |id: Id| match self.items[&id].deadline {
            Some(deadline) => deadline.checked_sub(now),
            None => Some(Duration::MAX),
        };
        let tokens = self.items[&oldest].tokens;
        let (mut shorter, mut longer) = self.queues[lane][class].around(oldest, tokens);
        let (mut below, mut above) = (Vec::new(), vec![oldest]);
        let (mut longest, mut real, mut least_slack) =
            (tokens as usize, tokens as usize, slack(oldest).unwrap_or_default());
        let mut count = 1;
        for _ in 0..bounds.texts.saturating_mul(2) {
            let (down, up) = (shorter.peek().copied(), longer.peek().copied());
            let upwards = match (down, up) {
                (None, None) => break,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                // A shorter text pads itself, a longer one pads all the others.
                (Some((low, _)), Some((high, _))) => (high as usize - longest) * count < longest - low as usize,
            };
            let Some((length, id)) = (if upwards { up } else { down }) else { break };
            let (would_be_longest, would_be_real) = (longest.max(length as usize), real + length as usize);
            let load = bounds.load(would_be_real, would_be_longest * (count + 1));
            let fits = load <= bounds.tokens
                && count < bounds.texts
                && load - would_be_real <= spare.max((load as f64 * PADDING) as usize);
            if !fits {
                // What lies beyond it in this direction fits even less.
                if upwards {
                    longer = Queue::none();
                } else {
                    shorter = Queue::none();
                }
                continue;
            }
            if upwards {
                longer.next()
            } else {
                shorter.next()
            };
            // One with too little time for so large a batch gets a turn of its own, or is told that it is too late.
            let Some(least) = slack(id).map(|slack| slack.min(least_slack)) else { continue };
            if least < Duration::MAX && cost.batch(load) > least {
                continue;
            }
            (longest, real, least_slack) = (would_be_longest, would_be_real, least);
            count += 1;
            if upwards { above.push(id) } else { below.push(id) }
        }
        below.reverse();
        below.extend(above);
        (below, bounds.load(real, longest * count))
    }
}
