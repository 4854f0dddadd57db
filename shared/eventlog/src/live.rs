//! What comes live: in order, each once, gaps filled.

use bytes::Bytes;
use klatch_domain::{Seq, UserId};

use crate::error::LostWhy;
use crate::marks::Marks;
use crate::presence::{EdgeId, LeaseEvent};
use crate::stored::Stored;

/// A room's events as they come.
#[derive(Debug)]
pub struct LiveRoom {
    position: Seq,
}

/// What comes from a live room.
#[derive(Debug, Clone)]
pub enum LiveEvent {
    /// A timeline event: gapless, in order, once.
    Timeline {
        /// Its sequence.
        seq: Seq,
        /// The timeline's previous sequence, as the stream says.
        prev: Seq,
        /// The stored event.
        payload: Bytes,
    },
    /// Somebody's standing; newest wins.
    Member(Stored),
    /// The room's state; newest wins.
    Info(Stored),
    /// Somebody types, or stops.
    Typing {
        /// Who.
        user: UserId,
        /// As it was published.
        payload: Bytes,
    },
    /// Somebody attached through an edge; may repeat.
    Attached {
        /// Who.
        user: UserId,
        /// Their name.
        username: String,
        /// Through which edge.
        edge: EdgeId,
    },
    /// Somebody's last session on an edge is gone; may repeat.
    Detached {
        /// Who.
        user: UserId,
        /// From which edge.
        edge: EdgeId,
    },
    /// Somebody's marks moved.
    Marked {
        /// Who.
        user: UserId,
        /// To where.
        marks: Marks,
    },
    /// Can't go on without a gap. Nothing follows.
    Lost(LostWhy),
}

impl LiveRoom {
    /// The last timeline sequence at or before which everything is delivered, or was there at subscribe time.
    pub fn position(&self) -> Seq {
        self.position
    }

    /// The next event. Cancel-safe.
    pub async fn next(&mut self) -> LiveEvent {
        unimplemented!()
    }
}

/// Every member event of every room, best effort; may repeat.
#[derive(Debug)]
pub struct LiveMembers {}

impl LiveMembers {
    /// The next one; none when the log was closed.
    pub async fn next(&mut self) -> Option<Stored> {
        unimplemented!()
    }
}

/// The leases of all edges.
#[derive(Debug)]
pub struct LiveLeases {}

impl LiveLeases {
    /// The next one; none when the log was closed.
    pub async fn next(&mut self) -> Option<LeaseEvent> {
        unimplemented!()
    }
}
