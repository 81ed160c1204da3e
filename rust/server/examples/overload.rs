//! Calls Embed at a fixed rate, whatever becomes of the calls before, and tells what became of all.
//!
//! `overload HOST:PORT MODEL CALLS_PER_SECOND SECONDS DEADLINE_MS FILE` sends the lines of FILE, a text a call, each with
//! a number that makes it new. Prints a line of JSON: how many ended well, refused (`RESOURCE_EXHAUSTED`), late
//! (`DEADLINE_EXCEEDED`) and otherwise, and the percentiles of the time that the first two took, in microseconds.

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::{Error, call, connect, percentile, request};

const OK: u8 = 0;
const DEADLINE_EXCEEDED: u8 = 4;
const RESOURCE_EXHAUSTED: u8 = 8;

/// What went wrong before there was a status.
const BROKEN: u8 = 255;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, model, rate, seconds, deadline, file] = &arguments[..] else {
        return Err("say HOST:PORT MODEL CALLS_PER_SECOND SECONDS DEADLINE_MS FILE".into());
    };
    let (rate, seconds): (f64, f64) = (rate.parse()?, seconds.parse()?);
    let timeout = format!("{}m", deadline.parse::<u32>()?);
    let texts: Vec<String> = std::fs::read_to_string(file)?.lines().map(str::to_owned).collect();
    let client = connect(address).await?;
    let uri: http::Uri = format!("http://{address}/crossfade.v1.EmbeddingService/Embed").parse()?;
    let taken: Arc<Mutex<BTreeMap<u8, Vec<u128>>>> = Arc::default();
    let began = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..(rate * seconds) as usize {
        tokio::time::sleep_until((began + Duration::from_secs_f64(number as f64 / rate)).into()).await;
        let body = request(model, format!("{} {number}", texts[number % texts.len()]));
        let (client, uri, timeout, taken) = (client.clone(), uri.clone(), timeout.clone(), Arc::clone(&taken));
        calls.spawn(async move {
            let sent = Instant::now();
            let status = call(&client, &uri, body, Some(&timeout)).await.unwrap_or(BROKEN);
            let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.entry(status).or_default().push(sent.elapsed().as_micros());
        });
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
    let all = began.elapsed();
    let mut taken = std::mem::take(&mut *taken.lock().unwrap_or_else(PoisonError::into_inner));
    let mut of = |status: u8| {
        let mut times = taken.remove(&status).unwrap_or_default();
        times.sort_unstable();
        times
    };
    let (well, refused, late) = (of(OK), of(RESOURCE_EXHAUSTED), of(DEADLINE_EXCEEDED));
    let others: usize = taken.values().map(Vec::len).sum();
    println!(
        "{{\"seconds\": {:.3}, \"ok\": {}, \"refused\": {}, \"late\": {}, \"others\": {others}, \"ok_p99_us\": {}, \
         \"refused_p50_us\": {}, \"refused_p99_us\": {}}}",
        all.as_secs_f64(),
        well.len(),
        refused.len(),
        late.len(),
        percentile(&well, 990),
        percentile(&refused, 500),
        percentile(&refused, 990)
    );
    Ok(())
}
