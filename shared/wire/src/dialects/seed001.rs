//! Seed 001: people who name themselves, rooms with a history, who is there, who writes. Times are in milliseconds.

use klatch_domain::{MessageId, MessageSent, RoomId, UserId};
use serde::Serialize;
use serde_json::value::RawValue;

use super::fields::{Fields, name_of};
use super::{Ask, Claim, Dialect, Door, Happening, Heard, Line, Spoken, unknown};
use crate::native::Request;
use crate::native::request::{InRoom, Join, Message, Typing};
use crate::native::server::{Failure, Joined, User, UserInRoom};

/// The dialect.
pub const SEED_001: Seed001 = Seed001;

/// Items of `message_history`.
const HISTORY_ITEMS: usize = 50;

/// Seed 001's words.
#[derive(Debug)]
pub struct Seed001;

/// A message, as `new_message`, `message_history` and the history over HTTP show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    room_id: &'a RoomId,
    message_id: &'a MessageId,
    user_id: &'a UserId,
    username: &'a str,
    message: &'a str,
    message_type: &'static str,
    timestamp: i64,
}

impl<'a> From<&'a MessageSent> for Said<'a> {
    fn from(sent: &'a MessageSent) -> Self {
        Said {
            room_id: &sent.room_id,
            message_id: &sent.message_id,
            user_id: &sent.user_id,
            username: &sent.username,
            message: &sent.message,
            message_type: name_of(sent.message_type),
            timestamp: sent.timestamp.as_ms(),
        }
    }
}

/// Items of history in this seed's shape, oldest first: what was said and not deleted since.
pub fn history(items: &[Box<RawValue>]) -> Vec<Box<RawValue>> {
    let lines = items.iter().filter_map(|item| Line::read(item));
    let shape = |line: Line| serde_json::value::to_raw_value(&Said::from(&line.data)).expect("string keys");
    lines.map(shape).collect()
}

impl Dialect for Seed001 {
    fn name(&self) -> &'static str {
        "001"
    }

    fn doors(&self) -> &'static [Door] {
        &[Door::Token, Door::Plain, Door::WebSocket("/")]
    }

    fn knows(&self, event: &str) -> bool {
        matches!(event, "authenticate" | "join_room" | "leave_room" | "send_message" | "typing")
    }

    fn claim(&self, heard: Heard<'_>) -> Option<Result<Claim, Failure>> {
        (heard.event == "authenticate").then(|| {
            let fields = Fields::of(heard)?;
            let user_id = fields.given("userId").map(|_| fields.id("userId", |id| UserId::parse(id).ok()));
            Ok(Claim {
                user_id: user_id.transpose()?,
                username: fields.optional_text("username")?.map(str::to_owned),
                token: fields.optional_text("token")?.map(str::to_owned),
            })
        })
    }

    fn read(&self, heard: Heard<'_>, _: &User) -> Result<Ask, Failure> {
        if !self.knows(heard.event) {
            return Err(unknown(heard.event));
        }
        let fields = Fields::of(heard)?;
        let room_id = fields.id("roomId", |id| RoomId::parse(id).ok())?;
        Ok(Ask::Request(match heard.event {
            "join_room" => Request::Join(Join { room_id, since: None, limit: Some(HISTORY_ITEMS) }),
            "leave_room" => Request::Leave(InRoom { room_id }),
            "send_message" => Request::Message(Message {
                message_type: fields.message_type("messageType")?,
                ..Message::text(room_id, fields.text("message")?)
            }),
            "typing" => Request::Typing(Typing { room_id, is_typing: fields.flag("isTyping")?, username: None }),
            other => return Err(unknown(other)),
        }))
    }

    fn tell(&self, happening: &Happening<'_>, _: &UserId) -> Option<Spoken> {
        match happening {
            Happening::Timeline(timeline) => Some(Spoken::new("new_message", &Said::from(timeline.said()?))),
            Happening::Came(user) => Some(Spoken::new("user_joined", user)),
            Happening::Went(user) => Some(Spoken::new("user_left", user)),
            Happening::Typing(typing) => Some(Spoken::new("user_typing", typing.data()?)),
            _ => None,
        }
    }

    fn joined(&self, joined: &Joined) -> Vec<Spoken> {
        vec![Spoken::new("message_history", &history(&joined.events)), Spoken::new("room_users", &users(joined))]
    }
}

fn users(joined: &Joined) -> Vec<UserInRoom> {
    let users = joined.users.iter().map(|User { user_id, username }| UserInRoom {
        room_id: joined.room_id.clone(),
        user_id: user_id.clone(),
        username: username.clone(),
    });
    users.collect()
}
