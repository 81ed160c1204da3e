//! Embedding as a stream: batch after batch, answered in order. The sender is held back where a call would be refused: by the
//! tokens that all calls share, by the batches of a stream that are in work, and by answers that it does not read.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::Status;

use super::Front;
use super::calls::{Counted, Entered, Phase, leaving};
use super::framing::{End, Messages, framed};
use crate::executor::Call;
use crate::failure::{Failure, Kind};
use crate::proto::crossfade::v1::embed_stream_response::Result as Outcome;
use crate::proto::crossfade::v1::{EmbedStreamRequest, EmbedStreamResponse, Failure as WireFailure};
use crate::schema;

/// Batches of one stream that are in work at once: enough to keep a model busy while answers travel.
const IN_WORK: usize = 8;

/// A task that ends with whoever waits for it.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type Work = Task<Bytes>;

impl Front {
    /// Serve a stream; its answers come out of what is returned.
    pub(super) fn stream(
        self: Arc<Self>,
        path: &'static str,
        messages: Messages,
        call: Arc<Call>,
        entered: Entered,
        counted: Counted,
    ) -> (mpsc::Receiver<Bytes>, End) {
        let (answers, outcome) = mpsc::channel(1);
        let end = End::default();
        let told = End::clone(&end);
        tokio::spawn(async move {
            let (work, in_work) = mpsc::channel(IN_WORK);
            let working = async {
                let reading = self.read(path, messages, &call, &entered, (work, &counted));
                let writing = write(in_work, &answers, &counted);
                tokio::pin!(reading, writing);
                tokio::select! {
                    biased;
                    // What is in work is still answered.
                    read = &mut reading => writing.await.and(read),
                    // Nothing can be answered any more.
                    wrote = &mut writing => wrote,
                }
            };
            let deadline = call.deadline();
            let late = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                ended = working => ended,
                () = answers.closed() => Err(Status::new(tonic::Code::Cancelled, "the caller is gone")),
                () = late => Err(Failure::late().status()),
                () = entered.until(Phase::Cut) => Err(Failure::stopping().status()),
            };
            counted.end(ended.is_ok());
            if let Err(status) = ended {
                let _ = told.set(status);
            }
        });
        (outcome, end)
    }

    /// Begin each batch as it comes in.
    async fn read(
        self: &Arc<Self>,
        path: &str,
        mut messages: Messages,
        call: &Arc<Call>,
        entered: &Entered,
        (work, counted): (mpsc::Sender<Work>, &Counted),
    ) -> Result<(), Status> {
        loop {
            // Before the next message is read: what is not read holds the sender back.
            let Ok(place) = work.reserve().await else { return Ok(()) };
            let message = tokio::select! {
                message = messages.next() => message?,
                () = entered.until(Phase::Draining) => return Err(leaving().status()),
            };
            let Some(message) = message else { return Ok(()) };
            counted.received();
            let received = Instant::now();
            let request: EmbedStreamRequest =
                schema::decode(path, &message.data).map_err(|failure| failure.status())?;
            let (front, call) = (Arc::clone(self), Arc::clone(call));
            place.send(Task(tokio::spawn(async move {
                let _message = message;
                let embedded = front.embedded(request.request.unwrap_or_default(), &call, received, true).await;
                let result = embedded.map_or_else(|failure| Outcome::Failure(told(&failure)), Outcome::Response);
                framed(&EmbedStreamResponse { id: request.id, result: Some(result) })
            })));
        }
    }
}

/// Send answers in the order of their batches.
async fn write(
    mut in_work: mpsc::Receiver<Work>,
    answers: &mpsc::Sender<Bytes>,
    counted: &Counted,
) -> Result<(), Status> {
    while let Some(mut work) = in_work.recv().await {
        let failed = |_| Failure::new(Kind::Internal, "a batch has no answer: this is a fault of the server").status();
        let answer = (&mut work.0).await.map_err(failed)?;
        let gone = |_| Status::new(tonic::Code::Cancelled, "the caller is gone");
        answers.send(answer).await.map_err(gone)?;
        counted.sent();
    }
    Ok(())
}

fn told(failure: &Failure) -> WireFailure {
    WireFailure {
        code: failure.kind.code() as i32,
        message: failure.message.clone(),
        error: failure.kind.name().to_owned(),
    }
}
