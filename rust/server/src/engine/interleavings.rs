//! The queue under loom: in every order in which a caller, another who joins or leaves, a runner and the end may meet, a
//! text is answered once to whoever still waits, and nothing is left behind.

use std::sync::Arc;
use std::time::Instant;

use loom::thread;

use super::device::{Arrival, Device, Key, Text};
use super::ticket::{Row, Span, Ticket};
use crate::executor::Matrix;
use crate::schedule::{Bounds, Last, Priority};
use crate::tokenise::Encoded;

fn device() -> Arc<Device> {
    Arc::new(Device::new(vec![Bounds { tokens: 64, texts: 8, padding: 1.0 }]))
}

fn arrival() -> Arrival {
    Arrival { lane: 0, priority: Priority::Interactive, deadline: None }
}

fn key() -> Key {
    (0, Arc::from("text"))
}

/// As `Engine::embed` does it.
fn ask(device: &Device) -> Arc<Ticket> {
    let ticket = Ticket::new(1);
    if !device.join(&key(), &arrival(), &ticket, 0) {
        let encoded = Encoded { ids: [1, 2].into(), truncated: false };
        device.send(vec![(0, Text { key: key(), encoded, permit: None })], &arrival(), &ticket);
    }
    ticket
}

/// As `Engine::run` does it; how many texts were run.
fn run(device: &Device, batches: usize) -> usize {
    let mut texts = 0;
    for _ in 0..batches {
        let Some(batch) = device.next(Last::default()) else { break };
        let matrix = Arc::new(Matrix { values: vec![1.0; batch.items.len()], dimension: 1 });
        let now = Instant::now();
        let rows = batch
            .items
            .into_iter()
            .enumerate()
            .map(|(row, (_, item))| (item.what.key, Ok(Row::of(&matrix, row, item.tokens, false))));
        let rows: Vec<_> = rows.collect();
        texts += rows.len();
        device.land(rows, Span { began: now, ended: now });
    }
    texts
}

#[test]
fn two_who_ask_for_one_text_are_both_answered() {
    loom::model(|| {
        let device = device();
        let asking = {
            let device = Arc::clone(&device);
            thread::spawn(move || ask(&device))
        };
        let running = {
            let device = Arc::clone(&device);
            // Once, when the second joins the first, or twice: it stops by `stop`.
            thread::spawn(move || run(&device, 3))
        };
        let own = ask(&device);
        let other = asking.join().unwrap();
        // The end comes when it may: each has a row or is told.
        device.stop();
        let texts = running.join().unwrap();
        assert!(texts <= 2);
        for ticket in [own, other] {
            let (rows, failure) = ticket.seen();
            assert_eq!(rows + usize::from(failure.is_some()), 1);
        }
        assert_eq!(device.left(), 0);
    });
}

#[test]
fn one_who_leaves_takes_nothing_from_one_who_stays() {
    loom::model(|| {
        let device = device();
        let leaving = {
            let device = Arc::clone(&device);
            thread::spawn(move || {
                let ticket = ask(&device);
                device.abandon(&[key()], &ticket);
            })
        };
        let staying = ask(&device);
        // There is always something to run: whoever leaves, the one who stays waits for it.
        assert_eq!(run(&device, 1), 1);
        leaving.join().unwrap();
        assert_eq!(staying.seen().0, 1);
        // What the other asked for after that was taken out by its leaving.
        assert_eq!((device.waiting(), device.left()), (0, 0));
    });
}
