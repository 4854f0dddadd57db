//! One message of the stream.

use bytes::Bytes;
use klatch_domain::event::Undecodable;
use klatch_domain::{Address, Event, MessageId, Seq, Timestamp};

/// A stored event, not yet decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence in the stream.
    pub seq: Seq,
    /// Where it lies.
    pub address: Address,
    /// `Nats-Msg-Id`, where it has one.
    pub id: Option<MessageId>,
    /// The stream's own time.
    pub at: Timestamp,
    /// The event, encoded.
    pub payload: Bytes,
}

impl Stored {
    /// Decodes the payload.
    pub fn event(&self) -> Result<Event, Undecodable> {
        Event::decode(&self.payload)
    }
}
