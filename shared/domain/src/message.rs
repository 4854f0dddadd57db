//! A message: what was said, what was changed about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{MessageId, Position, RoomId, UserId};
use crate::time::Timestamp;

/// What a message holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MessageType {
    /// Words.
    #[default]
    Text,
    /// A picture: its address in `message` or in `attachments`.
    Image,
    /// A file: likewise.
    File,
    /// Said by the operator; clients can't send it.
    System,
    /// An object of a client's own making, whose JSON is the `message`: for programs rather than for reading.
    Json,
}

/// Something that comes with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachment {
    /// Where it lies.
    pub url: String,
    /// What to call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type, as its sender claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its length in bytes, as its sender claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// The stored event `chat.message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageSent {
    /// The room.
    pub room_id: RoomId,
    /// The message: derived from its idempotency key.
    pub message_id: MessageId,
    /// Who said it.
    pub user_id: UserId,
    /// Their name when they said it.
    pub username: String,
    /// Their picture when they said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// What they said.
    pub message: String,
    /// What it is.
    pub message_type: MessageType,
    /// The edge's clock.
    pub timestamp: Timestamp,
    /// The message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// What comes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Whom it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
}

/// The stored event `chat.messageEdited`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageEdited {
    /// The room.
    pub room_id: RoomId,
    /// The message that was edited.
    pub message_id: MessageId,
    /// Who edited it: its author.
    pub user_id: UserId,
    /// Their name.
    pub username: String,
    /// What it says now.
    pub message: String,
    /// The edge's clock.
    pub timestamp: Timestamp,
}

/// The stored event `chat.messageDeleted`. It holds nothing of what was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageDeleted {
    /// The room.
    pub room_id: RoomId,
    /// The message that was deleted.
    pub message_id: MessageId,
    /// Who deleted it: its author or a moderator.
    pub user_id: UserId,
    /// Their name.
    pub username: String,
    /// Who had written it.
    pub author: UserId,
    /// Where it stood: what the eraser removes.
    pub position: Position,
    /// When it was said.
    pub sent_at: Timestamp,
    /// When it was deleted, by the edge's clock.
    pub timestamp: Timestamp,
}
