//! What the log asks of a broker: small verbs with one try each. What is built of them (queues, retries, order, gap
//! filling, presence) is written once, above, and so tested over both brokers.

use std::sync::OnceLock;
use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use klatch_domain::{Epoch, MessageId, Seq, Timestamp};
use klatch_service::traces::Traceparent;
use tokio::sync::watch;

use crate::error::{EraseError, QueryError, ReadError};
use crate::jetstream::{self, JetStream};
use crate::memory::{self, Memory};
use crate::numbers::Numbers;
use crate::streams::Stream;

/// A message, as it is stored or as it was heard live.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) subject: Subject,
    /// Its sequence; [`Seq::ZERO`] for what is never stored (typing).
    pub(crate) seq: Seq,
    /// Live only: the subject's previous sequence.
    pub(crate) prev: Seq,
    pub(crate) at: Timestamp,
    pub(crate) id: Option<MessageId>,
    /// Where its writer stood in a trace; looked for only while spans are collected here.
    pub(crate) trace: Option<Traceparent>,
    /// Says that what stood at this subject stands no more: a tombstone of ours, or the server's marker of an expiry.
    pub(crate) removal: bool,
    pub(crate) payload: Bytes,
}

/// A message to store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Write {
    pub(crate) subject: String,
    pub(crate) payload: Bytes,
    /// A literal subject, and the last sequence that it must still have.
    pub(crate) guard: Option<(String, Seq)>,
    pub(crate) id: Option<MessageId>,
    pub(crate) ttl: Option<Duration>,
    /// Where the writer stands in a trace.
    pub(crate) trace: Option<Traceparent>,
    /// Tells hearers that what stood here is gone; needs a `ttl` to go away itself.
    pub(crate) tombstone: bool,
}

/// Stored; or known already, where `duplicate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    /// The sequence of the last message.
    pub(crate) seq: Seq,
    pub(crate) duplicate: bool,
}

/// Why one try to write stored nothing, or may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// A guarded subject has another last sequence. Says nothing of whether the id is known: at R1 the server looks at the
    /// guard first, at R3 at the id (stream.go `processJetStreamMsg`, batching.go `checkMsgHeadersPreClusteredProposal`).
    Guard,
    /// A batch holds an id that is known.
    KnownId,
    /// Somebody else's write is in the way; in a moment it isn't.
    Busy,
    /// Not stored; later it may work.
    Unavailable(String),
    /// Sent, and no answer.
    Unclear(String),
    TooLarge,
    Refused(String),
}

/// Some messages, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) records: Vec<Record>,
    /// Whether the broker had more to give, by its own account; a replica may lag.
    pub(crate) more: bool,
}

/// How a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) last_seq: Seq,
    /// Only of the events.
    pub(crate) epoch: Option<Epoch>,
    /// The server's clock when it answered, where it says so.
    pub(crate) at: Option<Timestamp>,
}

/// What followers read: records in order, and whether more were stored behind the last of them.
#[derive(Debug)]
pub(crate) struct Fed {
    pub(crate) records: Vec<Record>,
    pub(crate) caught_up: bool,
}

/// What happened to the connection.
#[derive(Debug)]
pub(crate) struct Signals {
    pub(crate) connected: watch::Sender<bool>,
    /// Counts reconnects: whatever was in flight then is unclear.
    pub(crate) reconnects: watch::Sender<u64>,
    /// Counts all that may have cost live messages.
    pub(crate) disruptions: watch::Sender<u64>,
    /// Where it is counted, once that is known.
    pub(crate) numbers: OnceLock<Numbers>,
}

impl Default for Signals {
    fn default() -> Self {
        Signals {
            connected: watch::Sender::new(true),
            reconnects: watch::Sender::new(0),
            disruptions: watch::Sender::new(0),
            numbers: OnceLock::new(),
        }
    }
}

impl Signals {
    /// Counts something, if anybody wants to know.
    pub(crate) fn count(&self, count: impl FnOnce(&Numbers)) {
        if let Some(numbers) = self.numbers.get() {
            count(numbers);
        }
    }

    pub(crate) fn disrupted(&self) {
        self.disruptions.send_modify(|count| *count += 1);
    }
}

#[derive(Debug)]
pub(crate) enum Broker {
    JetStream(Box<JetStream>),
    Memory(Memory),
}

macro_rules! ask {
    ($self:ident, $broker:ident => $call:expr) => {
        match $self {
            Broker::JetStream($broker) => $call,
            Broker::Memory($broker) => $call,
        }
    };
}

impl Broker {
    pub(crate) fn signals(&self) -> &Signals {
        ask!(self, broker => broker.signals())
    }

    /// Stores one message, or several, all or nothing.
    pub(crate) async fn write(&self, stream: Stream, writes: &[Write], within: Duration) -> Result<Ack, WriteError> {
        ask!(self, broker => broker.write(stream, writes, within).await)
    }

    /// The sequence under which the events know an id, within the duplicate window.
    pub(crate) async fn find_id(
        &self,
        id: &MessageId,
        subject: &str,
        within: Duration,
    ) -> Result<Option<Seq>, WriteError> {
        ask!(self, broker => broker.find_id(id, subject, within).await)
    }

    /// The last message of a literal subject; asks the leader.
    pub(crate) async fn last(&self, stream: Stream, subject: &str) -> Result<Option<Record>, ReadError> {
        ask!(self, broker => broker.last(stream, subject).await)
    }

    /// The first message of a subject at or after a sequence; asks the leader.
    pub(crate) async fn next(&self, stream: Stream, subject: &str, from: Seq) -> Result<Option<Record>, ReadError> {
        ask!(self, broker => broker.next(stream, subject, from).await)
    }

    /// The message at a sequence; asks the leader.
    pub(crate) async fn at(&self, stream: Stream, seq: Seq) -> Result<Option<Record>, ReadError> {
        ask!(self, broker => broker.at(stream, seq).await)
    }

    /// Messages of a subject (wildcards allowed) from a sequence on; any replica answers, and may lag.
    pub(crate) async fn page(
        &self,
        stream: Stream,
        subject: &str,
        from: Seq,
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<Page, ReadError> {
        ask!(self, broker => broker.page(stream, subject, from, messages_max, bytes_max).await)
    }

    /// The last message of each literal subject that has one, at most 1,024 of them, in no order of the subjects; any
    /// replica answers, and may lag.
    pub(crate) async fn lasts(&self, stream: Stream, subjects: &[String]) -> Result<Vec<Record>, ReadError> {
        ask!(self, broker => broker.lasts(stream, subjects).await)
    }

    pub(crate) async fn status(&self, stream: Stream) -> Result<Status, ReadError> {
        ask!(self, broker => broker.status(stream).await)
    }

    pub(crate) async fn set_epoch(&self, epoch: Epoch) -> Result<(), ReadError> {
        ask!(self, broker => broker.set_epoch(epoch).await)
    }

    /// Hears a subject (wildcards allowed). Whatever is asked of the broker afterwards, it answers with the ear open.
    pub(crate) async fn listen(&self, subject: &str) -> Result<Ear, ReadError> {
        match self {
            Broker::JetStream(broker) => Ok(Ear::JetStream(broker.listen(subject).await?)),
            Broker::Memory(broker) => Ok(Ear::Memory(broker.listen(subject))),
        }
    }

    /// Says something that is never stored.
    pub(crate) async fn say(&self, subject: String, payload: Bytes) {
        ask!(self, broker => broker.say(subject, payload).await)
    }

    /// Reads a stream from after a sequence on, for as long as it lasts.
    pub(crate) async fn feed(&self, stream: Stream, after: Seq) -> Result<Feed, ReadError> {
        match self {
            Broker::JetStream(broker) => Ok(Feed::JetStream(Box::new(broker.feed(stream, after).await?))),
            Broker::Memory(broker) => Ok(Feed::Memory(broker.feed(stream, after))),
        }
    }

    /// Asks a service.
    pub(crate) async fn request(
        &self,
        subject: String,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, QueryError> {
        ask!(self, broker => broker.request(subject, payload, timeout).await)
    }

    /// Overwrites and removes a message.
    pub(crate) async fn erase(&self, stream: Stream, seq: Seq) -> Result<(), EraseError> {
        ask!(self, broker => broker.erase(stream, seq).await)
    }

    /// Removes all messages of a subject (wildcards allowed).
    pub(crate) async fn purge(&self, stream: Stream, subject: &str) -> Result<(), EraseError> {
        ask!(self, broker => broker.purge(stream, subject).await)
    }
}

/// An open subscription.
#[derive(Debug)]
pub(crate) enum Ear {
    JetStream(jetstream::Ear),
    Memory(memory::Ear),
}

impl Ear {
    /// The next message; none when the connection was closed for good. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Record> {
        match self {
            Ear::JetStream(ear) => ear.next().await,
            Ear::Memory(ear) => ear.next().await,
        }
    }
}

/// An open reader of a stream.
#[derive(Debug)]
pub(crate) enum Feed {
    JetStream(Box<jetstream::Feed>),
    Memory(memory::Feed),
}

impl Feed {
    /// Waits for messages and gives those that are ready, at most `max`; after an error it is of no more use.
    /// Cancel-safe. The first answer may be empty: it says that nothing was stored behind the start.
    pub(crate) async fn next(&mut self, max: usize) -> Result<Fed, ReadError> {
        match self {
            Feed::JetStream(feed) => feed.next(max).await,
            Feed::Memory(feed) => feed.next(max).await,
        }
    }
}
