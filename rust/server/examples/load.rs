//! Calls Embed over one connection, a text a call, and tells how fast it was answered.
//!
//! `load HOST:PORT MODEL CONCURRENCY CALLS [FILE]` prints a line of JSON: calls a second, and the percentiles of the time
//! that a call took, in microseconds. FILE holds the texts, one a line; without it they are short, and no two alike. The
//! first tenth of the calls is not counted.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::{Error, call, connect, percentile, request};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, model, concurrency, calls, rest @ ..] = &arguments[..] else {
        return Err("say HOST:PORT MODEL CONCURRENCY CALLS [FILE]".into());
    };
    let (concurrency, calls): (usize, usize) = (concurrency.parse()?, calls.parse()?);
    let texts: Arc<Vec<String>> = match rest.first() {
        Some(file) => Arc::new(std::fs::read_to_string(file)?.lines().map(str::to_owned).collect()),
        None => Arc::default(),
    };
    let client = connect(address).await?;
    let uri: http::Uri = format!("http://{address}/crossfade.v1.EmbeddingService/Embed").parse()?;
    let (next, warm) = (Arc::new(AtomicUsize::new(0)), calls / 10);
    let mut workers = Vec::new();
    for _ in 0..concurrency {
        let (next, uri, model, texts) = (Arc::clone(&next), uri.clone(), model.clone(), Arc::clone(&texts));
        let client = client.clone();
        workers.push(tokio::spawn(async move {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return Ok::<_, Error>(times);
                }
                let text = texts.get(number % texts.len().max(1)).cloned();
                let body =
                    request(&model, text.unwrap_or_else(|| format!("how do I reverse a list in place {number}")));
                let began = Instant::now();
                let status = call(&client, &uri, body, None).await?;
                if status != 0 {
                    return Err(format!("a call ended with status {status}").into());
                }
                if number >= warm {
                    times.push((began, began.elapsed()));
                }
            }
        }));
    }
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await??);
    }
    let first = times.iter().map(|(began, _)| *began).min().ok_or("no call was counted")?;
    let last = times.iter().map(|(began, took)| *began + *took).max().ok_or("no call was counted")?;
    let mut taken: Vec<u128> = times.iter().map(|(_, took)| took.as_micros()).collect();
    taken.sort_unstable();
    println!(
        "{{\"calls_per_second\": {:.1}, \"p50_us\": {}, \"p99_us\": {}, \"p999_us\": {}}}",
        times.len() as f64 / (last - first).as_secs_f64(),
        percentile(&taken, 500),
        percentile(&taken, 990),
        percentile(&taken, 999)
    );
    Ok(())
}
