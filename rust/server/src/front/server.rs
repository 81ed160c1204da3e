//! The server's life: it listens, it drains, it ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tonic_health::server::HealthReporter;
use tower_service::Service;

use super::calls::{Calls, Phase};
use super::channelz::{self, Sockets};
use super::connection::Listening;
use super::framing::Meter;
use super::searches::Searches;
use super::workers::Workers;
use super::{Door, Front, Limits, Standard, health};
use crate::engine::{Embedded, Engine, Job, Setup};
use crate::executor::{Call, Executor};
use crate::failure::{Failure, Kind};
use crate::proto::DESCRIPTORS;

/// How the server is set up.
pub struct Settings {
    /// `host:port`, port 0 for any free one; `[::1]:port`; `unix:/path`.
    pub listen: String,
    /// What one call may ask for.
    pub limits: Limits,
    /// Calls in progress.
    pub calls: usize,
    /// Connections; more wait to be accepted.
    pub connections: usize,
    /// Bytes of requests that are being read or worked on.
    pub receiving_bytes: usize,
    /// Threads of the front end.
    pub front_threads: usize,
    /// Threads of one search; 0 is one for every core.
    pub search_threads: usize,
    /// Silence after which a connection is asked whether it lives, and how long it may take to say so.
    pub keepalive: Duration,
    /// See `keepalive`.
    pub keepalive_timeout: Duration,
}

/// How long, at the end of a drain, new calls are still answered, with UNAVAILABLE.
const REFUSING: Duration = Duration::from_millis(200);

/// How often it is looked whether anybody still waits for texts that are embedded without a call of gRPC.
const LOOKS: Duration = Duration::from_millis(20);

/// What answers on their way, and the streams of health watchers, get once no call is in progress.
const LINGER: Duration = Duration::from_secs(1);

/// Calls of one connection at once. A call too many for the server is to be told so, not to wait unseen.
const STREAMS: u32 = 1024;

/// Bytes that a connection, and one of its streams, may send ahead of being read. Streams that are held back fill what a
/// connection has: 64 of them leave nothing for its other calls.
const CONNECTION_WINDOW: u32 = 8 << 20;
const STREAM_WINDOW: u32 = 128 << 10;

/// Bytes of a message of health checks and reflection.
const SMALL_MESSAGE: usize = 64 << 10;

/// Calls that compute, of those that Python answers: a write need not wait for the end of a long one.
const COMPUTING: usize = 2;

/// A server that listens.
pub struct Server {
    front: Arc<Front>,
    address: String,
    reporter: HealthReporter,
    running: Mutex<Option<Running>>,
}

/// Stops the runners of a server that cannot be started.
struct Starting(Option<Arc<Engine>>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(engine) = &self.0 {
            engine.stop();
            engine.join();
        }
    }
}

struct Running {
    runtime: Runtime,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Bind, run every model once, listen.
    ///
    /// # Errors
    /// `InvalidInput` for an address that cannot be bound, before a model is run; a model's own.
    pub fn start(executor: Arc<dyn Executor>, setup: Setup, settings: &Settings) -> Result<Self, Failure> {
        let listening = Listening::bind(&settings.listen)?;
        let address = listening.address.clone();
        let runners = setup.runners.clone();
        let engine = Engine::new(Arc::clone(&executor), setup);
        let mut started = Starting(Some(Arc::clone(&engine)));
        engine.start(&runners)?;
        let refused = |error: std::io::Error| {
            Failure::new(Kind::Unavailable, format!("the front end cannot be started: {error}"))
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(settings.front_threads.max(1))
            .max_blocking_threads(16)
            .thread_name("crossfade-front")
            .enable_all()
            .build()
            .map_err(refused)?;
        let sockets = Sockets::new();
        sockets.listen(listening.end.clone(), address.clone());
        let calls = Calls::new(settings.calls);
        let (reporter, standard) = standard(&sockets, &calls)?;
        let front = Arc::new(Front {
            engine,
            searches: Searches::start(Arc::clone(&executor))?,
            reranks: Searches::start(Arc::clone(&executor))?,
            executor,
            limits: settings.limits,
            threads: settings.search_threads,
            meter: Meter::new(settings.receiving_bytes),
            patience: settings.keepalive_timeout,
            calls,
            compute: Workers::start("compute", COMPUTING)?,
            control: Workers::start("control", 1)?,
            readers: Workers::start("reader", 1)?,
            scoring: Arc::new(Semaphore::new(COMPUTING)),
            sockets,
            standard,
        });
        let (shutdown, signal) = oneshot::channel();
        let serving = {
            let _entered = runtime.enter();
            let incoming = listening
                .incoming(settings.connections, settings.keepalive_timeout, Arc::clone(&front.sockets))
                .map_err(refused)?;
            let server = tonic::transport::Server::builder()
                .http2_keepalive_interval(Some(settings.keepalive))
                .http2_keepalive_timeout(Some(settings.keepalive_timeout))
                .max_concurrent_streams(Some(STREAMS))
                .initial_connection_window_size(Some(CONNECTION_WINDOW))
                .initial_stream_window_size(Some(STREAM_WINDOW))
                .http2_max_header_list_size(Some(16 << 10));
            let door = Door(Arc::clone(&front));
            let ended = async {
                let _ = signal.await;
            };
            runtime.spawn(async move {
                // It fails for no connection, and for no other reason that is known.
                let _ = server.serve_with_incoming_shutdown(door, incoming, ended).await;
            })
        };
        runtime.block_on(health::serving(&reporter, &front.engine));
        runtime.spawn(health::follow(reporter.clone(), Arc::clone(&front.engine), Arc::clone(&front.calls)));
        started.0 = None;
        let running = Mutex::new(Some(Running { runtime, shutdown, serving }));
        Ok(Self { front, address, reporter, running })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The engine, for who embeds without a call.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.front.engine
    }

    /// Embed texts without a call of gRPC, and wait for them. `call`: for whom.
    ///
    /// # Errors
    /// Those of [`Engine::embed`], and `Call::check`'s.
    pub fn embed(&self, job: Job, call: &Call) -> Result<Embedded, Failure> {
        let deadline = job.deadline;
        let embedding = async {
            let late = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            let gone = async {
                while call.check().is_ok() {
                    tokio::time::sleep(LOOKS).await;
                }
            };
            tokio::select! {
                embedded = self.front.engine.embed(job) => embedded,
                () = late => Err(Failure::late()),
                () = gone => call.check().and(Err(Failure::late())),
            }
        };
        self.wait(embedding).unwrap_or_else(|| Err(Failure::stopping()))
    }

    /// Run a future on the front end's threads and wait for it; None once the server has ended.
    fn wait<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let handle = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.as_ref()?.runtime.handle().clone()
        };
        Some(handle.block_on(future))
    }

    /// Calls in progress.
    pub fn active_calls(&self) -> usize {
        self.front.calls.active()
    }

    /// Threads that work for a call, also for one whose caller is gone.
    pub fn working_threads(&self) -> usize {
        let front = &self.front;
        front.engine.working()
            + front.searches.working()
            + front.reranks.working()
            + front.compute.working()
            + front.control.working()
            + front.readers.working()
    }

    /// Refuse new calls from now on, and say so to health checks.
    pub fn begin_drain(&self) {
        self.front.calls.turn(Phase::Draining);
        self.wait(health::leaving(&self.reporter, &self.front.engine));
    }

    /// Wait until no call is in progress, so long at most; whether none is.
    pub fn wait_idle(&self, most: Duration) -> bool {
        self.wait(async { tokio::time::timeout(most, self.front.calls.wait_idle()).await.is_ok() }).unwrap_or(true)
    }

    /// Cut the calls in progress and end; how many were cut.
    ///
    /// New calls are still answered for a moment: one that is on its way is told that the server goes, where a closed
    /// connection would leave its sender to guess. Threads that are in the middle of a batch are not waited for: see
    /// `working_threads`. Not while holding what the executor needs.
    pub fn finish(&self) -> usize {
        let Some(Running { runtime, shutdown, serving }) =
            self.running.lock().unwrap_or_else(PoisonError::into_inner).take()
        else {
            return 0;
        };
        let front = &self.front;
        front.calls.turn(Phase::Draining);
        let cut = front.calls.active();
        front.calls.turn(Phase::Cut);
        runtime.block_on(async {
            health::leaving(&self.reporter, &front.engine).await;
            tokio::time::sleep(REFUSING).await;
            let _ = shutdown.send(());
            let _ = tokio::time::timeout(LINGER, serving).await;
        });
        front.engine.stop();
        front.searches.stop();
        front.reranks.stop();
        front.compute.stop();
        front.control.stop();
        front.readers.stop();
        runtime.shutdown_timeout(Duration::from_millis(500));
        let patience = Instant::now() + Duration::from_millis(500);
        while self.working_threads() > 0 && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.working_threads() == 0 {
            front.engine.join();
            front.searches.join();
            front.reranks.join();
            front.compute.join();
            front.control.join();
            front.readers.join();
        }
        cut
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What is part of gRPC itself.
fn standard(sockets: &Arc<Sockets>, calls: &Arc<Calls>) -> Result<(HealthReporter, Vec<(String, Standard)>), Failure> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let refused = |error| Failure::new(Kind::Internal, format!("reflection cannot be set up: {error}"));
    let v1 = reflection().build_v1().map_err(refused)?;
    let v1_alpha = reflection().build_v1alpha().map_err(refused)?;
    let (sockets, calls) = (Arc::clone(sockets), Arc::clone(calls));
    let channelz: Standard = Box::new(move |request| {
        let (sockets, calls) = (Arc::clone(&sockets), Arc::clone(&calls));
        Box::pin(async move { channelz::answer(request, &sockets, &calls).await })
    });
    let standard = vec![
        ("/grpc.health.v1.Health/".to_owned(), service(health.max_decoding_message_size(SMALL_MESSAGE))),
        ("/grpc.reflection.v1.ServerReflection/".to_owned(), service(v1.max_decoding_message_size(SMALL_MESSAGE))),
        (
            "/grpc.reflection.v1alpha.ServerReflection/".to_owned(),
            service(v1_alpha.max_decoding_message_size(SMALL_MESSAGE)),
        ),
        (channelz::PATHS.to_owned(), channelz),
    ];
    Ok((reporter, standard))
}

fn service<S>(service: S) -> Standard
where
    S: Service<
            http::Request<tonic::body::Body>,
            Response = http::Response<tonic::body::Body>,
            Error = std::convert::Infallible,
        > + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    Box::new(move |request| {
        let mut service = service.clone();
        Box::pin(async move { service.call(request).await })
    })
}
