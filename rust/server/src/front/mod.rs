//! The door: receives calls, checks their size and their time, and has them answered.
//!
//! Tokens and tenants will be checked in `Front::begin`, before anything is read of a call.

mod calls;
mod channelz;
mod cold;
mod connection;
mod framing;
mod health;
mod hot;
mod limits;
mod search;
mod searches;
mod server;
mod stream;
mod wire;
mod workers;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use calls::{Calls, Counted, Entered, Phase};
use channelz::Sockets;
use connection::Peer;
pub use connection::check_bindable;
use framing::{Answer, Held, Messages, Meter, Received, streaming, unary};
use http::{HeaderMap, Method, Request, Response, StatusCode};
pub use limits::Limits;
use searches::Searches;
pub use server::{Server, Settings};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::{Code, Status};
use tower_service::Service;
use workers::Workers;

use crate::engine::{Engine, quoted};
use crate::executor::{Call, Executor};
use crate::failure::{Failure, Kind};

const EMBED: &str = "/crossfade.v1.EmbeddingService/Embed";
const EMBED_STREAM: &str = "/crossfade.v1.EmbeddingService/EmbedStream";
const SEARCH: &str = "/crossfade.v1.CollectionService/Search";
const SCORE: &str = "/crossfade.v1.ScoringService/Score";

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// A service that is part of gRPC itself: health, reflection, channelz.
type Standard = Box<dyn Fn(Request<Body>) -> Answering + Send + Sync>;

/// All that a call may need.
pub(crate) struct Front {
    engine: Arc<Engine>,
    executor: Arc<dyn Executor>,
    limits: Limits,
    /// Threads of one search; 0 is one for every core.
    threads: usize,
    meter: Arc<Meter>,
    /// How long the message of a call may take to come in.
    patience: Duration,
    calls: Arc<Calls>,
    searches: Searches,
    /// Those that run a model over what was found: seconds, for which no other search should wait.
    reranks: Searches,
    compute: Workers,
    control: Workers,
    /// What tells which model reads a search's texts: it only looks, and does not wait for a collection that goes.
    readers: Workers,
    scoring: Arc<Semaphore>,
    sockets: Arc<Sockets>,
    /// By the beginning of their paths.
    standard: Vec<(String, Standard)>,
}

/// The service of one connection, or of a call on it.
#[derive(Clone)]
pub(crate) struct Door(pub(crate) Arc<Front>);

impl Service<Request<Body>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        let front = Arc::clone(&self.0);
        let path = request.uri().path();
        for (beginning, service) in &front.standard {
            if path.starts_with(beginning.as_str()) {
                return service(request);
            }
        }
        // Before tonic's own timer begins: it ends late calls as CANCELLED, where ours says what they are.
        let received = Instant::now();
        Box::pin(async move { Ok(front.answer(request, received).await) })
    }
}

/// Tells whoever works for a call that nobody waits any more.
struct Leaving(Arc<Call>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Names the tenant of a call.
const TENANT: &str = "crossfade-tenant";
const LONGEST_TENANT: usize = 256;

impl Front {
    async fn answer(self: Arc<Self>, request: Request<Body>, received: Instant) -> Response<Body> {
        if let Some(refused) = not_grpc(&request) {
            return refused;
        }
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let Some(path) = known(path) else {
            let message = format!("there is no method {} here", quoted(path));
            return Status::new(Code::Unimplemented, message).into_http();
        };
        let counted = Counted::start(&self.calls, parts.extensions.get::<Arc<Peer>>().cloned());
        let (call, entered) = match self.begin(&parts.headers, received) {
            Ok(begun) => begun,
            Err(failure) => return failure.status().into_http(),
        };
        let messages = Messages::new(body, &self.meter, self.limits.message_bytes);
        if path == EMBED_STREAM {
            let (answers, end) = self.stream(EMBED_STREAM, messages, call, entered, counted);
            return streaming(answers, end);
        }
        let answer = self.unary(path, messages, &call, &entered).await;
        counted.received();
        if answer.is_ok() {
            counted.sent();
        }
        counted.end(answer.is_ok());
        match answer {
            // A caller that does not read its answer is still one in progress.
            Ok(answer) => {
                let held = Held::answer(&self.meter, &answer);
                unary(answer, (entered, held))
            }
            Err(status) => status.into_http(),
        }
    }

    /// Let a call in.
    fn begin(&self, headers: &HeaderMap, received: Instant) -> Result<(Arc<Call>, Entered), Failure> {
        // A time too far away to be named is none.
        let deadline = timeout(headers)?.and_then(|timeout| received.checked_add(timeout));
        Ok((Arc::new(Call::new(deadline).of(tenant(headers)?)), self.calls.enter()?))
    }

    async fn unary(
        &self,
        path: &'static str,
        messages: Messages,
        call: &Arc<Call>,
        entered: &Entered,
    ) -> Result<Answer, Status> {
        let received = Instant::now();
        let _leaving = Leaving(Arc::clone(call));
        let working = async {
            let receiving = tokio::time::timeout(self.patience, messages.only());
            let message = receiving.await.map_err(|_| self.slow())??;
            self.work(path, message, call, received).await.map_err(|failure| failure.status())
        };
        let late = async {
            match call.deadline() {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = working => answer,
            () = late => Err(Failure::late().status()),
            () = entered.until(Phase::Cut) => Err(Failure::stopping().status()),
        }
    }

    async fn work(
        &self,
        path: &'static str,
        message: Received,
        call: &Arc<Call>,
        received: Instant,
    ) -> Result<Answer, Failure> {
        match path {
            EMBED => self.embed(path, &message.data, call, received).await,
            SEARCH => self.search(path, &message.data, call, received).await,
            SCORE => self.score(path, &message.data, call, received).await,
            _ => self.cold(path, message, call).await,
        }
    }

    /// A message that does not come would hold a place for ever.
    fn slow(&self) -> Status {
        let message = format!(
            "the request did not arrive within {} s: send it at once, or raise CROSSFADE_KEEPALIVE_TIMEOUT_SECONDS on the \
             server",
            self.patience.as_secs_f64()
        );
        Failure::new(Kind::DeadlineExceeded, message).status()
    }
}

/// The path of a method that is known, for as long as the program runs.
fn known(path: &str) -> Option<&'static str> {
    [EMBED, EMBED_STREAM, SEARCH, SCORE].into_iter().find(|known| *known == path).or_else(|| cold::path(path))
}

/// What HTTP itself is answered that is no gRPC.
fn not_grpc(request: &Request<Body>) -> Option<Response<Body>> {
    let refused = |status: StatusCode| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response
    };
    if request.method() != Method::POST {
        return Some(refused(StatusCode::METHOD_NOT_ALLOWED));
    }
    let content = request.headers().get(http::header::CONTENT_TYPE).and_then(|content| content.to_str().ok());
    let grpc = content.is_some_and(|content| content.starts_with("application/grpc") && !content.contains("grpc-web"));
    (!grpc).then(|| refused(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// How long the caller will wait: `grpc-timeout`, up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: u64 = (!digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())??;
        Some(match unit {
            "H" => Duration::from_secs(number * 3600),
            "M" => Duration::from_secs(number * 60),
            "S" => Duration::from_secs(number),
            "m" => Duration::from_millis(number),
            "u" => Duration::from_micros(number),
            "n" => Duration::from_nanos(number),
            _ => return None,
        })
    });
    match parsed {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(Failure::invalid(format!(
            "grpc-timeout {:?} cannot be read: send up to eight digits and one of H, M, S, m, u, n",
            value.as_bytes().escape_ascii().to_string()
        ))),
    }
}

/// Whose call it is, as whatever stands before the server says: the one place where a tenant is made out.
fn tenant(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(TENANT).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let name = value.to_str().ok().filter(|name| (1..=LONGEST_TENANT).contains(&name.len()));
    match (name, values.next()) {
        (Some(name), None) => Ok(Some(name.to_owned())),
        _ => Err(Failure::invalid(format!(
            "the metadata key {TENANT} must be there once, with 1 to {LONGEST_TENANT} printable ASCII characters"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            timeout(&headers)
        };
        assert_eq!(read("1500m").unwrap(), Some(Duration::from_millis(1500)));
        assert_eq!(read("2H").unwrap(), Some(Duration::from_secs(7200)));
        assert_eq!(read("99999999n").unwrap(), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "m", "100000000m", "-1S", "1x", "1.5S"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(timeout(&HeaderMap::new()).unwrap(), None);
    }
}
