//! What can go wrong with the log, by what the caller can do about it.

use std::time::Duration;

/// The log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No server took the connection within the deadline.
    #[error("no NATS server at {servers} within {within:?}: {cause}")]
    NoServer {
        /// The addresses tried.
        servers: String,
        /// For how long.
        within: Duration,
        /// The last cause.
        cause: String,
    },
    /// The server wants somebody else.
    #[error("the NATS server at {servers} does not take {who}: {cause}")]
    NotTaken {
        /// The addresses tried.
        servers: String,
        /// As whom.
        who: String,
        /// What the server said.
        cause: String,
    },
    /// The server refuses what opening needs.
    #[error("{0}")]
    Denied(String),
    /// The credentials can't be read.
    #[error("the NATS credentials can't be used: {0}")]
    Credentials(String),
    /// A file that TLS needs can't be read.
    #[error("TLS to NATS can't be set up: {0}")]
    Tls(String),
    /// A stream is there, but differs from what it must be.
    #[error("stream {stream} is not as it must be: {differences}")]
    Drift {
        /// The stream.
        stream: &'static str,
        /// What differs, and how.
        differences: String,
    },
    /// A consumer is there, but differs from what it must be.
    #[error("consumer {consumer} is not as it must be: {differences}")]
    ConsumerDrift {
        /// The consumer's name.
        consumer: String,
        /// What differs, and how.
        differences: String,
    },
    /// A consumer could not be created or read.
    #[error("consumer {consumer} can't be set up: {cause}")]
    Consumer {
        /// The consumer's name.
        consumer: String,
        /// Why.
        cause: String,
    },
    /// A stream could not be created or read.
    #[error("stream {stream} can't be set up: {cause}")]
    Stream {
        /// The stream.
        stream: &'static str,
        /// Why.
        cause: String,
    },
}

/// An append came to no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Not stored; later it may work.
    #[error("the log is not available: {0}")]
    Unavailable(String),
    /// It may be stored or not: a retry with the same id settles it.
    #[error("the log did not answer: {0}")]
    Unclear(String),
    /// Larger than the server takes. Not stored.
    #[error("larger than the log takes")]
    TooLarge,
    /// The log will never take this. Not stored.
    #[error("the log refuses: {0}")]
    Refused(String),
}

/// A read came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Later it may work.
    #[error("the log can't be read now: {0}")]
    Unavailable(String),
    /// More than half of the brokers are away, or just elect: until there is a leader nothing is stored, and replicas alone
    /// answer.
    #[error("the log has no leader")]
    NoLeader,
    /// The stream is not there any more.
    #[error("the stream is gone")]
    Gone,
    /// What is stored there is none of ours.
    #[error("what is stored is malformed: {0}")]
    Malformed(String),
}

/// A follower can't go on from its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The stream was recreated, or the position lies past its end.
    #[error("the stream is another one than the position belongs to")]
    EpochChanged,
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// Why a live room can't go on without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LostWhy {
    /// The stream was recreated.
    EpochChanged,
    /// A gap could not be filled within the deadline.
    Unreadable,
    /// The log was closed.
    Closed,
}

/// A query got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nobody answers queries of this name.
    #[error("nobody answers this query now")]
    NoResponder,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The server let the question not through: our NATS user may not ask it.
    #[error("{0}")]
    Denied(String),
    /// The service answered with an error.
    #[error("{code}: {message}")]
    Service {
        /// `Nats-Service-Error-Code`.
        code: String,
        /// `Nats-Service-Error`.
        message: String,
    },
}

/// A message could not be erased.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EraseError {
    /// Later it may work.
    #[error("can't erase now: {0}")]
    Unavailable(String),
    /// The server refuses.
    #[error("the log refuses to erase: {0}")]
    Refused(String),
}
