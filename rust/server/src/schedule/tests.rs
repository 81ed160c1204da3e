//! The scheduler against a clock that a test moves.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

const ROOM: Bounds = Bounds { tokens: 100, texts: 8, padding: 1.0 };

fn item(priority: Priority, tokens: u32) -> Item<u32> {
    Item { lane: 0, priority, tokens, deadline: None, what: tokens }
}

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn run<T: std::fmt::Debug>(next: Next<T>) -> Batch<T> {
    match next {
        Next::Run(batch) => batch,
        other => panic!("{other:?}"),
    }
}

fn priority_of(batch: &Batch<u32>) -> Priority {
    batch.items[0].1.priority
}

fn lengths(batch: &Batch<u32>) -> Vec<u32> {
    batch.items.iter().map(|(_, item)| item.tokens).collect()
}

#[test]
fn a_batch_is_the_oldest_text_and_those_next_to_it_in_length() {
    let mut scheduler = Scheduler::new(vec![ROOM]);
    for tokens in [20, 3, 19, 50, 21, 18, 4, 20] {
        scheduler.push(item(Priority::Interactive, tokens));
    }
    // 5 of 20 would fill the room, 5 of 21 are too much: what is shorter is taken first, as it pads only itself.
    assert_eq!(lengths(&run(scheduler.next(at(0), Last::default()))), [18, 19, 20, 20]);
    assert_eq!(lengths(&run(scheduler.next(at(0), Last::default()))), [3]);
    assert_eq!(lengths(&run(scheduler.next(at(0), Last::default()))), [50]);
    assert_eq!(lengths(&run(scheduler.next(at(0), Last::default()))), [21]);
    assert_eq!(lengths(&run(scheduler.next(at(0), Last::default()))), [4]);
    assert!(matches!(scheduler.next(at(0), Last::default()), Next::Nothing));
}

#[test]
fn padding_that_costs_less_than_a_batch_of_its_own_is_taken() {
    let mut scheduler = Scheduler::new(vec![ROOM]);
    for tokens in [10, 20, 30, 40] {
        // A batch costs 40 tokens before the first one.
        scheduler.ran(0, tokens, 1, at(0), Some(Duration::from_micros(40 + tokens as u64)));
    }
    scheduler.push(item(Priority::Interactive, 5));
    scheduler.push(item(Priority::Interactive, 30));
    assert_eq!(lengths(&run(scheduler.next(at(0), Last::default()))), [5, 30]);
}

#[test]
fn padding_that_is_not_computed_does_not_part_texts() {
    let mut scheduler = Scheduler::new(vec![Bounds { padding: 0.02, ..ROOM }]);
    for tokens in [20, 3, 40, 9] {
        scheduler.push(item(Priority::Interactive, tokens));
    }
    let batch = run(scheduler.next(at(0), Last::default()));
    assert_eq!(lengths(&batch), [3, 9, 20, 40]);
    assert_eq!(batch.load, 72 + 2); // 88 tokens of padding
}

#[test]
fn a_text_longer_than_a_batch_runs_alone() {
    let mut scheduler = Scheduler::new(vec![ROOM]);
    scheduler.push(item(Priority::Bulk, 1000));
    scheduler.push(item(Priority::Bulk, 1000));
    assert_eq!(lengths(&run(scheduler.next(at(0), Last::default()))), [1000]);
    assert_eq!(lengths(&run(scheduler.next(at(0), Last::default()))), [1000]);
}

#[test]
fn under_full_load_tokens_are_shared_by_weight() {
    let mut scheduler = Scheduler::new(vec![ROOM]);
    let mut served = [0_usize; 3];
    for _ in 0..2000 {
        for priority in Priority::ALL {
            while scheduler.tokens[priority.index()] < 200 {
                scheduler.push(item(priority, 25));
            }
        }
        let batch = run(scheduler.next(at(0), Last::default()));
        served[priority_of(&batch).index()] += batch.load;
    }
    let all: usize = served.iter().sum();
    let parts = served.map(|tokens| tokens as f64 / all as f64);
    for (part, weight) in parts.into_iter().zip([0.8, 0.15, 0.05]) {
        assert!((part - weight).abs() < 0.01, "{parts:?}");
    }
}

#[test]
fn a_few_interactive_texts_go_before_any_bulk() {
    let mut scheduler = Scheduler::new(vec![ROOM]);
    let mut waited = 0;
    for round in 0..200 {
        while scheduler.tokens[Priority::Bulk.index()] < 1000 {
            scheduler.push(item(Priority::Bulk, 25));
        }
        if round % 10 == 0 {
            scheduler.push(item(Priority::Interactive, 10));
            let batch = run(scheduler.next(at(round), Last::default()));
            waited += usize::from(priority_of(&batch) != Priority::Interactive);
        } else {
            run(scheduler.next(at(round), Last::default()));
        }
    }
    assert_eq!(waited, 0);
}

#[test]
fn what_comes_too_late_is_not_run_and_is_told() {
    let mut scheduler = Scheduler::new(vec![ROOM]);
    scheduler.ran(0, 100, 1, at(0), Some(at(100)));
    let with = |deadline| Item { deadline: Some(at(deadline)), ..item(Priority::Interactive, 50) };
    scheduler.push(with(40)); // a batch of 50 tokens takes 50 ms
    scheduler.push(with(60));
    scheduler.push(with(1000)); // together they would take 100 ms
    assert_eq!(run(scheduler.next(at(0), Last::default())).items.len(), 1);
    assert_eq!(scheduler.expired().len(), 1);
    assert_eq!(run(scheduler.next(at(60), Last::default())).items.len(), 1);
    assert_eq!(scheduler.len(), 0);
}

#[test]
fn one_slow_batch_does_not_refuse_for_ever() {
    let mut scheduler = Scheduler::new(vec![ROOM]);
    scheduler.ran(0, 50, 1, at(0), Some(at(60_000)));
    for round in 1..200 {
        scheduler.push(Item { deadline: Some(at(round * 1000 + 500)), ..item(Priority::Interactive, 50) });
        let batch = run(scheduler.next(at(round * 1000), Last::default()));
        scheduler.ran(0, batch.load, 1, at(round * 1000 + 10), Some(at(10)));
    }
    assert!(scheduler.cost(0).batch(50) < at(500), "{:?}", scheduler.cost(0).batch(50));
    // What is too late is not run, however alone it is.
    scheduler.push(Item { deadline: Some(at(5)), ..item(Priority::Interactive, 50) });
    assert!(matches!(scheduler.next(at(300_000), Last::default()), Next::Nothing));
    assert_eq!(scheduler.expired().len(), 1);
}

#[test]
fn a_runner_waits_for_its_last_callers_and_no_longer() {
    let mut scheduler = Scheduler::new(vec![ROOM]);
    let last = scheduler.ran(0, 40, 4, at(100), Some(at(32)));
    assert!(matches!(scheduler.next(at(100), last), Next::Nothing));
    scheduler.push(item(Priority::Interactive, 10));
    assert!(matches!(scheduler.next(at(100), last), Next::Wait(until) if until == at(101)));
    assert_eq!(run(scheduler.next(at(101), last)).items.len(), 1);
    // Nobody is waited for who was alone.
    let last = scheduler.ran(0, 10, 1, at(200), Some(at(32)));
    scheduler.push(item(Priority::Interactive, 10));
    assert_eq!(run(scheduler.next(at(200), last)).items.len(), 1);
    // As many as there were, or half a batch: no need to wait.
    let last = scheduler.ran(0, 20, 2, at(300), Some(at(32)));
    scheduler.push(item(Priority::Interactive, 10));
    scheduler.push(item(Priority::Interactive, 10));
    assert_eq!(run(scheduler.next(at(300), last)).items.len(), 2);
}

#[test]
fn joining_gives_the_better_turn_and_the_later_deadline() {
    let mut scheduler = Scheduler::new(vec![ROOM]);
    let shadow = Item { deadline: Some(at(10)), ..item(Priority::Shadow, 5) };
    let id = scheduler.push(shadow);
    scheduler.join(id, Priority::Bulk, Some(at(5)));
    assert_eq!((scheduler.items[&id].priority, scheduler.items[&id].deadline), (Priority::Bulk, Some(at(10))));
    scheduler.join(id, Priority::Shadow, None);
    assert_eq!((scheduler.items[&id].priority, scheduler.items[&id].deadline), (Priority::Bulk, None));
    assert_eq!(scheduler.tokens, [0, 5, 0]);
}

/// What a random day brings.
#[derive(Debug, Clone)]
enum Event {
    Push { lane: usize, priority: usize, tokens: u32, patience: Option<u64> },
    Remove(usize),
    Join(usize, usize),
    Next,
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let push = (0..3_usize, 0..3_usize, 1..60_u32, prop::option::of(0..400_u64))
        .prop_map(|(lane, priority, tokens, patience)| Event::Push { lane, priority, tokens, patience });
    let event = prop_oneof![
        5 => push,
        1 => (0..50_usize).prop_map(Event::Remove),
        1 => (0..50_usize, 0..3_usize).prop_map(|(which, priority)| Event::Join(which, priority)),
        3 => Just(Event::Next),
        2 => (0..50_u64).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 0..200)
}

proptest! {
    /// Every text that was pushed and not removed comes out exactly once, run or told that it is too late; batches keep
    /// to their bounds, to one lane and one priority; nothing that is too late is run; the count of tokens is right.
    #[test]
    fn no_text_is_lost_or_doubled(events in events()) {
        let bounds = vec![ROOM, Bounds { tokens: 40, texts: 3, padding: 1.0 }, Bounds { padding: 0.25, ..ROOM }];
        let mut scheduler = Scheduler::new(bounds.clone());
        let mut there: HashMap<Id, (usize, u32)> = HashMap::new();
        let (mut now, mut last) = (Duration::ZERO, Last::default());
        let mut order: Vec<Id> = Vec::new();
        let mut gone: HashSet<Id> = HashSet::new();
        let tail = std::iter::repeat_n(Event::Next, 400);
        for event in events.into_iter().chain(tail) {
            match event {
                Event::Push { lane, priority, tokens, patience } => {
                    let deadline = patience.map(|patience| now + at(patience));
                    let priority = Priority::ALL[priority];
                    let id = scheduler.push(Item { lane, priority, tokens, deadline, what: tokens });
                    prop_assert!(there.insert(id, (lane, tokens)).is_none());
                    order.push(id);
                }
                Event::Remove(which) => {
                    if let Some(&id) = order.get(which) {
                        prop_assert_eq!(scheduler.remove(id).is_some(), there.remove(&id).is_some());
                        gone.insert(id);
                    }
                }
                Event::Join(which, priority) => {
                    if let Some(&id) = order.get(which) {
                        scheduler.join(id, Priority::ALL[priority], None);
                    }
                }
                Event::Pass(milliseconds) => now += at(milliseconds),
                Event::Next => {
                    let next = scheduler.next(now, last);
                    for (id, item) in scheduler.expired() {
                        prop_assert!(item.deadline.unwrap() < now + scheduler.cost(item.lane).batch(item.tokens as usize).max(at(1)));
                        prop_assert!(there.remove(&id).is_some());
                    }
                    match next {
                        Next::Run(batch) => {
                            let (load, bound) = (batch.load, bounds[batch.lane]);
                            let real: usize = batch.items.iter().map(|(_, item)| item.tokens as usize).sum();
                            let longest = batch.items.iter().map(|(_, item)| item.tokens).max().unwrap() as usize;
                            let padding = longest * batch.items.len() - real;
                            prop_assert_eq!(load, real + (padding as f64 * bound.padding).ceil() as usize);
                            prop_assert!(batch.items.len() == 1 || load <= bound.tokens);
                            prop_assert!(batch.items.len() <= bounds[batch.lane].texts);
                            let spare = scheduler.cost(batch.lane).batch_in_tokens().max(load / 10);
                            prop_assert!(load - real <= spare, "{} of {}", real, load);
                            let took = Duration::from_micros(300 + 50 * load as u64);
                            for (id, item) in &batch.items {
                                prop_assert_eq!(there.remove(id), Some((batch.lane, item.tokens)));
                                prop_assert_eq!(item.lane, batch.lane);
                                prop_assert_eq!(item.priority, priority_of(&batch));
                                prop_assert!(item.deadline.is_none_or(|deadline| deadline >= now));
                            }
                            now += took;
                            last = scheduler.ran(batch.lane, load, batch.items.len(), now, Some(took));
                        }
                        Next::Wait(until) => {
                            prop_assert!(until > now && until.checked_sub(now).unwrap() <= LONGEST_LINGER);
                            now = until;
                        }
                        Next::Nothing => prop_assert!(there.is_empty()),
                    }
                }
            }
            let waiting: usize = there.values().map(|(_, tokens)| *tokens as usize).sum();
            prop_assert_eq!(scheduler.tokens.iter().sum::<usize>(), waiting);
            let queued: usize = scheduler.queues.iter().flatten().map(Queue::tokens).sum();
            prop_assert_eq!(queued, waiting);
            prop_assert_eq!(scheduler.len(), there.len());
        }
        prop_assert!(there.is_empty());
    }

    /// Of one lane and one priority, no text is overtaken for ever: whatever comes meanwhile, a text is in the batch of
    /// those that were there before it, at the latest.
    #[test]
    fn the_oldest_text_is_in_the_next_batch(lengths in prop::collection::vec(1..60_u32, 1..60)) {
        let mut scheduler = Scheduler::new(vec![ROOM]);
        let mut oldest: Vec<Id> = lengths.iter().map(|&tokens| scheduler.push(item(Priority::Bulk, tokens))).collect();
        while !oldest.is_empty() {
            scheduler.push(item(Priority::Bulk, 7));
            let batch = run(scheduler.next(Duration::ZERO, Last::default()));
            let ids: HashSet<Id> = batch.items.iter().map(|(id, _)| *id).collect();
            prop_assert!(ids.contains(&oldest[0]));
            oldest.retain(|id| !ids.contains(id));
        }
    }
}
