//! A room: what it is, and the rules that it keeps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::id::{MessageId, RoomId, Seq, UserId};
use crate::member::Role;
use crate::roster::Roster;
use crate::time::Timestamp;
use crate::timeline::Timeline;

/// What kind of room it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RoomType {
    /// Two people, alone. Both are plain members for ever.
    Direct,
    /// People who talk with each other.
    Group,
    /// Few post, many read: who joins is a reader.
    Channel,
}

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// Anyone signed in and not banned may read, attach and join.
    Open,
    /// Members only; to others it is `not_found`.
    Private,
}

/// From where on a member may read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HistoryFrom {
    /// From the room's beginning.
    #[default]
    Beginning,
    /// From the join that began the present membership.
    Joined,
}

/// The rules of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Who may come in.
    pub access: Access,
    /// From where on they may read.
    #[serde(default)]
    pub history: HistoryFrom,
}

/// The stored event `chat.room`: a room's whole state after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomInfo {
    /// The room.
    pub room_id: RoomId,
    /// What kind of room it is.
    #[serde(rename = "type")]
    pub room_type: RoomType,
    /// What people call it.
    pub name: String,
    /// Its owners, repeated from the member events for one rule: the last one can't go.
    pub owners: Vec<UserId>,
    /// Its rules.
    pub settings: Settings,
    /// Whether it is closed for writing.
    #[serde(default)]
    pub archived: bool,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this state was stored, by the edge's clock.
    pub timestamp: Timestamp,
}

/// The event `chat.roomUpdated`: the timeline's notice that a room's rules or name changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomUpdated {
    /// The room.
    pub room_id: RoomId,
    /// Its name after the change.
    pub name: String,
    /// Its rules after the change.
    pub settings: Settings,
    /// Whether it is closed for writing after the change.
    pub archived: bool,
    /// Who did it.
    pub by: UserId,
    /// The edge's clock.
    pub timestamp: Timestamp,
}

impl RoomInfo {
    /// Whether anyone who is not banned may read and join.
    pub fn is_open(&self) -> bool {
        self.settings.access == Access::Open
    }

    /// What somebody becomes by joining.
    pub fn role_of_joiner(&self) -> Role {
        match self.room_type {
            RoomType::Channel => Role::Reader,
            RoomType::Direct | RoomType::Group => Role::Member,
        }
    }
}

/// A room as its events have made it. Two folds of the same events are equal, however they were cut up, and
/// whatever came twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// The room's state and its sequence; none as long as nobody made it.
    pub info: Option<(Seq, RoomInfo)>,
    /// Everybody's standing.
    pub roster: Roster,
    /// Its history.
    pub timeline: Timeline,
}

impl Room {
    /// Folds one of the room's events, stored at `seq` under `id` (its `Nats-Msg-Id`). Total: it never fails.
    ///
    /// The three kinds of subject are folded apart from each other: their order among themselves is of no weight.
    pub fn evolve(&mut self, seq: Seq, event: &Event, id: Option<&MessageId>) {
        match event {
            Event::Room(info) => {
                if self.info.as_ref().is_none_or(|(before, _)| *before < seq) {
                    self.info = Some((seq, info.clone()));
                }
            }
            Event::Member(membership) => self.roster.evolve(seq, membership),
            timeline => self.timeline.evolve(seq, timeline, id),
        }
    }
}
