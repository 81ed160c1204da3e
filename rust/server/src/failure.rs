//! How a call fails: one table from crossfade's errors to gRPC statuses, whoever raised them.

use std::time::Duration;

use http::HeaderMap;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A class of `crossfade.errors`, or a fault of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A fault of the server.
    Internal,
    /// What was sent is wrong.
    InvalidInput,
    /// What was sent is larger than is taken.
    LimitExceeded,
    /// A file does not hold what its format promises.
    DataError,
    /// A model cannot be used.
    BundleError,
    /// Nothing has this name.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// What the call was about has changed since its caller looked.
    Conflict,
    /// The store on disk cannot be read or written.
    StoreError,
    /// The store's database does not say what was written to it.
    Damaged,
    /// Vectors of one model met those of another.
    FingerprintMismatch,
    /// There is too much to do.
    Overloaded,
    /// The server comes or goes.
    Unavailable,
    /// The answer would come too late.
    DeadlineExceeded,
}

/// Every kind, its name in `crossfade.errors`, and its gRPC status.
const TABLE: [(Kind, &str, Code); 14] = [
    (Kind::Internal, "CrossfadeError", Code::Internal),
    (Kind::InvalidInput, "InvalidInput", Code::InvalidArgument),
    // Sending the same call again cannot help, so not RESOURCE_EXHAUSTED, which clients may retry.
    (Kind::LimitExceeded, "LimitExceeded", Code::InvalidArgument),
    (Kind::DataError, "DataError", Code::InvalidArgument),
    (Kind::BundleError, "BundleError", Code::FailedPrecondition),
    (Kind::NotFound, "NotFound", Code::NotFound),
    (Kind::AlreadyExists, "AlreadyExists", Code::AlreadyExists),
    (Kind::Conflict, "Conflict", Code::Aborted),
    (Kind::StoreError, "StoreError", Code::Unavailable),
    // Sending the same call again cannot help, so not UNAVAILABLE.
    (Kind::Damaged, "Damaged", Code::DataLoss),
    (Kind::FingerprintMismatch, "FingerprintMismatch", Code::FailedPrecondition),
    (Kind::Overloaded, "Overloaded", Code::ResourceExhausted),
    (Kind::Unavailable, "Unavailable", Code::Unavailable),
    (Kind::DeadlineExceeded, "DeadlineExceeded", Code::DeadlineExceeded),
];

/// The trailer that names the class, for clients that want to raise it again.
pub const ERROR_TRAILER: &str = "crossfade-error";

/// Trailers larger than 8 KiB end a call with another status; half of that is left to the other trailers.
const LONGEST_MESSAGE: usize = 4096;

impl Kind {
    /// By the name of its class; None for a name that is not in the table.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, Code) {
        // The table has every kind; a test holds it.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }

    /// The name of its class.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Its gRPC status.
    #[must_use]
    pub fn code(self) -> Code {
        self.row().2
    }
}

/// Why a call failed: what was wrong, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which class of error.
    pub kind: Kind,
    /// What the caller is told.
    pub message: String,
    /// When the same call may be tried again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidInput, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::LimitExceeded, message)
    }

    pub(crate) fn late() -> Self {
        Self::new(
            Kind::DeadlineExceeded,
            "the call's deadline passed before the answer was ready: give it more time, or send fewer texts a call",
        )
    }

    /// The server ends before the call does.
    pub(crate) fn stopping() -> Self {
        Self::new(
            Kind::Unavailable,
            "the server shut down before the call was done: try another replica, or try again when it is back",
        )
    }

    pub(crate) fn retry_after(self, delay: Duration) -> Self {
        Self { retry_after: Some(delay), ..self }
    }

    /// As the call's end. A fault of the server (`Internal`) names no class.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut trailers = HeaderMap::new();
        if self.kind != Kind::Internal {
            trailers.insert(ERROR_TRAILER, http::HeaderValue::from_static(self.kind.name()));
        }
        let metadata = MetadataMap::from_headers(trailers);
        let message = fitting(&self.message);
        match self.retry_after {
            Some(delay) => {
                let details = ErrorDetails::with_retry_info(Some(delay));
                Status::with_error_details_and_metadata(self.kind.code(), message, details, metadata)
            }
            None => Status::with_metadata(self.kind.code(), message, metadata),
        }
    }
}

/// The message, cut where its form on the wire, percent-encoded, would pass the limit.
fn fitting(message: &str) -> String {
    let mut size = 0;
    for (position, character) in message.char_indices() {
        let plain = (' '..='~').contains(&character) && character != '%';
        size += if plain { 1 } else { 3 * character.len_utf8() };
        if size > LONGEST_MESSAGE {
            return format!("{}...", &message[..position]);
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_in_the_table_once() {
        for (kind, name, code) in TABLE {
            assert_eq!((kind.name(), kind.code(), Kind::of(name)), (name, code, Some(kind)));
        }
        assert_eq!(Kind::of("KeyError"), None);
    }

    #[test]
    fn long_messages_are_cut_by_their_size_on_the_wire() {
        assert_eq!(fitting("50 µs"), "50 µs");
        assert_eq!(fitting(&"a".repeat(5000)).len(), 4096 + 3);
        assert_eq!(fitting(&"é".repeat(5000)), format!("{}...", "é".repeat(4096 / 6)));
    }

    #[test]
    fn a_retry_delay_is_in_the_details() {
        let status = Failure::new(Kind::Overloaded, "full").retry_after(Duration::from_millis(250)).status();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.metadata().get(ERROR_TRAILER).unwrap(), "Overloaded");
        let delay = status.get_details_retry_info().unwrap().retry_delay;
        assert_eq!(delay, Some(Duration::from_millis(250)));
    }
}
