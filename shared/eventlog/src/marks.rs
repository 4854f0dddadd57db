//! How far somebody got in a room: delivered and read, merged by maximum, never back.
//!
//! One message a subject in a stream of its own, guarded by itself: two edges that mark at once don't undo each other.

use bytes::Bytes;
use klatch_domain::{RoomId, Seq, UserId};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::append::Written;
use crate::broker::Write;
use crate::error::{AppendError, ReadError};
use crate::log::Log;
use crate::sabotage::Sabotage;
use crate::streams::Stream;
use crate::subject;

/// Delivered and read marks: sequences of the room's timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marks {
    /// Everything up to here reached one of their devices.
    #[serde(default)]
    pub delivered: Seq,
    /// Everything up to here they have read.
    #[serde(default)]
    pub read: Seq,
}

/// Somebody's marks in a room, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// How far.
    pub marks: Marks,
    /// The sequence in the marks' own stream.
    pub seq: Seq,
}

impl Marks {
    /// The greater of each. What was read was delivered.
    pub fn merge(self, other: Marks) -> Marks {
        let read = self.read.max(other.read);
        Marks { delivered: self.delivered.max(other.delivered).max(read), read }
    }
}

pub(crate) fn decode(payload: &[u8]) -> Option<Marks> {
    serde_json::from_slice(payload).ok()
}

impl Log {
    /// The last sequence of the marks' own stream; asks the leader. Whoever counts from here counts from every mark that
    /// was acknowledged before this was asked, through whichever edge.
    pub async fn last_mark(&self) -> Result<Seq, ReadError> {
        Ok(self.reading(|| self.broker().status(Stream::Marks)).await?.last_seq)
    }

    /// Moves somebody's marks forward, never back; gives them as they stand then, and where they lie. Where they stand
    /// there already nothing is written.
    pub async fn mark(&self, room: &RoomId, user: &UserId, marks: Marks) -> Result<Marked, AppendError> {
        let subject = subject::mark(room, user);
        let deadline = Instant::now() + self.options().append_deadline;
        let marked = |marks, seq| Marked { room: room.clone(), user: user.clone(), marks, seq };
        loop {
            let (stored, seq) =
                self.stored_marks(&subject).await.map_err(|error| AppendError::Unavailable(error.to_string()))?;
            let merged = if Sabotage::MarkGoesBack.is_on() { marks } else { stored.merge(marks) };
            if merged == stored {
                return Ok(marked(stored, seq));
            }
            let write = Write {
                subject: subject.clone(),
                payload: Bytes::from(serde_json::to_vec(&merged).expect("two numbers")),
                guard: Some((subject.clone(), seq)),
                ..Write::default()
            };
            match self.write_until(Stream::Marks, write, deadline).await? {
                Written::At(seq) => return Ok(marked(merged, seq)),
                // Somebody else moved them meanwhile, or we did and weren't told: the next look says.
                Written::Guarded => {}
            }
        }
    }

    /// Somebody's marks; none of anything where nothing was stored.
    pub async fn marks(&self, room: &RoomId, user: &UserId) -> Result<Marks, ReadError> {
        Ok(self.stored_marks(&subject::mark(room, user)).await?.0)
    }

    async fn stored_marks(&self, subject: &str) -> Result<(Marks, Seq), ReadError> {
        let record = self.reading(|| self.broker().last(Stream::Marks, subject)).await?;
        Ok(record
            .map_or((Marks::default(), Seq::ZERO), |record| (decode(&record.payload).unwrap_or_default(), record.seq)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_merge_by_maximum_and_what_was_read_was_delivered() {
        let marks = |delivered, read| Marks { delivered: Seq(delivered), read: Seq(read) };
        assert_eq!(marks(5, 2).merge(marks(3, 4)), marks(5, 4));
        assert_eq!(marks(1, 1).merge(marks(0, 9)), marks(9, 9));
        assert_eq!(marks(5, 5).merge(Marks::default()), marks(5, 5));
    }

    #[test]
    fn stored_marks_are_readable_json() {
        let marks = Marks { delivered: Seq(7), read: Seq(5) };
        let stored = serde_json::to_string(&marks).unwrap();
        assert_eq!(stored, r#"{"delivered":7,"read":5}"#);
        assert_eq!(decode(stored.as_bytes()), Some(marks));
        assert_eq!(decode(b"7"), None);
    }
}
