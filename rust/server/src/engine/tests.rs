//! The engine over a model made for tests.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;

use bytes::Bytes;

use super::*;
use crate::executor::{Call, Found, Matrix, Search};
use crate::schedule::Priority;

/// A token a word; a vector is the sum of the text's ids and their number.
const WORDS: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,
"model":{"type":"WordLevel","vocab":{"[UNK]":1,"a":2,"b":3,"c":4,"bad":5,"nan":6,"wait":7},"unk_token":"[UNK]"}}"#;

#[derive(Default)]
struct Sums {
    batches: Mutex<Vec<Vec<Vec<i64>>>>,
    /// A text with "wait" says that it is here, and goes on when it may.
    gate: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
    running: AtomicUsize,
}

impl Executor for Sums {
    fn infer(&self, _: usize, tokens: Tokens) -> Result<Matrix, Failure> {
        assert_eq!(self.running.fetch_add(1, Ordering::SeqCst), 0, "one batch at a time");
        let rows: Vec<Vec<i64>> = tokens
            .ids
            .chunks(tokens.columns)
            .zip(tokens.mask.chunks(tokens.columns))
            .map(|(ids, mask)| ids.iter().zip(mask).filter(|(_, kept)| **kept == 1).map(|(id, _)| *id).collect())
            .collect();
        if rows.iter().any(|row| row.contains(&7))
            && let Some((here, go)) = &*self.gate.lock().unwrap()
        {
            here.send(()).unwrap();
            let _ = go.recv();
        }
        self.batches.lock().unwrap().push(rows.clone());
        self.running.fetch_sub(1, Ordering::SeqCst);
        if rows.iter().any(|row| row.contains(&5)) {
            return Err(Failure::new(Kind::BundleError, "a bad word"));
        }
        let values = rows.iter().flat_map(|row| {
            let sum: i64 = row.iter().sum();
            [if row.contains(&6) { f32::NAN } else { sum as f32 }, row.len() as f32]
        });
        Ok(Matrix { values: values.collect(), dimension: 2 })
    }

    fn search(&self, _: Vec<Search>) -> Vec<Result<Found, Failure>> {
        Vec::new()
    }

    fn answer(&self, _: &str, _: Bytes, _: &Arc<Call>) -> Result<Bytes, Failure> {
        Ok(Bytes::new())
    }
}

struct House {
    sums: Arc<Sums>,
    engine: Arc<Engine>,
}

impl House {
    fn new(change: impl FnOnce(&mut Setup)) -> Self {
        let tokenizer = Arc::new(TextTokenizer::new(WORDS.as_bytes(), 4).unwrap());
        let reading = |prompt: &str| Reading { lane: 0, prompt: prompt.to_owned(), fingerprint: format!("f{prompt}") };
        let model = |name: &str, query: &str| Model {
            name: name.to_owned(),
            dimension: 2,
            normalise: false,
            tokenizer: Arc::clone(&tokenizer),
            query: reading(query),
            document: reading(""),
            prompts: BTreeMap::from([("c".to_owned(), [reading("c "), reading("c ")])]),
        };
        let mut setup = Setup {
            models: vec![model("one", "a "), model("other", "")],
            lanes: vec![Lane { device: 0, batch_tokens: 16, padding_cost: 1.0 }],
            runners: vec![1],
            queued_tokens: 100,
            longest_wait: Duration::from_secs(10),
            cache_bytes: 0,
        };
        change(&mut setup);
        let (sums, runners) = (Arc::new(Sums::default()), setup.runners.clone());
        let executor: Arc<dyn Executor> = Arc::clone(&sums) as _;
        let engine = Engine::new(executor, setup);
        engine.start(&runners).unwrap();
        sums.batches.lock().unwrap().clear();
        Self { sums, engine }
    }

    /// Have a batch run that waits: it has begun when this returns, and ends when what is returned is dropped.
    async fn occupy(&self) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<Embedded, Failure>>) {
        let (here, is_here) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        *self.sums.gate.lock().unwrap() = Some((here, may_go));
        let engine = Arc::clone(&self.engine);
        let running = tokio::spawn(async move { engine.embed(job(&["wait"])).await });
        tokio::task::spawn_blocking(move || is_here.recv().unwrap()).await.unwrap();
        (go, running)
    }

    fn texts_run(&self) -> usize {
        self.sums.batches.lock().unwrap().iter().map(Vec::len).sum()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.engine.stop();
        *self.sums.gate.lock().unwrap() = None;
        self.engine.join();
    }
}

fn job(texts: &[&str]) -> Job {
    Job {
        model: "one".to_owned(),
        input_type: InputType::Document,
        prompt: String::new(),
        texts: texts.iter().map(|&text| text.to_owned()).collect(),
        refuse_long: false,
        priority: Priority::Interactive,
        deadline: None,
        waits: false,
    }
}

fn vectors(embedded: &Embedded) -> Vec<Vec<f32>> {
    embedded.rows.iter().map(|row| row.vector().to_vec()).collect()
}

async fn kind(house: &House, job: Job) -> Kind {
    house.engine.embed(job).await.map(drop).unwrap_err().kind
}

#[tokio::test]
async fn every_text_gets_its_own_vector_whatever_is_in_the_batch() {
    let house = House::new(|_| {});
    let embedded = house.engine.embed(job(&["a", "b b", "c b a", "", "a a a a a", "a"])).await.unwrap();
    assert_eq!(vectors(&embedded), [[2.0, 1.0], [6.0, 2.0], [9.0, 3.0], [0.0, 0.0], [8.0, 4.0], [2.0, 1.0]]);
    assert_eq!(
        embedded.rows.iter().map(|row| row.truncated).collect::<Vec<_>>(),
        [false, false, false, false, true, false]
    );
    assert_eq!(house.texts_run(), 5, "equal texts run once");
    assert_eq!(embedded.fingerprint, "f");
}

#[tokio::test]
async fn texts_that_several_threads_tokenise_keep_their_order() {
    let house = House::new(|setup| setup.queued_tokens = 10_000);
    let words = [("a", 2.0), ("b", 3.0), ("c", 4.0)];
    // Spaces are no tokens: they make texts long, and unequal.
    let of = |i: usize| (words[i % 3], words[i / 3 % 3], " ".repeat(100 + i));
    let texts: Vec<String> = (0..500).map(of).map(|((one, _), (two, _), space)| format!("{one}{space}{two}")).collect();
    let expected: Vec<Vec<f32>> = (0..500).map(of).map(|((_, one), (_, two), _)| vec![one + two, 2.0]).collect();
    let all = Job { texts, ..job(&[]) };
    assert_eq!(vectors(&house.engine.embed(all).await.unwrap()), expected);
    let failing = (0..500).map(|i| format!("a{}{}", " ".repeat(100 + i), if i == 400 { "a a a a" } else { "" }));
    let refused = Job { texts: failing.collect(), refuse_long: true, ..job(&[]) };
    assert_eq!(kind(&house, refused).await, Kind::LimitExceeded);
}

#[tokio::test]
async fn prompts_are_read_and_equal_readings_share_texts() {
    let house = House::new(|_| {});
    let query = Job { input_type: InputType::Query, ..job(&["b"]) };
    let embedded = house.engine.embed(query).await.unwrap();
    assert_eq!((vectors(&embedded), embedded.fingerprint.as_str()), (vec![vec![5.0, 2.0]], "fa "));
    let named = Job { prompt: "c".to_owned(), ..job(&["b"]) };
    assert_eq!(vectors(&house.engine.embed(named).await.unwrap()), [[7.0, 2.0]]);
    assert_eq!(kind(&house, Job { prompt: "d".to_owned(), ..job(&["b"]) }).await, Kind::NotFound);
    assert_eq!(kind(&house, Job { model: "none".to_owned(), ..job(&["b"]) }).await, Kind::NotFound);
    assert_eq!(kind(&house, Job { refuse_long: true, ..job(&["a a a a a"]) }).await, Kind::LimitExceeded);
}

#[tokio::test]
async fn one_bad_text_fails_alone() {
    let house = House::new(|_| {});
    let (go, first) = house.occupy().await;
    let calls: Vec<_> = ["a", "bad", "b", "c", "nan"]
        .into_iter()
        .map(|text| {
            let engine = Arc::clone(&house.engine);
            tokio::spawn(async move { engine.embed(job(&[text])).await.map(|embedded| vectors(&embedded)) })
        })
        .collect();
    while house.engine.counts().waiting < 5 {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert_eq!(answers[1].as_ref().unwrap_err().message, "a bad word");
    assert!(answers[4].as_ref().unwrap_err().message.contains("NaN"));
    let well = [&answers[0], &answers[2], &answers[3]].map(|answer| answer.as_ref().unwrap().clone());
    assert_eq!(well, [[[2.0, 1.0]], [[3.0, 1.0]], [[4.0, 1.0]]]);
    let model = house.engine.model("one").unwrap();
    assert!(house.engine.healthy(model));
    assert_eq!(kind(&house, job(&["bad"])).await, Kind::BundleError);
    assert!(!house.engine.healthy(model));
    house.engine.embed(job(&["a"])).await.unwrap();
    assert!(house.engine.healthy(model));
}

#[tokio::test]
async fn what_nobody_waits_for_never_runs() {
    let house = House::new(|_| {});
    let (go, first) = house.occupy().await;
    let engine = Arc::clone(&house.engine);
    let leaver = tokio::spawn(async move { engine.embed(job(&["a", "b"])).await });
    let engine = Arc::clone(&house.engine);
    let joiner = tokio::spawn(async move { engine.embed(job(&["b", "c"])).await });
    while house.engine.counts().waiting < 3 || house.engine.counts().joined < 1 {
        tokio::task::yield_now().await;
    }
    leaver.abort();
    assert!(leaver.await.is_err());
    assert_eq!(house.engine.counts().waiting, 2, "the joiner's");
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(vectors(&joiner.await.unwrap().unwrap()), [[3.0, 1.0], [4.0, 1.0]]);
    assert_eq!(house.texts_run(), 3);
    assert_eq!(house.engine.counts().queued_tokens, 0);
}

#[tokio::test]
async fn calls_are_let_in_by_tokens_and_streams_wait() {
    let house = House::new(|setup| setup.queued_tokens = 8);
    let budget = house.engine.budget();
    let held = [budget.take(Priority::Interactive, 6).unwrap(), budget.take(Priority::Interactive, 2).unwrap()];
    let refused = house.engine.embed(job(&["a a", "b b"])).await.map(drop).unwrap_err();
    assert_eq!(refused.kind, Kind::Overloaded);
    assert!(refused.retry_after.is_some());
    let engine = Arc::clone(&house.engine);
    let waiting = Job { waits: true, priority: Priority::Bulk, ..job(&["a a", "b b"]) };
    let stream = tokio::spawn(async move { engine.embed(waiting).await });
    tokio::task::yield_now().await;
    assert!(!stream.is_finished());
    assert_eq!(house.engine.counts().queued_tokens, 8);
    drop(held);
    assert_eq!(stream.await.unwrap().unwrap().rows.len(), 2);
    assert_eq!((house.engine.counts().queued_tokens, house.engine.counts().refused), (0, 1));
}

#[tokio::test]
async fn known_texts_come_from_the_cache() {
    let house = House::new(|setup| setup.cache_bytes = 1 << 20);
    let first = house.engine.embed(job(&["a", "b"])).await.unwrap();
    let again = house.engine.embed(job(&["b", "a", "c"])).await.unwrap();
    assert_eq!(vectors(&again)[..2], [vectors(&first)[1].clone(), vectors(&first)[0].clone()]);
    assert_eq!(house.texts_run(), 3);
    let counts = house.engine.counts();
    assert_eq!((counts.cache_hits, counts.cache_misses), (2, 3));
    assert!(counts.cache_bytes > 0);
    // The same text with another prompt is another.
    house.engine.embed(Job { input_type: InputType::Query, ..job(&["a"]) }).await.unwrap();
    assert_eq!(house.engine.counts().cache_misses, 4);
}

#[tokio::test]
async fn whoever_waits_when_it_stops_is_told() {
    let house = House::new(|_| {});
    let (go, first) = house.occupy().await;
    let engine = Arc::clone(&house.engine);
    let waiting = tokio::spawn(async move { engine.embed(job(&["a"])).await });
    while house.engine.counts().waiting < 1 {
        tokio::task::yield_now().await;
    }
    house.engine.stop();
    assert_eq!(waiting.await.unwrap().map(drop).unwrap_err().kind, Kind::Unavailable);
    assert_eq!(first.await.unwrap().map(drop).unwrap_err().kind, Kind::Unavailable);
    assert_eq!(kind(&house, job(&["a"])).await, Kind::Unavailable);
    drop(go);
}
