//! gRPC's channelz: what the server and its connections have done, for those who look for the reason at night.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use prost::Message;
use prost_types::Timestamp;
use tonic::body::Body;
use tonic::{Code, Status};

use super::calls::{Calls, Tally};
use super::connection::{End, Peer};
use super::framing::{Answer, Messages, Meter, framed, unary};
use crate::engine::quoted;
use crate::proto::grpc::channelz::v1::address::{Address as Kind, TcpIpAddress, UdsAddress};
use crate::proto::grpc::channelz::v1::{
    Address, GetServerRequest, GetServerResponse, GetServerSocketsRequest, GetServerSocketsResponse, GetServersRequest,
    GetServersResponse, GetSocketRequest, GetSocketResponse, GetTopChannelsResponse, Server, ServerData, ServerRef,
    Socket, SocketData, SocketRef,
};

/// How every path of it begins.
pub(super) const PATHS: &str = "/grpc.channelz.v1.Channelz/";

/// Entities have ids of one space; 1 is the server, 2 is the socket it listens on.
const SERVER: i64 = 1;
const LISTENING: i64 = 2;

/// Results of a page, when the caller does not say.
const PAGE: usize = 100;

/// Bytes of a request: it holds a few numbers.
const MOST: usize = 4096;

/// The connections that are open.
pub(crate) struct Sockets {
    listening: OnceLock<(End, String)>,
    next: AtomicI64,
    open: Mutex<BTreeMap<i64, Arc<Peer>>>,
}

/// An open connection, until it is dropped.
pub(crate) struct Open {
    sockets: Arc<Sockets>,
    id: i64,
}

impl Sockets {
    pub(crate) fn new() -> Arc<Self> {
        let open = Mutex::new(BTreeMap::new());
        Arc::new(Self { listening: OnceLock::new(), next: AtomicI64::new(LISTENING + 1), open })
    }

    pub(crate) fn listen(&self, end: End, address: String) {
        let _ = self.listening.set((end, address));
    }

    pub(crate) fn open(self: &Arc<Self>, peer: &Arc<Peer>) -> Open {
        let id = self.next.fetch_add(1, Relaxed);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(peer));
        Open { sockets: Arc::clone(self), id }
    }

    /// A page from `start` on, and whether it is the last one.
    fn page(&self, start: i64, most: usize) -> (Vec<SocketRef>, bool) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = open.range(start..);
        let page = rest.by_ref().take(most).map(|(&id, peer)| reference(id, peer)).collect();
        (page, rest.next().is_none())
    }

    fn socket(&self, id: i64) -> Option<Socket> {
        if id == LISTENING {
            let (end, address) = self.listening.get()?;
            let reference = Some(SocketRef { socket_id: id, name: address.clone() });
            return Some(Socket { r#ref: reference, local: Some(address_of(end)), ..Socket::default() });
        }
        let peer = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()?;
        let tally = &peer.tally;
        let started = tally.started.load(Relaxed);
        let (succeeded, failed) = (tally.succeeded.load(Relaxed), tally.failed.load(Relaxed));
        let data = SocketData {
            streams_started: started,
            streams_succeeded: succeeded,
            streams_failed: failed,
            messages_sent: tally.sent.load(Relaxed),
            messages_received: tally.received.load(Relaxed),
            last_remote_stream_created_timestamp: timestamp(tally),
        };
        Some(Socket {
            r#ref: Some(reference(id, &peer)),
            data: Some(data),
            local: Some(address_of(&peer.local)),
            remote: Some(address_of(&peer.remote)),
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.sockets.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Answer a call of channelz.
pub(super) async fn answer(
    request: Request<Body>,
    sockets: &Sockets,
    calls: &Calls,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let method = parts.uri.path().trim_start_matches(PATHS).to_owned();
    let answered = async {
        let data = Messages::new(body, &Meter::new(MOST * 2), MOST).only().await?.data;
        route(&method, &data, sockets, calls)
    };
    Ok(answered.await.map_or_else(Status::into_http, |data| unary(Answer::Framed(data), ())))
}

fn route(method: &str, data: &Bytes, sockets: &Sockets, calls: &Calls) -> Result<Bytes, Status> {
    Ok(match method {
        "GetTopChannels" => framed(&GetTopChannelsResponse { end: true }),
        "GetServers" => {
            let request: GetServersRequest = read(data)?;
            let server = (request.start_server_id <= SERVER).then(|| server(sockets, calls));
            framed(&GetServersResponse { server: server.into_iter().collect(), end: true })
        }
        "GetServer" => {
            let request: GetServerRequest = read(data)?;
            is_server(request.server_id)?;
            framed(&GetServerResponse { server: Some(server(sockets, calls)) })
        }
        "GetServerSockets" => {
            let request: GetServerSocketsRequest = read(data)?;
            is_server(request.server_id)?;
            let most = usize::try_from(request.max_results).ok().filter(|&most| most > 0).unwrap_or(PAGE);
            let (socket_ref, end) = sockets.page(request.start_socket_id, most);
            framed(&GetServerSocketsResponse { socket_ref, end })
        }
        "GetSocket" => {
            let request: GetSocketRequest = read(data)?;
            let id = request.socket_id;
            let socket = sockets.socket(id).ok_or_else(|| none("socket", id))?;
            framed(&GetSocketResponse { socket: Some(socket) })
        }
        // This process is a server: it has no channels.
        "GetChannel" | "GetSubchannel" => return Err(Status::new(Code::NotFound, "there is no such channel here")),
        other => return Err(Status::new(Code::Unimplemented, format!("channelz has no method {}", quoted(other)))),
    })
}

fn read<M: Message + Default>(data: &Bytes) -> Result<M, Status> {
    M::decode(data.clone()).map_err(|error| Status::new(Code::InvalidArgument, error.to_string()))
}

fn is_server(id: i64) -> Result<(), Status> {
    if id == SERVER { Ok(()) } else { Err(none("server", id)) }
}

fn none(what: &str, id: i64) -> Status {
    Status::new(Code::NotFound, format!("there is no {what} {id}: it may have ended; list them again"))
}

fn server(sockets: &Sockets, calls: &Calls) -> Server {
    let tally = &calls.tally;
    let data = ServerData {
        calls_started: tally.started.load(Relaxed),
        calls_succeeded: tally.succeeded.load(Relaxed),
        calls_failed: tally.failed.load(Relaxed),
        last_call_started_timestamp: timestamp(tally),
    };
    let listening = sockets.listening.get();
    let listen_socket =
        listening.map(|(_, address)| SocketRef { socket_id: LISTENING, name: address.clone() }).into_iter().collect();
    let reference = ServerRef { server_id: SERVER, name: "crossfade".to_owned() };
    Server { r#ref: Some(reference), data: Some(data), listen_socket }
}

fn reference(id: i64, peer: &Peer) -> SocketRef {
    let name = match &peer.remote {
        End::Tcp(address) => address.to_string(),
        End::Unix(path) => format!("unix:{}", path.display()),
    };
    SocketRef { socket_id: id, name }
}

fn address_of(end: &End) -> Address {
    let kind = match end {
        End::Tcp(address) => {
            let ip_address = match address.ip() {
                std::net::IpAddr::V4(ip) => Bytes::copy_from_slice(&ip.octets()),
                std::net::IpAddr::V6(ip) => Bytes::copy_from_slice(&ip.octets()),
            };
            Kind::TcpipAddress(TcpIpAddress { ip_address: ip_address.to_vec(), port: i32::from(address.port()) })
        }
        End::Unix(path) => Kind::UdsAddress(UdsAddress { filename: name(path) }),
    };
    Address { address: Some(kind) }
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn timestamp(tally: &Tally) -> Option<Timestamp> {
    let nanoseconds = tally.last_started.load(Relaxed);
    let (seconds, nanos) = (nanoseconds / 1_000_000_000, (nanoseconds % 1_000_000_000) as i32);
    (nanoseconds > 0).then_some(Timestamp { seconds, nanos })
}
