//! What clients can ask for: one type a request, named as the frame names it. An unknown field, a duplicate key or a
//! wrong type is refused.

use klatch_domain::{
    Access, Attachment, HistoryFrom, MessageId, MessageType, Position, Role, RoomId, RoomType, Seq, Timestamp, UserId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client::read;
use super::object;

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

            /// Reads a request's data.
            pub(super) fn parse(event: &str, data: &str) -> Result<Self, String> {
                match event {
                    $($event => read(data).map(Request::$variant),)*
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
    #[serde(default, deserialize_with = "object::optional", skip_serializing_if = "Option::is_none")]
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
    #[serde(default, deserialize_with = "object::optional", skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageRef>,
    /// What comes with it.
    #[serde(default, deserialize_with = "object::many", skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Whom it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Accepted from older clients and ignored: the name is the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

impl Message {
    /// Words in a room, and nothing with them.
    pub fn text(room_id: RoomId, message: impl Into<String>) -> Self {
        Message {
            room_id,
            message: message.into(),
            message_type: MessageType::Text,
            reply_to: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
            username: None,
        }
    }
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

impl History {
    /// The newest page of a room.
    pub fn of(room_id: RoomId) -> Self {
        History { room_id, before: None, after: None, around: None, limit: None }
    }
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
    #[serde(default, deserialize_with = "object::one")]
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
    #[serde(default, deserialize_with = "object::one")]
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
