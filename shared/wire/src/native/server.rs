//! Frames that the server sends, and how they are put together.
//!
//! A stored timeline event becomes a frame by splicing: [`positioned`] puts `seq` and `prev` in front of the bytes
//! that the stream holds. Everything else is encoded once, here.

use bytes::{BufMut, Bytes, BytesMut};
use klatch_domain::{
    Epoch, MessageId, Refusal, Role, RoomId, RoomInfo, RoomType, Seq, Settings, Standing, Timestamp, UserId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Code, ShownLimits};

/// Data of `chat.welcome`: the first frame of an authenticated session.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The session, for support and logs.
    pub session_id: String,
    /// Whom the token names.
    pub user: User,
    /// What this server allows.
    pub limits: ShownLimits,
    /// The server's clock.
    pub server_time: Timestamp,
    /// How to come back after a loss.
    pub retry: Retry,
}

/// A person as frames name them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Their id.
    pub user_id: UserId,
    /// Their name.
    pub username: String,
}

/// How to reconnect: full jitter between nothing and a bound that doubles from `min_ms` to `max_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// The first bound, in milliseconds.
    pub min_ms: u64,
    /// The last bound, in milliseconds.
    pub max_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Retry { min_ms: 500, max_ms: 20_000 }
    }
}

/// Data of `chat.joined`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The room.
    pub room_id: RoomId,
    /// The stream's life that sequences count in.
    pub epoch: Epoch,
    /// Where the room's timeline stands: everything after it follows live.
    pub seq: Seq,
    /// With `since`: whether `events` is all that came after it. Not there without `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// What came since, or the newest page; whole frames, oldest first.
    #[schemars(with = "Vec<super::catalogue::TimelineFrame>")]
    pub events: Vec<Box<RawValue>>,
    /// Whether the room holds older items than `events`.
    pub more: bool,
    /// False where the views could not be asked: `events` is empty then; ask `chat.history` later.
    pub history_ready: bool,
    /// Who is attached: at most `users_listed_max`, the joiner among them.
    pub users: Vec<User>,
    /// How many are attached.
    pub user_count: usize,
    /// The joiner's standing; null for a reader of an open room who is no member.
    pub member: Option<MemberState>,
    /// The room.
    pub room: RoomState,
}

/// A person's standing, as frames show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberState {
    /// The person.
    pub user_id: UserId,
    /// Their name.
    pub username: String,
    /// Their role.
    pub role: Role,
    /// Where they stand.
    #[serde(flatten)]
    pub standing: Standing,
    /// Whether they are muted.
    pub muted: bool,
}

/// A room, as frames show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomState {
    /// The room.
    pub room_id: RoomId,
    /// What kind of room it is.
    #[serde(rename = "type")]
    pub room_type: RoomType,
    /// What people call it.
    pub name: String,
    /// Its rules.
    pub settings: Settings,
    /// Whether it is closed for writing.
    pub archived: bool,
}

impl From<&RoomInfo> for RoomState {
    fn from(info: &RoomInfo) -> Self {
        RoomState {
            room_id: info.room_id.clone(),
            room_type: info.room_type,
            name: info.name.clone(),
            settings: info.settings.clone(),
            archived: info.archived,
        }
    }
}

/// Data of `chat.userJoined` and `chat.userLeft`: attached and detached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserInRoom {
    /// The room.
    pub room_id: RoomId,
    /// The person.
    pub user_id: UserId,
    /// Their name.
    pub username: String,
}

/// Data of `chat.typing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TypingInRoom {
    /// The room.
    pub room_id: RoomId,
    /// The person.
    pub user_id: UserId,
    /// Their name.
    pub username: String,
    /// Writing, or no longer.
    pub is_typing: bool,
}

/// Data of `chat.receipt`: how far somebody's marks have moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The room.
    pub room_id: RoomId,
    /// Whose marks.
    pub user_id: UserId,
    /// Everything up to here has reached them.
    pub delivered: Seq,
    /// Everything up to here was read.
    pub read: Seq,
}

/// Data of `chat.presence`, as frame (counts of a big room) and as ack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// The room.
    pub room_id: RoomId,
    /// Who is attached: at most `users_listed_max`; empty in counts-only frames.
    pub users: Vec<User>,
    /// How many are attached.
    pub user_count: usize,
}

/// Data of the ack of `chat.ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pong {
    /// The server's clock.
    pub server_time: Timestamp,
}

/// Data of `chat.goodbye`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Goodbye {
    /// Why, for a person to read.
    pub reason: String,
    /// Come back no sooner than after this many milliseconds.
    pub reconnect_after_ms: u64,
    /// Whether positions hold and rooms can be resumed.
    pub resume: bool,
}

/// Data of `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// For a program.
    pub code: Code,
    /// For a person.
    pub message: String,
    /// Whether the same request, under the same id, may succeed later.
    pub retryable: bool,
    /// Not before this many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure whose class is its code's.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), retryable: code.is_retryable(), retry_after_ms: None }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::new(Code::from(&refusal), refusal.to_string())
    }
}

/// Data of the ack of a command that stored something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// The room.
    pub room_id: RoomId,
    /// The message, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The sequence that it was stored at; the last one, where several events were.
    pub seq: Seq,
    /// The stream's life that `seq` counts in.
    pub epoch: Epoch,
    /// The edge's clock when it decided.
    pub timestamp: Timestamp,
}

#[derive(Serialize)]
struct Frame<'a, T> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    data: &'a T,
}

/// A frame without an id.
pub fn frame<T: Serialize>(event: &'static str, data: &T) -> Bytes {
    json(&Frame { event, id: None, data })
}

/// The answer to a command that did what it should.
pub fn ack<T: Serialize>(id: &str, data: &T) -> Bytes {
    json(&Frame { event: "ack", id: Some(id), data })
}

/// The answer to a command that did not.
pub fn error(id: Option<&str>, failure: &Failure) -> Bytes {
    json(&Frame { event: "error", id, data: failure })
}

fn json<T: Serialize>(frame: &T) -> Bytes {
    serde_json::to_vec(frame).expect("frames have string keys").into()
}

/// A stored timeline event as a live frame: `seq` and, where it is known, `prev` in front of the stored bytes.
///
/// `stored` is a JSON object as the stream holds it; it is copied, not parsed.
pub fn positioned(seq: Seq, prev: Option<Seq>, stored: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(stored.len() + POSITION_BYTES_MAX);
    position_into(&mut out, seq, prev);
    out.put_slice(stored.get(1..).unwrap_or_default());
    out.freeze()
}

/// The longest beginning that [`position_into`] writes.
pub const POSITION_BYTES_MAX: usize = 56;

/// The beginning of a live frame: it takes the place of the stored event's opening brace.
pub fn position_into(out: &mut BytesMut, seq: Seq, prev: Option<Seq>) {
    use std::io::Write;
    out.put_slice(b"{\"seq\":");
    let mut writer = (&mut *out).writer();
    let _ = write!(writer, "{seq},");
    if let Some(prev) = prev {
        let _ = write!(writer, "\"prev\":{prev},");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_event_becomes_a_frame_by_splicing() {
        let frame = positioned(Seq(7), Some(Seq(3)), br#"{"event":"chat.message","v":1,"data":{}}"#);
        let frame: serde_json::Value = serde_json::from_slice(&frame).unwrap();
        assert_eq!(frame, serde_json::json!({"seq":7,"prev":3,"event":"chat.message","v":1,"data":{}}));
    }

    #[test]
    fn an_error_has_its_code_class_and_id() {
        let frame = error(Some("7"), &Failure::new(Code::Unavailable, "later"));
        assert_eq!(
            std::str::from_utf8(&frame).unwrap(),
            r#"{"event":"error","id":"7","data":{"code":"unavailable","message":"later","retryable":true}}"#
        );
    }
}
