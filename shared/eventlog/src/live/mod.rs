//! What comes live: in order, each once, gaps filled from the stream.
//!
//! Republish is core NATS: on a failover it can repeat (120 seen in 6 leader kills) and reorder (2 in 4 pauses), and a
//! slow reader's client library drops. Each republished event says which sequence its subject had before, and that mends
//! all of it: see [`chain`]. A lost *last* event has no successor to tell of it: that is what the [`patrol`] is for.

mod chain;
mod newest;
pub(crate) mod patrol;
mod room;
mod wide;

use bytes::Bytes;
use klatch_domain::{Seq, UserId};
use klatch_service::traces::Traceparent;

use crate::error::LostWhy;
use crate::marks::Marks;
use crate::presence::EdgeId;
use crate::stored::Stored;

pub use room::LiveRoom;
pub use wide::{LiveFacts, LiveLeases};

/// What comes from a live room.
#[derive(Debug, Clone)]
pub enum LiveEvent {
    /// A timeline event: gapless, in order, once.
    Timeline {
        /// Its sequence.
        seq: Seq,
        /// The sequence of the timeline event given out before, or where the room stood at the beginning.
        prev: Seq,
        /// Where its writer stood in a trace; none while no spans are collected here.
        trace: Option<Traceparent>,
        /// The stored event.
        payload: Bytes,
    },
    /// Somebody's standing; never one older than the last given out for the same person. Best effort: one may be missing.
    Member(Stored),
    /// The room's state; never one older than the last given out. The newest is never missing for longer than
    /// [`Options::live_check_every`](crate::Options::live_check_every).
    Info(Stored),
    /// Somebody types, or stops; best effort.
    Typing {
        /// Who.
        user: UserId,
        /// As it was published.
        payload: Bytes,
    },
    /// Somebody attached through an edge; may repeat, best effort.
    Attached {
        /// Who.
        user: UserId,
        /// Their name.
        username: String,
        /// Through which edge.
        edge: EdgeId,
    },
    /// Somebody's last session on an edge is gone; may repeat, best effort.
    Detached {
        /// Who.
        user: UserId,
        /// From which edge.
        edge: EdgeId,
    },
    /// Somebody's marks moved; may repeat, best effort.
    Marked {
        /// Who.
        user: UserId,
        /// To where.
        marks: Marks,
    },
    /// It can't go on without a gap. Nothing else follows: whoever listened must resume from where they stand.
    Lost(LostWhy),
}
