//! The whole server over an executor of a few lines, by way of real connections.

#[path = "../examples/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use common::{Error, call, connect, exchange, percentile, request};
use crossfade_server::proto::crossfade::v1::{
    DeleteCollectionRequest, EmbedResponse, ListModelsRequest, ScoreRequest, ScoreResponse, SearchRequest,
    SearchResponse, Vectors,
};
use crossfade_server::{
    Call, Executor, Failure, Found, Kind, Lane, Limits, Matrix, Model, Ranked, Reading, Search, Server, Settings,
    Setup, TextTokenizer, Tokens,
};
use prost::Message;

/// A token a word; a vector is the sum of the text's ids and their number.
const WORDS: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,
"model":{"type":"WordLevel","vocab":{"[UNK]":1,"a":2,"b":3},"unk_token":"[UNK]"}}"#;

const EMBED: &str = "EmbeddingService/Embed";
const SEARCH: &str = "CollectionService/Search";

#[derive(Default)]
struct House {
    /// How many searches came together.
    searches: Mutex<Vec<usize>>,
    answered: Mutex<Vec<String>>,
    /// Of which collections it was asked who reads them.
    read: Mutex<Vec<String>>,
    /// How many searches of "moving" still find that another model's index has come.
    moves: Mutex<usize>,
    /// What the next call of another method waits for.
    gate: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Executor for House {
    fn infer(&self, _: usize, tokens: Tokens) -> Result<Matrix, Failure> {
        let rows = tokens.ids.chunks(tokens.columns).zip(tokens.mask.chunks(tokens.columns));
        let values = rows.flat_map(|(ids, mask)| {
            let sum: i64 = ids.iter().zip(mask).map(|(id, kept)| id * kept).sum();
            [sum as f32, mask.iter().sum::<i64>() as f32]
        });
        Ok(Matrix { values: values.collect(), dimension: 2 })
    }

    fn search(&self, calls: Vec<Search>) -> Vec<Result<Found, Failure>> {
        self.searches.lock().unwrap().push(calls.len());
        let found = calls.into_iter().map(|search| {
            if search.collection == "moving" {
                let mut moves = self.moves.lock().unwrap();
                if *moves > 0 {
                    *moves -= 1;
                    return Err(Failure::new(Kind::FingerprintMismatch, "of another model"));
                }
            } else if search.collection != "docs" {
                return Err(Failure::new(Kind::NotFound, "no such collection"));
            }
            let rows = search.vectors.values.chunks(search.vectors.dimension);
            let hits = Ranked::Plain(rows.map(|row| vec![("hit".to_owned(), row[0])]).collect());
            Ok(Found { hits, query_fingerprint: search.fingerprint, ..Found::default() })
        });
        found.collect()
    }

    fn reader(&self, collection: &str, _: &Arc<Call>) -> Result<String, Failure> {
        self.read.lock().unwrap().push(collection.to_owned());
        if collection == "none" {
            return Err(Failure::new(Kind::NotFound, "no such collection"));
        }
        Ok("model".to_owned())
    }

    fn answer(&self, method: &str, request: Bytes, call: &Arc<Call>) -> Result<Bytes, Failure> {
        call.check()?;
        let gate = self.gate.lock().unwrap().take();
        self.answered.lock().unwrap().push(method.to_owned());
        if let Some(gate) = gate {
            let _ = gate.recv();
        }
        Ok(request)
    }
}

async fn serve(house: &Arc<House>) -> Server {
    let house = Arc::clone(house);
    tokio::task::spawn_blocking(move || start(house)).await.unwrap()
}

fn start(house: Arc<House>) -> Server {
    let tokenizer = Arc::new(TextTokenizer::new(WORDS.as_bytes(), 8).unwrap());
    let reading = Reading { lane: 0, prompt: String::new(), fingerprint: "f".to_owned() };
    let model = Model {
        name: "model".to_owned(),
        dimension: 2,
        normalise: false,
        tokenizer,
        query: reading.clone(),
        document: reading,
        prompts: BTreeMap::new(),
    };
    let setup = Setup {
        models: vec![model],
        lanes: vec![Lane { device: 0, batch_tokens: 64, padding_cost: 1.0 }],
        runners: vec![1],
        queued_tokens: 1000,
        longest_wait: Duration::from_secs(10),
        cache_bytes: 0,
    };
    let limits = Limits {
        texts_per_call: 16,
        text_bytes: 1000,
        message_bytes: 1 << 16,
        k: 100,
        results_per_call: 1000,
        score_vectors: 100,
    };
    let settings = Settings {
        listen: "127.0.0.1:0".to_owned(),
        limits,
        calls: 64,
        connections: 8,
        receiving_bytes: 1 << 20,
        front_threads: 1,
        search_threads: 1,
        keepalive: Duration::from_secs(60),
        keepalive_timeout: Duration::from_secs(20),
    };
    Server::start(house, setup, &settings).unwrap()
}

fn framed(message: &impl Message) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend((message.encoded_len() as u32).to_be_bytes());
    bytes.extend(message.encode_to_vec());
    bytes.into()
}

fn read<M: Message + Default>(answer: &Bytes) -> M {
    M::decode(&answer[5..]).unwrap()
}

fn uri(server: &Server, method: &str) -> http::Uri {
    format!("http://{}/crossfade.v1.{method}", server.address()).parse().unwrap()
}

fn search(collection: &str, text: &str) -> Bytes {
    framed(&SearchRequest {
        collection: collection.to_owned(),
        model: "model".to_owned(),
        texts: vec![text.to_owned()],
        k: 1,
        ..SearchRequest::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_gets_the_answer_to_its_own_call() -> Result<(), Error> {
    let house = Arc::new(House::default());
    let server = serve(&house).await;
    let client = connect(server.address()).await?;
    let embed = uri(&server, EMBED);
    let calls: Vec<_> = (1..=8)
        .flat_map(|words| std::iter::repeat_n(words, 8))
        .map(|words| {
            let (client, embed) = (client.clone(), embed.clone());
            tokio::spawn(async move {
                let text = vec!["b"; words].join(" ");
                (words, exchange(&client, &embed, request("model", text), None).await)
            })
        })
        .collect();
    for call in calls {
        let (words, answer) = call.await?;
        let (status, answer) = answer?;
        assert_eq!(status, 0);
        let answer: EmbedResponse = read(&answer);
        let vectors = answer.vectors.unwrap();
        let value = |at: usize| f32::from_le_bytes(vectors.data[at * 4..][..4].try_into().unwrap());
        assert_eq!((value(0), value(1)), (3.0 * words as f32, words as f32));
        assert_eq!((answer.token_counts, answer.fingerprint.as_str()), (vec![words as u32], "f"));
    }
    assert_eq!(server.active_calls(), 0);
    assert_eq!(tokio::task::spawn_blocking(move || server.finish()).await?, 0);
    assert_eq!(percentile(&[1, 2, 3], 500), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_a_model_is_read_by_the_one_that_the_collection_has() -> Result<(), Error> {
    let house = Arc::new(House::default());
    let server = serve(&house).await;
    let client = connect(server.address()).await?;
    let unnamed = |collection: &str, texts: &[&str]| {
        framed(&SearchRequest {
            collection: collection.to_owned(),
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
            k: 1,
            ..SearchRequest::default()
        })
    };
    let uri = uri(&server, SEARCH);
    let asked = || std::mem::take(&mut *house.read.lock().unwrap()).len();

    let (status, answer) = exchange(&client, &uri, unnamed("docs", &["a b"]), None).await?;
    let answer: SearchResponse = read(&answer);
    assert_eq!((status, answer.results[0].hits[0].score, answer.query_fingerprint.as_str()), (0, 5.0, "f"));
    assert_eq!(asked(), 1);
    // Another's index becomes the one that is searched while the query is embedded: it is asked again.
    *house.moves.lock().unwrap() = 3;
    assert_eq!(exchange(&client, &uri, unnamed("moving", &["a"]), None).await?.0, 0);
    assert_eq!(asked(), 4);
    // Not for ever, and not for a caller who named the model.
    *house.moves.lock().unwrap() = 100;
    assert_eq!(exchange(&client, &uri, unnamed("moving", &["a"]), None).await?.0, 9);
    assert_eq!(asked(), 8);
    assert_eq!(exchange(&client, &uri, search("moving", "a"), None).await?.0, 9);
    // What nobody reads, and what there is nothing to read of.
    assert_eq!(exchange(&client, &uri, unnamed("none", &["a"]), None).await?.0, 5);
    assert_eq!(asked(), 1);
    assert_eq!(exchange(&client, &uri, unnamed("docs", &[]), None).await?.0, 3);
    assert_eq!(asked(), 0);
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_a_model_does_not_wait_for_a_collection_that_goes() -> Result<(), Error> {
    let house = Arc::new(House::default());
    let server = serve(&house).await;
    let client = connect(server.address()).await?;
    let (open, gate) = mpsc::channel();
    *house.gate.lock().unwrap() = Some(gate);
    let going = {
        let (client, uri) = (client.clone(), uri(&server, "CollectionService/DeleteCollection"));
        let gone = DeleteCollectionRequest { name: "other".to_owned() };
        tokio::spawn(async move { exchange(&client, &uri, framed(&gone), None).await })
    };
    while house.answered.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let unnamed =
        SearchRequest { collection: "docs".to_owned(), texts: vec!["a".to_owned()], k: 1, ..SearchRequest::default() };
    // With a deadline, for a server that fails this would wait for ever.
    let status = exchange(&client, &uri(&server, SEARCH), framed(&unnamed), Some("10S")).await?.0;
    open.send(())?;
    assert_eq!(going.await??.0, 0);
    assert_eq!(status, 0);
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_scores_and_cold_calls_find_their_way() -> Result<(), Error> {
    let house = Arc::new(House::default());
    let server = serve(&house).await;
    let client = connect(server.address()).await?;
    let (status, answer) = exchange(&client, &uri(&server, SEARCH), search("docs", "a b"), None).await?;
    let answer: SearchResponse = read(&answer);
    assert_eq!((status, answer.results[0].hits[0].score, answer.query_fingerprint.as_str()), (0, 5.0, "f"));
    assert_eq!(exchange(&client, &uri(&server, SEARCH), search("none", "a"), None).await?.0, 5);

    let matrix = |values: &[f32]| Vectors {
        count: values.len() as u32 / 2,
        dimension: 2,
        data: values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>().into(),
        ..Vectors::default()
    };
    let score = ScoreRequest {
        queries: Some(matrix(&[1.0, 0.0])),
        corpus: Some(matrix(&[0.0, 1.0, 1.0, 0.0])),
        k: 2,
        metric: 2,
    };
    let (status, answer) = exchange(&client, &uri(&server, "ScoringService/Score"), framed(&score), None).await?;
    let answer: ScoreResponse = read(&answer);
    assert_eq!(
        (status, &answer.rankings[0].indices[..], &answer.rankings[0].scores[..]),
        (0, &[1, 0][..], &[1.0, 0.0][..])
    );

    let list = uri(&server, "ModelService/ListModels");
    assert_eq!(exchange(&client, &list, framed(&ListModelsRequest {}), None).await?.0, 0);
    assert_eq!(*house.answered.lock().unwrap(), ["/crossfade.v1.ModelService/ListModels"]);
    assert_eq!(
        exchange(&client, &uri(&server, "ModelService/Nothing"), framed(&ListModelsRequest {}), None).await?.0,
        12
    );
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_and_what_goes_says_so() -> Result<(), Error> {
    let house = Arc::new(House::default());
    let server = serve(&house).await;
    let client = connect(server.address()).await?;
    let embed = uri(&server, EMBED);
    for (body, timeout, expected) in [
        (request("none", "a".to_owned()), None, 5),
        (request("model", "x".repeat(1001)), None, 3),
        (request("model", "x".repeat(1 << 17)), None, 8),
        (request("model", "a".to_owned()), Some("soon"), 3),
        (request("model", "a".to_owned()), Some("0m"), 4),
        (Bytes::from_static(&[0, 0, 0, 0, 2, 0xff, 0xff]), None, 3),
        (request("model", "a".to_owned()), Some("10S"), 0),
    ] {
        assert_eq!(call(&client, &embed, body, timeout).await?, expected, "{timeout:?}");
    }
    let server = Arc::new(server);
    let draining = Arc::clone(&server);
    tokio::task::spawn_blocking(move || draining.begin_drain()).await?;
    assert_eq!(call(&client, &embed, request("model", "a".to_owned()), None).await?, 14);
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}
