//! Frames that clients send. Strict: an unknown event or field, a duplicate key or a wrong type is `invalid_field`;
//! what is no JSON object with an `event` is `invalid_frame`. Neither closes the connection.

use std::borrow::Cow;

use klatch_domain::{
    Access, Attachment, ClientId, HistoryFrom, MessageId, MessageType, Position, Role, RoomId, RoomType, Seq,
    Timestamp, UserId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Code;

/// A frame that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientFrame {
    /// The client's id; with one, the command gets exactly one answer and may be repeated safely.
    pub id: Option<ClientId>,
    /// What it asks for.
    pub request: Request,
}

/// A frame that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFrame {
    /// The frame's id as it stood, wherever the frame was JSON with a string `id`.
    pub id: Option<String>,
    /// [`Code::InvalidFrame`] or [`Code::InvalidField`].
    pub code: Code,
    /// What is wrong, for a person to read.
    pub message: String,
}

macro_rules! requests {
    ($($(#[$doc:meta])* $event:literal $variant:ident($data:ty),)*) => {
        /// Everything that a client can ask for.
        #[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
        #[serde(tag = "event", content = "data")]
        pub enum Request {
            $($(#[$doc])* #[serde(rename = $event)] $variant($data),)*
        }

        impl Request {
            /// The names of all events that a client can send.
            pub const EVENTS: &'static [&'static str] = &[$($event),*];

            /// The event's name.
            pub fn event(&self) -> &'static str {
                match self {
                    $(Request::$variant(_) => $event,)*
                }
            }

            fn parse(event: &str, data: &str) -> Result<Self, String> {
                match event {
                    $($event => serde_json::from_str(data).map(Request::$variant).map_err(|e| explain(&e)),)*
                    other => Err(format!("event: {other:?} is none that a client can send")),
                }
            }
        }
    };
}

requests! {
    /// A token, where the upgrade brought none; or a newer one.
    "chat.auth" Auth(Auth),
    /// Attach to a room; become a member where it is open; make it where it is not there.
    "chat.join" Join(Join),
    /// Detach; stays a member.
    "chat.leave" Leave(InRoom),
    /// Say something.
    "chat.message" Message(Message),
    /// Change what one has said.
    "chat.edit" Edit(Edit),
    /// Take away what was said.
    "chat.delete" Delete(AboutMessage),
    /// Writing, or no longer.
    "chat.typing" Typing(Typing),
    /// Everything up to here has reached this person.
    "chat.delivered" Delivered(Mark),
    /// Everything up to here was read.
    "chat.read" Read(Mark),
    /// A page of a room's history.
    "chat.history" History(History),
    /// Make a room.
    "chat.createRoom" CreateRoom(CreateRoom),
    /// Change a room's name or rules.
    "chat.updateRoom" UpdateRoom(UpdateRoom),
    /// Close a room for writing, or open it again.
    "chat.archiveRoom" ArchiveRoom(ArchiveRoom),
    /// Ask somebody to come.
    "chat.invite" Invite(InviteUser),
    /// Put somebody out.
    "chat.kick" Kick(AboutUser),
    /// Put somebody out and keep them out.
    "chat.ban" Ban(AboutUserUntil),
    /// Let somebody come again.
    "chat.unban" Unban(AboutUser),
    /// Take somebody's word for a while, or give it back.
    "chat.mute" Mute(MuteUser),
    /// Give somebody another role.
    "chat.role" Role(GiveRole),
    /// Stop being a member.
    "chat.exit" Exit(InRoom),
    /// The rooms that one is a member of.
    "chat.rooms" Rooms(Rooms),
    /// The members of a room.
    "chat.members" Members(Members),
    /// Who is attached to a room.
    "chat.presence" Presence(InRoom),
    /// Nothing; answered.
    "chat.ping" Ping(Ping),
}

/// Data of `chat.auth`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Auth {
    /// A JSON Web Token.
    pub token: String,
}

/// Data of `chat.join`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Join {
    /// The room.
    pub room_id: RoomId,
    /// The last position that the client has: resume from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Position>,
    /// Items of the newest page, where nothing is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Data of commands that name a room alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InRoom {
    /// The room.
    pub room_id: RoomId,
}

/// Data of `chat.message`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    /// The room.
    pub room_id: RoomId,
    /// What is said.
    pub message: String,
    /// What it is; text by default.
    #[serde(default)]
    pub message_type: MessageType,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageRef>,
    /// What comes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Whom it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Accepted from older clients and ignored: the name is the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// A message that a command refers to: the sequence finds it, the id proves that it is the one meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageRef {
    /// The message.
    pub message_id: MessageId,
    /// The message's sequence.
    pub seq: Seq,
}

/// Data of `chat.edit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Edit {
    /// The room.
    pub room_id: RoomId,
    /// The message.
    pub message_id: MessageId,
    /// The message's sequence.
    pub seq: Seq,
    /// What it says from now on.
    pub message: String,
}

/// Data of `chat.delete`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AboutMessage {
    /// The room.
    pub room_id: RoomId,
    /// The message.
    pub message_id: MessageId,
    /// The message's sequence.
    pub seq: Seq,
}

/// Data of `chat.typing`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Typing {
    /// The room.
    pub room_id: RoomId,
    /// Writing, or no longer.
    pub is_typing: bool,
    /// Accepted from older clients and ignored: the name is the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// Data of `chat.delivered` and `chat.read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mark {
    /// The room.
    pub room_id: RoomId,
    /// Up to and with this sequence. Marks only move forward.
    pub seq: Seq,
}

/// Data of `chat.history`. At most one of `before`, `after` and `around`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct History {
    /// The room.
    pub room_id: RoomId,
    /// Items before this sequence, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// Items after this sequence, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// Items around this sequence, with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<Seq>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Data of `chat.createRoom`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateRoom {
    /// Its id; the server makes one where none is given, and always for a direct room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    /// What kind of room.
    #[serde(rename = "type")]
    pub room_type: RoomType,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Members from the beginning; the creator need not be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<UserId>,
    /// Its rules, where they differ from its type's.
    #[serde(default)]
    pub settings: SettingsChange,
}

/// Rules of a room, as far as they are to differ from what stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingsChange {
    /// Who may come in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// From where on members may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryFrom>,
}

/// Data of `chat.updateRoom`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateRoom {
    /// The room.
    pub room_id: RoomId,
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Other rules.
    #[serde(default)]
    pub settings: SettingsChange,
}

/// Data of `chat.archiveRoom`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchiveRoom {
    /// The room.
    pub room_id: RoomId,
    /// Open it again.
    #[serde(default)]
    pub remove: bool,
}

/// Data of commands about a person in a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AboutUser {
    /// The room.
    pub room_id: RoomId,
    /// The person.
    pub user_id: UserId,
    /// Why, for everyone in the room to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Data of `chat.invite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InviteUser {
    /// The room.
    pub room_id: RoomId,
    /// The person.
    pub user_id: UserId,
    /// What they become by accepting; what joining makes them by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Why, for everyone in the room to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Data of `chat.ban`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AboutUserUntil {
    /// The room.
    pub room_id: RoomId,
    /// The person.
    pub user_id: UserId,
    /// Why, for everyone in the room to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The end; none is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Data of `chat.mute`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MuteUser {
    /// The room.
    pub room_id: RoomId,
    /// The person.
    pub user_id: UserId,
    /// Why, for everyone in the room to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The end; none is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Give the word back.
    #[serde(default)]
    pub remove: bool,
}

/// Data of `chat.role`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GiveRole {
    /// The room.
    pub room_id: RoomId,
    /// The person.
    pub user_id: UserId,
    /// Their role from now on.
    pub role: Role,
    /// Why, for everyone in the room to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Data of `chat.rooms`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rooms {
    /// Where the last page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Data of `chat.members`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Members {
    /// The room.
    pub room_id: RoomId,
    /// Where the last page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Data of `chat.ping`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ping {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

impl ClientFrame {
    /// Reads a text frame.
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| bad_envelope(text, &error))?;
        let bad = |message: String| BadFrame {
            id: envelope.id.as_deref().map(str::to_owned),
            code: Code::InvalidField,
            message,
        };
        let id = match &envelope.id {
            None => None,
            Some(id) => Some(ClientId::parse(id).map_err(|why| bad(format!("id: {why}")))?),
        };
        let data = envelope.data.map_or("{}", RawValue::get);
        let request = Request::parse(&envelope.event, data).map_err(bad)?;
        Ok(ClientFrame { id, request })
    }

    /// Writes the frame, as a client does.
    pub fn encode(&self) -> String {
        #[derive(Serialize)]
        struct Out<'a> {
            #[serde(flatten)]
            request: &'a Request,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<&'a ClientId>,
        }
        serde_json::to_string(&Out { request: &self.request, id: self.id.as_ref() }).expect("frames have string keys")
    }
}

/// Not an envelope: finds out whether it is JSON at all, and whether it has an id to answer to.
fn bad_envelope(text: &str, error: &serde_json::Error) -> BadFrame {
    let frame: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text).ok();
    let id = frame.as_ref().and_then(|frame| frame.get("id")?.as_str().map(str::to_owned));
    let (code, message) = match &frame {
        Some(frame) if frame.contains_key("event") => (Code::InvalidField, explain(error)),
        Some(_) => (Code::InvalidFrame, "a frame has an \"event\"".to_owned()),
        None => (Code::InvalidFrame, "a frame is a JSON object {\"event\", \"data\", \"id\"?}".to_owned()),
    };
    BadFrame { id, code, message }
}

/// serde's own words, without the place: columns count within `data`, which would mislead.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(text: &str) -> (Option<String>, Code) {
        let bad = ClientFrame::parse(text).unwrap_err();
        (bad.id, bad.code)
    }

    #[test]
    fn a_frame_of_seed_004_is_read_as_its_document_writes_it() {
        let frame = ClientFrame::parse(
            r#"{"event":"chat.message","data":{"roomId":"test-room","message":"Hello!","username":"TestUser"}}"#,
        )
        .unwrap();
        let Request::Message(message) = frame.request else { panic!("a message") };
        assert_eq!((message.room_id.as_str(), message.message.as_str()), ("test-room", "Hello!"));
        assert_eq!(frame.id, None);
    }

    #[test]
    fn what_is_no_frame_is_invalid_frame() {
        for text in ["", "hello", "[]", "1", "null", "{", r#"{"data":{}}"#, &"[".repeat(10_000)] {
            assert_eq!(bad(text), (None, Code::InvalidFrame), "{text:.40}");
        }
        assert_eq!(bad(r#"{"id":"7"}"#), (Some("7".into()), Code::InvalidFrame));
    }

    #[test]
    fn a_bad_field_is_invalid_field_and_carries_the_id() {
        for text in [
            r#"{"event":"chat.nothing","id":"7"}"#,
            r#"{"event":"chat.join","data":{},"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":5},"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":""},"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":"a","roomId":"b"},"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":"a","colour":1},"id":"7"}"#,
            r#"{"event":"chat.join","data":null,"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":"a"},"id":"7","id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":"a"},"more":1,"id":"7"}"#,
            r#"{"event":5,"id":"7"}"#,
        ] {
            assert_eq!(bad(text), (Some("7".into()), Code::InvalidField), "{text}");
        }
        assert_eq!(bad(r#"{"event":"chat.ping","id":7}"#), (None, Code::InvalidField));
    }

    #[test]
    fn what_a_client_writes_is_what_the_server_reads() {
        let frame = ClientFrame {
            id: Some(ClientId::parse("a").unwrap()),
            request: Request::Join(Join { room_id: RoomId::parse("r").unwrap(), since: None, limit: Some(5) }),
        };
        assert_eq!(ClientFrame::parse(&frame.encode()), Ok(frame));
    }
}
