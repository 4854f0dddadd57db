//! Why something did not work: the server's codes, and the client's own beside them.

use klatch_wire::Code;
use klatch_wire::native::server;

use crate::ending::Ending;

/// A request, a message or a connection that failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The server said no.
    #[error("{}: {}", .0.code.as_str(), .0.message)]
    Refused(server::Failure),
    /// No answer in time. It may have been done: the same id settles it.
    #[error("no answer within {0} ms")]
    Timeout(u64),
    /// The client was closed, or the room was left.
    #[error("closed: {0}")]
    Closed(&'static str),
    /// The connection ended for good.
    #[error("the server won't have us: {0}")]
    StayAway(Ending),
    /// There was no connection in time; how the last attempt ended.
    #[error("no connection: {0}")]
    NoConnection(Ending),
    /// A limit of the client was reached; nothing was sent.
    #[error("too many {0} wait already")]
    TooManyPending(&'static str),
    /// Longer than the server takes; nothing was sent.
    #[error("the server takes at most {0} bytes a frame")]
    TooLarge(usize),
    /// The server's answer is none that this client understands.
    #[error("the answer can't be read: {0}")]
    Unreadable(String),
    /// The address is none.
    #[error("{0}")]
    BadAddress(String),
}

impl Failure {
    /// The server's code, where it was the server who refused.
    pub fn code(&self) -> Option<Code> {
        match self {
            Failure::Refused(failure) => Some(failure.code),
            _ => None,
        }
    }

    /// Whether the same again, under the same id, may work.
    pub fn is_retryable(&self) -> bool {
        match self {
            Failure::Refused(failure) => failure.retryable,
            Failure::Timeout(_) => true,
            _ => false,
        }
    }

    /// Milliseconds to wait before, where the server said so.
    pub fn retry_after_ms(&self) -> u64 {
        match self {
            Failure::Refused(failure) => failure.retry_after_ms.unwrap_or(0),
            _ => 0,
        }
    }
}
