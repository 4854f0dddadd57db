//! One event of the log, as it is stored.

use bytes::Bytes;
use klatch_domain::event::Undecodable;
use klatch_domain::{Address, Event, MessageId, Seq, Timestamp};
use klatch_service::traces::Traceparent;

use crate::broker::Record;
use crate::subject;

/// A stored event, not yet decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence in the stream.
    pub seq: Seq,
    /// Where it lies.
    pub address: Address,
    /// What it was made idempotent by (`Nats-Msg-Id`), where it was.
    pub id: Option<MessageId>,
    /// The stream's own time: what questions about time go by.
    pub at: Timestamp,
    /// Where its writer stood in a trace; none while no spans are collected here.
    pub trace: Option<Traceparent>,
    /// The event, encoded.
    pub payload: Bytes,
}

impl Stored {
    /// Decodes the payload.
    pub fn event(&self) -> Result<Event, Undecodable> {
        Event::decode(&self.payload)
    }

    /// None where the subject is none of ours.
    pub(crate) fn of(record: Record) -> Option<Self> {
        let address = subject::parse_event(&record.subject)?;
        Some(Self::at(address, record))
    }

    pub(crate) fn at(address: Address, record: Record) -> Self {
        Stored { seq: record.seq, address, id: record.id, at: record.at, trace: record.trace, payload: record.payload }
    }
}
