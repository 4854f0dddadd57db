//! What a client hears: frames as types, and what became of connection and rooms.

use std::time::Duration;

use klatch_domain::{MemberChanged, MessageDeleted, MessageEdited, MessageItem, RoomId, RoomUpdated, Seq};
use klatch_wire::native::server::{Joined, Presence, Receipt, TypingInRoom, User, UserInRoom};
use serde_json::value::RawValue;

use crate::ending::Ending;
use crate::failure::Failure;
use crate::frame::Frame;

/// Something that a client hears.
#[derive(Debug)]
pub enum Event {
    /// The server knows who we are.
    Online {
        /// Whom the token names.
        user: User,
        /// The session, for support and logs.
        session_id: String,
    },
    /// The connection is lost; the next attempt is made after `retry_in`.
    Offline {
        /// How it ended.
        ending: Ending,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// It will not come back by itself. The last event.
    Stopped(Ending),
    /// A room is attached for the first time, without a position to resume from: its `events` are the newest page.
    Joined(Joined),
    /// A room is attached again, and all that was missed has been delivered.
    Resumed(Joined),
    /// A room is attached again, but what was missed is not known: its `events` replace what was shown.
    Reset(Joined),
    /// A room is attached no more, and will not be by itself.
    Detached {
        /// The room.
        room_id: RoomId,
        /// Why.
        why: Detached,
    },
    /// Something happened in a room: each event of a room's timeline once, in order.
    Timeline(TimelineEvent),
    /// Somebody joined, accepted or left, of which the timeline has no notice.
    MemberChanged(MemberChanged),
    /// Somebody attached.
    UserJoined(UserInRoom),
    /// Somebody detached.
    UserLeft(UserInRoom),
    /// Somebody writes, or does no longer.
    Typing(TypingInRoom),
    /// Somebody's marks moved.
    Receipt(Receipt),
    /// How many are attached to a big room.
    Presence(Presence),
    /// An error that answers nothing that was asked with an id.
    Failed(Failure),
    /// So many events that belong to no timeline were dropped: they were not taken in time.
    Missed(u64),
    /// A frame that this client has no type for.
    Other(Frame),
}

/// Why a room is attached no more.
#[derive(Debug, Clone)]
pub enum Detached {
    /// Put out.
    Kicked,
    /// Put out and kept out.
    Banned,
    /// Gone by our own wish.
    Exited,
    /// The server refused.
    Refused(Failure),
}

/// An event of a room's timeline.
#[derive(Debug, Clone)]
pub struct TimelineEvent {
    /// Its sequence.
    pub seq: Seq,
    /// The sequence of the timeline event before it; in live and recovered events only.
    pub prev: Option<Seq>,
    /// What happened.
    pub what: Happened,
}

/// What happened in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// Somebody, or the operator, said something.
    Message(MessageItem),
    /// Somebody changed what they had said.
    Edited(MessageEdited),
    /// Something said was taken away.
    Deleted(MessageDeleted),
    /// Somebody's standing was changed by another.
    MemberChanged(MemberChanged),
    /// The room's name or rules changed.
    RoomUpdated(RoomUpdated),
}

impl TimelineEvent {
    /// Reads an item of a history page or of `chat.joined`.
    pub fn parse(item: &RawValue) -> Result<Self, Failure> {
        let frame = Frame::parse(item.get()).ok_or_else(|| Failure::Unreadable("an item that is no frame".into()))?;
        Self::from_frame(&frame)?.ok_or_else(|| Failure::Unreadable(format!("{} is no item", frame.event)))
    }

    /// Reads a frame; none where it is of no timeline.
    pub(crate) fn from_frame(frame: &Frame) -> Result<Option<Self>, Failure> {
        let Some(seq) = frame.seq else { return Ok(None) };
        let what = match frame.event.as_str() {
            "chat.message" | "chat.system" => Happened::Message(frame.read()?),
            "chat.messageEdited" => Happened::Edited(frame.read()?),
            "chat.messageDeleted" => Happened::Deleted(frame.read()?),
            "chat.memberChanged" => Happened::MemberChanged(frame.read()?),
            "chat.roomUpdated" => Happened::RoomUpdated(frame.read()?),
            _ => return Ok(None),
        };
        Ok(Some(TimelineEvent { seq, prev: frame.prev, what }))
    }

    /// What was said, where somebody said something that still stands.
    pub fn text(&self) -> Option<&str> {
        match &self.what {
            Happened::Message(MessageItem::Said(said)) => Some(&said.sent.message),
            _ => None,
        }
    }
}

impl Event {
    /// A frame that belongs to no timeline, typed.
    pub(crate) fn from_frame(frame: Frame) -> Event {
        let typed = match frame.event.as_str() {
            "chat.memberChanged" => frame.read().map(Event::MemberChanged),
            "chat.userJoined" => frame.read().map(Event::UserJoined),
            "chat.userLeft" => frame.read().map(Event::UserLeft),
            "chat.typing" => frame.read().map(Event::Typing),
            "chat.receipt" => frame.read().map(Event::Receipt),
            "chat.presence" => frame.read().map(Event::Presence),
            _ => return Event::Other(frame),
        };
        typed.unwrap_or(Event::Other(frame))
    }
}
