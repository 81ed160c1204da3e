//! gRPC's messages in HTTP/2 bodies, and the memory they may take.
//!
//! tonic's own reader learns a message's size and then buffers it; here it is refused first when it is too large, and
//! the bytes of all calls together keep to a limit while they come in.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame};
use prost::Message;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::failure::{ERROR_TRAILER, Failure, Kind};

/// A byte that says whether it is compressed, and four of its size.
const HEADER: usize = 5;

/// Counts bytes that have come in and are not done with.
pub(crate) struct Meter {
    limit: usize,
    used: AtomicUsize,
}

/// Bytes counted, until it is dropped.
pub(crate) struct Held {
    meter: Arc<Meter>,
    bytes: usize,
}

impl Meter {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    fn none(self: &Arc<Self>) -> Held {
        Held { meter: Arc::clone(self), bytes: 0 }
    }
}

impl Held {
    fn more(&mut self, bytes: usize) -> Result<(), Failure> {
        let used = self.meter.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes += bytes;
        if used <= self.meter.limit {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Overloaded,
            format!(
                "{used} bytes of requests are being read, the limit is {}: try again later, or raise \
                 CROSSFADE_MAX_RECEIVING_BYTES on the server",
                self.meter.limit
            ),
        )
        .retry_after(Duration::from_millis(100)))
    }

    /// Count bytes that an answer has, which cannot be refused any more: what comes in later is.
    pub(crate) fn answer(meter: &Arc<Meter>, answer: &Answer) -> Self {
        let bytes = match answer {
            Answer::Framed(data) | Answer::Plain(data) => data.len(),
        };
        meter.used.fetch_add(bytes, Ordering::Relaxed);
        Self { meter: Arc::clone(meter), bytes }
    }

    /// Leave all but the last `bytes` to another.
    fn split(&mut self, bytes: usize) -> Self {
        let left = std::mem::replace(&mut self.bytes, bytes);
        Self { meter: Arc::clone(&self.meter), bytes: left.saturating_sub(bytes) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.meter.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One message, whose bytes count until it is dropped.
pub(crate) struct Received {
    pub(crate) data: Bytes,
    _held: Held,
}

/// The messages of a request.
pub(crate) struct Messages {
    body: Body,
    buffer: BytesMut,
    held: Held,
    most: usize,
    ended: bool,
}

impl Messages {
    /// `most`: bytes of one message.
    pub(crate) fn new(body: Body, meter: &Arc<Meter>, most: usize) -> Self {
        Self { body, buffer: BytesMut::new(), held: meter.none(), most, ended: false }
    }

    /// The only message of a call that has one.
    pub(crate) async fn only(mut self) -> Result<Received, Status> {
        let first = self.next().await?;
        first.ok_or_else(|| Status::new(Code::InvalidArgument, "the call carries no message: send one request"))
    }

    /// The next message; None at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Received>, Status> {
        loop {
            if let Some(size) = self.size()?
                && self.buffer.len() >= HEADER + size
            {
                self.buffer.advance(HEADER);
                let data = self.buffer.split_to(size).freeze();
                let rest = self.buffer.len();
                return Ok(Some(Received { data, _held: self.held.split(rest) }));
            }
            if self.ended {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut_short()) };
            }
            match poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.held.more(data.len()).map_err(|failure| failure.status())?;
                        self.buffer.put(data);
                    }
                }
                Some(Err(status)) => return Err(status),
                None => self.ended = true,
            }
        }
    }

    /// The size of the message that comes, once its header is here.
    fn size(&self) -> Result<Option<usize>, Status> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let [compressed, size @ ..] = *header;
        if compressed != 0 {
            return Err(Status::new(
                Code::Unimplemented,
                "the message is compressed, and this server takes none that is",
            ));
        }
        let size = u32::from_be_bytes(size) as usize;
        if size > self.most {
            let message = format!(
                "the message has {size} bytes, the limit is {}: split it over several calls, or raise \
                 CROSSFADE_MAX_MESSAGE_BYTES on the server",
                self.most
            );
            let mut status = Status::new(Code::ResourceExhausted, message);
            // gRPC's own status for it; the class says that it is no use to try again.
            let class = tonic::metadata::MetadataValue::from_static("LimitExceeded");
            status.metadata_mut().insert(ERROR_TRAILER, class);
            return Err(status);
        }
        Ok(Some(size))
    }
}

fn cut_short() -> Status {
    Status::new(Code::InvalidArgument, "the request ends before its message does: send all of the bytes it declares")
}

/// A message as it is sent.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let size = message.encoded_len();
    let mut buffer = BytesMut::with_capacity(HEADER + size);
    buffer.put_u8(0);
    buffer.put_u32(size as u32);
    // There is room for it.
    let _ = message.encode(&mut buffer);
    buffer.freeze()
}

/// A message's header, where its bytes are at hand already.
fn header(size: usize) -> Bytes {
    let mut buffer = BytesMut::with_capacity(HEADER);
    buffer.put_u8(0);
    buffer.put_u32(size as u32);
    buffer.freeze()
}

/// What a call is answered with.
pub(crate) enum Answer {
    /// Framed already.
    Framed(Bytes),
    /// A message's bytes.
    Plain(Bytes),
}

/// A successful unary call's response. `held`: until all of it is sent, or nobody reads it any more.
pub(crate) fn unary(answer: Answer, held: impl Send + Unpin + 'static) -> http::Response<Body> {
    let mut frames = VecDeque::with_capacity(3);
    match answer {
        Answer::Framed(data) => frames.push_back(Frame::data(data)),
        Answer::Plain(data) => {
            frames.push_back(Frame::data(header(data.len())));
            if !data.is_empty() {
                frames.push_back(Frame::data(data));
            }
        }
    }
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    frames.push_back(Frame::trailers(trailers));
    response(Body::new(Frames { frames, _held: held }))
}

/// How a stream ends, once that is known: not one of its messages, for which a reader that stalls would leave no room.
pub(crate) type End = Arc<OnceLock<Status>>;

/// A stream's response, which ends when `messages` does: well, unless `end` says otherwise.
pub(crate) fn streaming(messages: mpsc::Receiver<Bytes>, end: End) -> http::Response<Body> {
    response(Body::new(Stream { messages, end, done: false }))
}

fn response(body: Body) -> http::Response<Body> {
    let mut response = http::Response::new(body);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

struct Frames<H> {
    frames: VecDeque<Frame<Bytes>>,
    _held: H,
}

impl<H: Send + Unpin + 'static> http_body::Body for Frames<H> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }
}

struct Stream {
    messages: mpsc::Receiver<Bytes>,
    end: End,
    done: bool,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = self.messages.poll_recv(context) else { return Poll::Pending };
        if let Some(data) = next {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let end = self.end.get().cloned().unwrap_or_else(|| Status::new(Code::Ok, ""));
        self.done = true;
        let mut trailers = HeaderMap::new();
        // Fails for a message that no header can hold; the percent-encoded form always can be.
        let _ = end.add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(chunks: &[&[u8]], meter: &Arc<Meter>, most: usize) -> Messages {
        let frames = chunks.iter().map(|chunk| Frame::data(Bytes::copy_from_slice(chunk))).collect();
        Messages::new(Body::new(Frames { frames, _held: () }), meter, most)
    }

    #[tokio::test]
    async fn messages_come_out_however_they_are_cut() {
        let wire = [0, 0, 0, 0, 3, b'a', b'b', b'c', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'd'];
        for cut in 1..wire.len() {
            let meter = Meter::new(100);
            let mut messages = messages(&wire.chunks(cut).collect::<Vec<_>>(), &meter, 10);
            for expected in [&b"abc"[..], b"", b"d"] {
                assert_eq!(messages.next().await.unwrap().unwrap().data, expected);
            }
            assert!(messages.next().await.unwrap().is_none());
            drop(messages);
            assert_eq!(meter.used.load(Ordering::Relaxed), 0);
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_before_it_is_read() {
        let meter = Meter::new(100);
        let refused = |chunks: &[&[u8]], most| messages(chunks, &meter, most).only();
        let code = |refused: Result<Received, Status>| refused.map(drop).unwrap_err().code();
        assert_eq!(code(refused(&[&[0, 0, 0, 0, 11]], 10).await), Code::ResourceExhausted);
        assert_eq!(code(refused(&[&[0, 0, 0, 1, 0], &[7; 101]], 1000).await), Code::ResourceExhausted);
        assert_eq!(code(refused(&[&[1, 0, 0, 0, 1, 0]], 10).await), Code::Unimplemented);
        assert_eq!(code(refused(&[&[0, 0, 0, 0, 2, 0]], 10).await), Code::InvalidArgument);
        assert_eq!(code(refused(&[], 10).await), Code::InvalidArgument);
        assert_eq!(meter.used.load(Ordering::Relaxed), 0);
    }
}
