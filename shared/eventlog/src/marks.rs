//! How far somebody got in a room: merged by maximum, never back.

use klatch_domain::{RoomId, Seq, UserId};
use serde::{Deserialize, Serialize};

/// Delivered and read marks: sequences of the room's timeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Everything up to here reached a device.
    #[serde(default)]
    pub delivered: Seq,
    /// Everything up to here was read.
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
