//! Where calls come from: TCP or a Unix socket, and who is at the other end.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use super::calls::Tally;
use super::channelz::{Open, Sockets};
use crate::engine::quoted;
use crate::failure::Failure;

/// Bytes that every client of HTTP/2 sends first.
const PREFACE: usize = 24;

/// How long nothing is accepted when something could not be.
const PAUSE: Duration = Duration::from_millis(50);

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Tcp(SocketAddr),
    /// By its path; empty for a client's, which has none.
    Unix(PathBuf),
}

/// The client of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) local: End,
    pub(crate) remote: End,
    pub(crate) tally: Tally,
}

enum Bound {
    Tcp(StdTcpListener),
    Unix(StdUnixListener),
}

/// A bound address.
pub(crate) struct Listening {
    bound: Bound,
    pub(crate) end: End,
    /// As it is written: with the port that was taken.
    pub(crate) address: String,
}

impl Listening {
    /// `host:port`, port 0 for any free one; `[::1]:port`; `unix:/path`.
    pub(crate) fn bind(listen: &str) -> Result<Self, Failure> {
        let refused = |error: io::Error| {
            let reason = error.to_string();
            // Without "(os error 98)": the words say it.
            let reason = reason.split(" (os error").next().unwrap_or_default().to_owned();
            Failure::invalid(format!(
                "cannot listen on {listen}: {reason}; choose another address, or port 0 for any free"
            ))
        };
        if let Some(path) = listen.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            let path = Path::new(path);
            let listener = bind_path(path).map_err(refused)?;
            listener.set_nonblocking(true).map_err(refused)?;
            return Ok(Self { bound: Bound::Unix(listener), end: End::Unix(path.into()), address: listen.to_owned() });
        }
        let unreadable = || {
            Failure::invalid(format!(
                "cannot listen on {}: give host:port, such as 127.0.0.1:50051; port 0 takes a free one",
                quoted(listen)
            ))
        };
        let (host, port) = listen.rsplit_once(':').ok_or_else(unreadable)?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|_| digits).ok_or_else(unreadable)?;
        let name = host.trim_start_matches('[').trim_end_matches(']');
        if name.is_empty() {
            return Err(unreadable());
        }
        let addresses: Vec<SocketAddr> = (name, port).to_socket_addrs().map_err(refused)?.collect();
        let listener = StdTcpListener::bind(&addresses[..]).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let local = listener.local_addr().map_err(refused)?;
        let address = format!("{host}:{}", local.port());
        Ok(Self { bound: Bound::Tcp(listener), end: End::Tcp(local), address })
    }

    /// The connections, up to so many at once; more wait until one ends.
    /// `patience`: for the first bytes of each.
    pub(crate) fn incoming(self, most: usize, patience: Duration, sockets: Arc<Sockets>) -> io::Result<Incoming> {
        let listener = match self.bound {
            Bound::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener)?),
            Bound::Unix(listener) => Listener::Unix(UnixListener::from_std(listener)?),
        };
        let places = Arc::new(Semaphore::new(most));
        Ok(Incoming { listener, end: self.end, sockets, places, patience, place: None, pause: None })
    }
}

/// Find out whether an address can be bound, without keeping it.
///
/// # Errors
/// `InvalidInput`, saying why not.
pub fn check_bindable(listen: &str) -> Result<(), Failure> {
    let listening = Listening::bind(listen)?;
    if let End::Unix(path) = &listening.end {
        // Whether it can be removed or not: the address is free.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// A socket file that a server left behind that is no more is in nobody's way.
fn bind_path(path: &Path) -> io::Result<StdUnixListener> {
    match StdUnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
            if !socket || StdUnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            StdUnixListener::bind(path)
        }
        bound => bound,
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Connections as they are made.
pub(crate) struct Incoming {
    listener: Listener,
    end: End,
    sockets: Arc<Sockets>,
    places: Arc<Semaphore>,
    patience: Duration,
    place: Option<Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>>,
    /// After a connection that could not be accepted: what is short, such as descriptors, may come back.
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        // A place first: what is not accepted waits in the kernel's queue.
        let places = Arc::clone(&self.places);
        let place = self.place.get_or_insert_with(|| Box::pin(async move { places.acquire_owned().await.ok() }));
        let Poll::Ready(place) = place.as_mut().poll(context) else { return Poll::Pending };
        let ready = |place: Option<OwnedSemaphorePermit>| {
            Some(Box::pin(std::future::ready(place)) as Pin<Box<dyn Future<Output = _> + Send>>)
        };
        let accepted = match &self.listener {
            Listener::Tcp(listener) => listener.poll_accept(context).map_ok(|(stream, remote)| {
                // An answer is one small write: it does not wait for another.
                let _ = stream.set_nodelay(true);
                let local = stream.local_addr().map_or_else(|_| self.end.clone(), End::Tcp);
                (Io::Tcp(stream), local, End::Tcp(remote))
            }),
            Listener::Unix(listener) => listener.poll_accept(context).map_ok(|(stream, remote)| {
                let remote = remote.as_pathname().unwrap_or(Path::new("")).to_owned();
                (Io::Unix(stream), self.end.clone(), End::Unix(remote))
            }),
        };
        let Poll::Ready(accepted) = accepted else {
            self.place = ready(place);
            return Poll::Pending;
        };
        self.place = None;
        if accepted.is_err() {
            self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
        }
        Poll::Ready(Some(accepted.map(|(io, local, remote)| {
            let peer = Arc::new(Peer { local, remote, tally: Tally::default() });
            let silent = Some((0, Box::pin(tokio::time::sleep(self.patience))));
            Connection { io, silent, open: self.sockets.open(&peer), peer, _place: place }
        })))
    }
}

enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection.
pub(crate) struct Connection {
    io: Io,
    peer: Arc<Peer>,
    /// Until HTTP/2's first bytes have come: how many have, and when they must be here. hyper asks a silent connection
    /// whether it lives only after them.
    silent: Option<(usize, Pin<Box<tokio::time::Sleep>>)>,
    #[allow(dead_code, reason = "says until when the connection is open")]
    open: Open,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connected for Connection {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        Arc::clone(&self.peer)
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some((_, end)) = &mut self.silent
            && end.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = to.filled().len();
        let read = match &mut self.io {
            Io::Tcp(stream) => Pin::new(stream).poll_read(context, to),
            Io::Unix(stream) => Pin::new(stream).poll_read(context, to),
        };
        if let Some((bytes, _)) = &mut self.silent {
            *bytes += to.filled().len() - before;
            if *bytes >= PREFACE {
                self.silent = None;
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Tcp(stream) => Pin::new(stream).poll_write(context, from),
            Io::Unix(stream) => Pin::new(stream).poll_write(context, from),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Io::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Io::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, from),
            Io::Unix(stream) => Pin::new(stream).poll_write_vectored(context, from),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
