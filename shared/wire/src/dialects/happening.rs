//! What happens in a room or to a person, before anybody's words are found for it.

use std::cell::OnceCell;

use bytes::Bytes;
use klatch_domain::{Event, MemberChanged, MessageSent, Seq};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::native::server::{self, Presence, Receipt, RoomState, TypingInRoom, UserInRoom};

/// Something that those who listen may hear of.
#[derive(Debug)]
pub enum Happening<'a> {
    /// An event of the room's timeline.
    Timeline(Timeline<'a>),
    /// A change in somebody's standing that the timeline has no notice of.
    MemberChanged(&'a MemberChanged),
    /// Somebody attached.
    Came(&'a UserInRoom),
    /// Somebody detached.
    Went(&'a UserInRoom),
    /// Somebody writes, or does no longer.
    Typing(Encoded<'a, TypingInRoom>),
    /// Somebody's marks moved.
    Marked(&'a Receipt),
    /// So many are attached.
    Counted(&'a Presence),
    /// Those who hear this are members of a new room.
    RoomCreated(&'a RoomState),
    /// Those who hear this were asked to come.
    Invited(&'a MemberChanged),
}

impl Happening<'_> {
    /// The native frame of it. Of a timeline event it is the stored bytes with its position in front.
    pub fn native(&self) -> Bytes {
        match self {
            Happening::Timeline(timeline) => server::positioned(timeline.seq, Some(timeline.prev), timeline.stored),
            Happening::MemberChanged(change) | Happening::Invited(change) => {
                server::frame("chat.memberChanged", change)
            }
            Happening::Came(user) => server::frame("chat.userJoined", user),
            Happening::Went(user) => server::frame("chat.userLeft", user),
            Happening::Typing(typing) => Bytes::copy_from_slice(typing.json),
            Happening::Marked(receipt) => server::frame("chat.receipt", receipt),
            Happening::Counted(presence) => server::frame("chat.presence", presence),
            Happening::RoomCreated(room) => server::frame("chat.roomCreated", room),
        }
    }
}

/// A timeline event, decoded when the first one asks, and once.
#[derive(Debug)]
pub struct Timeline<'a> {
    /// Its sequence.
    pub seq: Seq,
    /// The sequence of the timeline event before it.
    pub prev: Seq,
    /// As the stream holds it.
    pub stored: &'a [u8],
    event: OnceCell<Option<Event>>,
}

impl<'a> Timeline<'a> {
    /// Not decoded yet.
    pub fn new(seq: Seq, prev: Seq, stored: &'a [u8]) -> Self {
        Timeline { seq, prev, stored, event: OnceCell::new() }
    }

    /// What it says; none where this version does not know such events.
    pub fn event(&self) -> Option<&Event> {
        self.event.get_or_init(|| Event::decode(self.stored).ok()).as_ref()
    }

    /// What somebody said, if that is what happened.
    pub fn said(&self) -> Option<&MessageSent> {
        match self.event()? {
            Event::MessageSent(sent) | Event::SystemSaid(sent) => Some(sent),
            _ => None,
        }
    }
}

/// A native frame with its data, which is read when the first one asks, and once.
#[derive(Debug)]
pub struct Encoded<'a, T> {
    json: &'a [u8],
    data: OnceCell<Option<T>>,
}

impl<'a, T: DeserializeOwned> Encoded<'a, T> {
    /// Not read yet.
    pub fn new(json: &'a [u8]) -> Self {
        Encoded { json, data: OnceCell::new() }
    }

    /// The frame's data.
    pub fn data(&self) -> Option<&T> {
        #[derive(serde::Deserialize)]
        struct Frame<T> {
            data: T,
        }
        let read = || serde_json::from_slice(self.json).ok().map(|Frame { data }| data);
        self.data.get_or_init(read).as_ref()
    }
}

/// An item of a page of history.
#[derive(Debug, serde::Deserialize)]
pub struct Line {
    /// Its sequence.
    pub seq: Seq,
    /// What was said, as it reads now.
    pub data: MessageSent,
}

impl Line {
    /// The item, if it is something that was said and not deleted since.
    pub fn read(item: &RawValue) -> Option<Self> {
        serde_json::from_str(item.get()).ok()
    }
}
