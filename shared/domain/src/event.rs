//! What can have happened. A stored event is JSON of the shape `{"event": name, "v": version, "data": {…}}`.
//!
//! A timeline event so written is at the same time the native server frame without its position: an edge puts
//! `seq` and `prev` in front and sends it on, without parsing it. Every version ever stored decodes for ever; a
//! golden file holds each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{RoomId, UserId};
use crate::member::{MemberChanged, Membership};
use crate::message::{MessageDeleted, MessageEdited, MessageSent};
use crate::room::{RoomInfo, RoomUpdated};

/// Something that happened in a room and is stored.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(tag = "event", content = "data")]
pub enum Event {
    /// Somebody said something.
    #[serde(rename = "chat.message")]
    MessageSent(MessageSent),
    /// The operator said something: a message of type `system` under its own name, as seed 004's clients know it.
    #[serde(rename = "chat.system")]
    SystemSaid(MessageSent),
    /// Somebody changed what they had said.
    #[serde(rename = "chat.messageEdited")]
    MessageEdited(MessageEdited),
    /// Somebody took away what had been said.
    #[serde(rename = "chat.messageDeleted")]
    MessageDeleted(MessageDeleted),
    /// The notice of a change in a person's standing.
    #[serde(rename = "chat.memberChanged")]
    MemberChanged(MemberChanged),
    /// The notice of a change in the room's name or rules.
    #[serde(rename = "chat.roomUpdated")]
    RoomUpdated(RoomUpdated),
    /// A person's whole standing after a change.
    #[serde(rename = "chat.member")]
    Member(Membership),
    /// A room's whole state after a change.
    #[serde(rename = "chat.room")]
    Room(RoomInfo),
}

/// The name that an event carries in the stream and, for timeline events, in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventName(pub &'static str);

/// Which of a room's three kinds of subject an event lies on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// Messages, and the notices of what people do to each other.
    Timeline(RoomId),
    /// One person's standing.
    Member(RoomId, UserId),
    /// The room's state.
    Info(RoomId),
}

impl Address {
    /// The room that it belongs to.
    pub fn room(&self) -> &RoomId {
        match self {
            Address::Timeline(room) | Address::Member(room, _) | Address::Info(room) => room,
        }
    }
}

/// Why stored bytes are no event that this version knows.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// Not JSON, or not the JSON that the event's name asks for.
    #[error("is not a stored event: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A newer Klatch wrote it.
    #[error("event {name:?} version {version} is not known to this version of Klatch")]
    Unknown {
        /// The event's name.
        name: String,
        /// Its version.
        version: u32,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    event: &'a str,
    v: u32,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Serialize)]
struct Stored<'a, T> {
    event: &'static str,
    v: u32,
    data: &'a T,
}

impl Event {
    /// Where it lies in the log.
    pub fn address(&self) -> Address {
        match self {
            Event::MessageSent(e) | Event::SystemSaid(e) => Address::Timeline(e.room_id.clone()),
            Event::MessageEdited(e) => Address::Timeline(e.room_id.clone()),
            Event::MessageDeleted(e) => Address::Timeline(e.room_id.clone()),
            Event::MemberChanged(e) => Address::Timeline(e.room_id.clone()),
            Event::RoomUpdated(e) => Address::Timeline(e.room_id.clone()),
            Event::Member(e) => Address::Member(e.room_id.clone(), e.user_id.clone()),
            Event::Room(e) => Address::Info(e.room_id.clone()),
        }
    }

    /// Its name.
    pub fn name(&self) -> EventName {
        EventName(match self {
            Event::MessageSent(_) => "chat.message",
            Event::SystemSaid(_) => "chat.system",
            Event::MessageEdited(_) => "chat.messageEdited",
            Event::MessageDeleted(_) => "chat.messageDeleted",
            Event::MemberChanged(_) => "chat.memberChanged",
            Event::RoomUpdated(_) => "chat.roomUpdated",
            Event::Member(_) => "chat.member",
            Event::Room(_) => "chat.room",
        })
    }

    /// The bytes that are stored.
    pub fn encode(&self) -> Vec<u8> {
        fn stored<T: Serialize>(name: EventName, data: &T) -> Vec<u8> {
            serde_json::to_vec(&Stored { event: name.0, v: 1, data }).expect("events have string keys and no maps")
        }
        let name = self.name();
        match self {
            Event::MessageSent(e) | Event::SystemSaid(e) => stored(name, e),
            Event::MessageEdited(e) => stored(name, e),
            Event::MessageDeleted(e) => stored(name, e),
            Event::MemberChanged(e) => stored(name, e),
            Event::RoomUpdated(e) => stored(name, e),
            Event::Member(e) => stored(name, e),
            Event::Room(e) => stored(name, e),
        }
    }

    /// Reads stored bytes of any version ever written.
    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        if let Some(sent) = said_as_written(bytes) {
            return Ok(Event::MessageSent(sent));
        }
        let Envelope { event, v, data } = serde_json::from_slice(bytes)?;
        let data = data.get();
        Ok(match (event, v) {
            ("chat.message", 1) => Event::MessageSent(serde_json::from_str(data)?),
            ("chat.system", 1) => Event::SystemSaid(serde_json::from_str(data)?),
            ("chat.messageEdited", 1) => Event::MessageEdited(serde_json::from_str(data)?),
            ("chat.messageDeleted", 1) => Event::MessageDeleted(serde_json::from_str(data)?),
            ("chat.memberChanged", 1) => Event::MemberChanged(serde_json::from_str(data)?),
            ("chat.roomUpdated", 1) => Event::RoomUpdated(serde_json::from_str(data)?),
            ("chat.member", 1) => Event::Member(serde_json::from_str(data)?),
            ("chat.room", 1) => Event::Room(serde_json::from_str(data)?),
            (name, version) => return Err(Undecodable::Unknown { name: name.to_owned(), version }),
        })
    }
}

/// A message whose JSON is laid out as [`Event::encode`] does it: its data is read without a look through all of it first
/// for where it ends. None of anything else, which is then read with more care.
fn said_as_written(bytes: &[u8]) -> Option<MessageSent> {
    let data = bytes.strip_prefix(br#"{"event":"chat.message","v":1,"data":"#)?.strip_suffix(b"}")?;
    serde_json::from_slice(data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_alike_however_its_json_is_laid_out() {
        let data = r#"{"roomId":"r","messageId":"m","userId":"ada","username":"Ada","message":"a \"}\" b","messageType":"text","timestamp":"2025-11-17T00:00:00.007Z"}"#;
        let as_written = format!(r#"{{"event":"chat.message","v":1,"data":{data}}}"#);
        let read = Event::decode(as_written.as_bytes()).unwrap();
        assert_eq!(read.encode(), as_written.as_bytes());
        let with_more = format!(r#"{{"event":"chat.message","v":1,"data":{data},"by":{{}}}}"#);
        let spaced = format!("{{ \"data\": {data}, \"v\": 1,\n\"event\": \"chat.message\" }}\n");
        for laid_out in [with_more, spaced] {
            assert_eq!(Event::decode(laid_out.as_bytes()).unwrap(), read, "{laid_out}");
        }
        let none = as_written.replace(r#""userId":"ada","#, "");
        assert!(matches!(Event::decode(none.as_bytes()), Err(Undecodable::Malformed(_))));
    }
}
