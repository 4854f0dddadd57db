//! What waits for delivery, and what is left of it when it is given up. Neither holds anything that was said: a message
//! that is erased from the log is nowhere else.

use bytes::Bytes;
use klatch_domain::{MessageId, RoomId, Seq, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::announcement::EventType;

/// To tell one webhook of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    pub(crate) event_type: EventType,
    pub(crate) message_id: MessageId,
    pub(crate) room_id: RoomId,
    /// Where the message lies in the log.
    pub(crate) seq: Seq,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) receiver_id: Option<UserId>,
}

/// A job that was given up.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetter<'a> {
    /// As it was: put back under its subject, it is tried again.
    pub(crate) job: &'a Job,
    /// The requests that were made, those included that the notifier cut off because it was stopped.
    pub(crate) tries: u32,
    /// What the last of them met.
    pub(crate) reason: &'a str,
    /// When it was given up.
    pub(crate) timestamp: Timestamp,
}

impl Job {
    pub(crate) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("it has string keys and no maps").into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Job, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

impl DeadLetter<'_> {
    pub(crate) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("it has string keys and no maps").into()
    }
}
