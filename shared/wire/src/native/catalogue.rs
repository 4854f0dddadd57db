//! The protocol as JSON Schemas: every frame of either direction and every stored event, from the types that read and
//! write them. `schemas/` holds what comes out; a test fails where it differs.
//!
//! Draft 7, with `definitions`, a `title` on each frame and a constant `event` in it: what generators of types for
//! other languages make the best of.

use klatch_domain::{Event, MemberChanged, MessageDeleted, MessageEdited, MessageItem, RoomUpdated, Seq};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::request::{InRoom, Request};
use super::server::{
    Failure, Goodbye, Joined, Pong, Presence, Receipt, RoomState, Stored, TypingInRoom, User, UserInRoom, Welcome,
};
use crate::query::{HistoryResponse, MembersResponse, RoomsResponse};

/// A frame of a room's timeline: live, recovered, or an item of a history page.
///
/// A live or recovered one has `prev`, the sequence of the timeline event before it; an item of a page has not.
#[derive(JsonSchema)]
#[serde(tag = "event")]
pub enum TimelineFrame {
    /// Somebody said something; in a page, in its present state.
    #[serde(rename = "chat.message")]
    Message {
        /// Its sequence.
        seq: Seq,
        /// The sequence of the timeline event before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        prev: Option<Seq>,
        /// The message.
        data: MessageItem,
    },
    /// The operator said something; in a page, in its present state.
    #[serde(rename = "chat.system")]
    System {
        /// Its sequence.
        seq: Seq,
        /// The sequence of the timeline event before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        prev: Option<Seq>,
        /// The message.
        data: MessageItem,
    },
    /// A message reads otherwise now. Never an item of a page.
    #[serde(rename = "chat.messageEdited")]
    MessageEdited {
        /// Its sequence.
        seq: Seq,
        /// The sequence of the timeline event before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        prev: Option<Seq>,
        /// What changed.
        data: MessageEdited,
    },
    /// A message was taken away. Never an item of a page.
    #[serde(rename = "chat.messageDeleted")]
    MessageDeleted {
        /// Its sequence.
        seq: Seq,
        /// The sequence of the timeline event before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        prev: Option<Seq>,
        /// Which one.
        data: MessageDeleted,
    },
    /// Somebody changed another's standing, or an owner left.
    #[serde(rename = "chat.memberChanged")]
    MemberChanged {
        /// Its sequence.
        seq: Seq,
        /// The sequence of the timeline event before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        prev: Option<Seq>,
        /// What changed.
        data: MemberChanged,
    },
    /// The room's name or rules changed.
    #[serde(rename = "chat.roomUpdated")]
    RoomUpdated {
        /// Its sequence.
        seq: Seq,
        /// The sequence of the timeline event before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        prev: Option<Seq>,
        /// What it is now.
        data: RoomUpdated,
    },
}

/// A frame that belongs to no timeline: about the session, about who is here, and answers.
#[derive(JsonSchema)]
#[serde(tag = "event", content = "data")]
pub enum SessionFrame {
    /// The first frame of an authenticated session.
    #[serde(rename = "chat.welcome")]
    Welcome(Welcome),
    /// A room is attached: answers `chat.join`, beside its ack.
    #[serde(rename = "chat.joined")]
    Joined(Joined),
    /// Somebody attached.
    #[serde(rename = "chat.userJoined")]
    UserJoined(UserInRoom),
    /// Somebody detached.
    #[serde(rename = "chat.userLeft")]
    UserLeft(UserInRoom),
    /// Somebody joined, accepted or left, of which the timeline has no notice; or the receiver was invited.
    #[serde(rename = "chat.memberChanged")]
    StandingChanged(MemberChanged),
    /// The receiver is a member of a new room.
    #[serde(rename = "chat.roomCreated")]
    RoomCreated(RoomState),
    /// Somebody writes, or does no longer.
    #[serde(rename = "chat.typing")]
    Typing(TypingInRoom),
    /// Somebody's marks moved.
    #[serde(rename = "chat.receipt")]
    Receipt(Receipt),
    /// How many are attached to a room that is too big to name them.
    #[serde(rename = "chat.presence")]
    Presence(Presence),
    /// The server is about to close the connection.
    #[serde(rename = "chat.goodbye")]
    Goodbye(Goodbye),
    /// A request did what it should.
    #[serde(rename = "ack")]
    Ack(AckData),
    /// A request did not, or a frame could not be read.
    #[serde(rename = "error")]
    Error(Failure),
}

/// What an ack holds: which of them, the request says (`x-ack` in the schema of client frames).
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum AckData {
    /// Of commands that store something.
    Stored(Stored),
    /// Of `chat.history`.
    History(HistoryResponse),
    /// Of `chat.rooms`.
    Rooms(RoomsResponse),
    /// Of `chat.members`.
    Members(MembersResponse),
    /// Of `chat.presence`.
    Presence(Presence),
    /// Of `chat.read` and `chat.delivered`.
    Receipt(Receipt),
    /// Of `chat.join`.
    Position(klatch_domain::Position),
    /// Of `chat.leave` and `chat.typing`.
    Room(InRoom),
    /// Of `chat.auth`.
    User(User),
    /// Of `chat.ping`.
    Pong(Pong),
}

/// Any frame that the server sends.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum ServerFrame {
    /// Of a room's timeline.
    Timeline(TimelineFrame),
    /// Of the session.
    Session(SessionFrame),
}

/// The name of the definition that an ack of this request holds.
pub fn ack_of(event: &str) -> &'static str {
    match event {
        "chat.auth" => "User",
        "chat.join" => "Position",
        "chat.leave" | "chat.typing" => "InRoom",
        "chat.delivered" | "chat.read" => "Receipt",
        "chat.history" => "HistoryResponse",
        "chat.rooms" => "RoomsResponse",
        "chat.members" => "MembersResponse",
        "chat.presence" => "Presence",
        "chat.ping" => "Pong",
        _ => "Stored",
    }
}

/// The schema of every frame that a client sends.
pub fn client_frames() -> Value {
    let mut root = root::<Request>(SchemaSettings::draft07().for_deserialize(), "ClientFrame");
    let id = json!({
        "description": "The client's own: with one there is exactly one answer, and a repeat is no second command.",
        "type": "string", "minLength": 1, "maxLength": klatch_domain::id::ID_BYTES_MAX,
    });
    for_each_frame(&mut root, "Request", |event, frame| {
        properties(frame).insert("id".into(), id.clone());
        frame.insert("additionalProperties".into(), json!(false));
        frame.insert("x-ack".into(), json!(ack_of(event)));
    });
    root
}

/// The schema of every frame that the server sends.
pub fn server_frames() -> Value {
    let mut root = root::<ServerFrame>(SchemaSettings::draft07().for_serialize(), "ServerFrame");
    let answered = json!({ "description": "The id of the frame that it answers.", "type": "string" });
    for group in ["TimelineFrame", "SessionFrame"] {
        let group = &mut root["definitions"][group];
        for_each_frame(group, "Frame", |event, frame| {
            // Two frames have this name: a notice, told by its `seq`, and this one, of which there is none.
            if event == "chat.memberChanged" && !properties(frame).contains_key("seq") {
                frame.insert("title".into(), json!("StandingChangedFrame"));
            }
            if matches!(event, "ack" | "error") {
                properties(frame).insert("id".into(), answered.clone());
            }
            if event == "ack"
                && let Some(Value::Array(required)) = frame.get_mut("required")
            {
                required.push(json!("id"));
            }
        });
    }
    root
}

/// The schema of every stored event.
pub fn stored_events() -> Value {
    let mut root = root::<Event>(SchemaSettings::draft07().for_serialize(), "StoredEvent");
    for_each_frame(&mut root, "Event", |_, frame| {
        let version = json!({ "description": "The version of `data`.", "type": "integer", "const": 1 });
        properties(frame).insert("v".into(), version);
        if let Some(Value::Array(required)) = frame.get_mut("required") {
            required.push(json!("v"));
        }
    });
    root
}

fn root<T: JsonSchema>(settings: SchemaSettings, title: &str) -> Value {
    let schema: Schema = SchemaGenerator::new(settings).into_root_schema_for::<T>();
    let mut root = Value::from(schema);
    root["title"] = json!(title);
    without_links(&mut root);
    root
}

/// Descriptions are the types' documentation; its links lead nowhere from a schema.
fn without_links(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`");
            }
            fields.values_mut().for_each(without_links);
        }
        Value::Array(items) => items.iter_mut().for_each(without_links),
        _ => {}
    }
}

/// Visits the frames of a union, each told by its constant `event`, and gives it a title of its own.
fn for_each_frame(union: &mut Value, suffix: &str, mut visit: impl FnMut(&str, &mut Map<String, Value>)) {
    let Some(Value::Array(frames)) = union.get_mut("oneOf") else { return };
    for frame in frames.iter_mut().filter_map(Value::as_object_mut) {
        let Some(event) = frame["properties"]["event"]["const"].as_str().map(str::to_owned) else { continue };
        frame.insert("title".into(), json!(title(&event, suffix)));
        visit(&event, frame);
    }
}

fn properties(frame: &mut Map<String, Value>) -> &mut Map<String, Value> {
    frame["properties"].as_object_mut().expect("a frame has properties")
}

/// `chat.messageEdited` and `Frame` make `MessageEditedFrame`.
fn title(event: &str, suffix: &str) -> String {
    let name = event.trim_start_matches("chat.");
    let (first, rest) = name.split_at(1);
    format!("{}{rest}{suffix}", first.to_ascii_uppercase())
}
