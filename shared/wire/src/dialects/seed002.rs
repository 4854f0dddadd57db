//! Seed 002: conversations by number, and who is online in them. Ids that are canonical decimals go out as numbers.

use klatch_domain::{Event, MessageEdited, MessageId, MessageSent, MessageType, RoomId, Timestamp, UserId};
use serde::Serialize;
use serde_json::{Value, json};

use super::fields::{Fields, as_number, name_of};
use super::{Ask, Dialect, Door, Happening, Heard, Sent, Spoken, invalid, unknown};
use crate::Code;
use crate::native::Request;
use crate::native::request::{Join, Message, Typing};
use crate::native::server::{Failure, Joined, User};

/// The dialect.
pub const SEED_002: Seed002 = Seed002;

/// Seed 002's words.
#[derive(Debug)]
pub struct Seed002;

/// A message, as `receive-message` and `message-sent` show it.
#[derive(Debug, Serialize)]
struct Said<'a> {
    id: &'a MessageId,
    conversation_id: Value,
    sender_id: Value,
    sender_name: &'a str,
    message_type: &'static str,
    content: &'a str,
    created_at: Timestamp,
}

impl<'a> From<&'a MessageSent> for Said<'a> {
    fn from(sent: &'a MessageSent) -> Self {
        Said {
            id: &sent.message_id,
            conversation_id: as_number(sent.room_id.as_str()),
            sender_id: as_number(sent.user_id.as_str()),
            sender_name: &sent.username,
            message_type: name_of(sent.message_type),
            content: &sent.message,
            created_at: sent.timestamp,
        }
    }
}

impl<'a> From<&'a Sent<'a>> for Said<'a> {
    fn from(sent: &'a Sent<'a>) -> Self {
        Said {
            id: sent.message_id,
            conversation_id: as_number(sent.message.room_id.as_str()),
            sender_id: as_number(sent.author.user_id.as_str()),
            sender_name: &sent.author.username,
            message_type: name_of(sent.message.message_type),
            content: &sent.message.message,
            created_at: sent.timestamp,
        }
    }
}

impl Dialect for Seed002 {
    fn name(&self) -> &'static str {
        "002"
    }

    fn doors(&self) -> &'static [Door] {
        &[Door::Namespace("/chat")]
    }

    fn knows(&self, event: &str) -> bool {
        matches!(event, "send-message" | "join-conversation" | "leave-conversation" | "typing")
    }

    fn read(&self, heard: Heard<'_>, speaker: &User) -> Result<Ask, Failure> {
        if !self.knows(heard.event) {
            return Err(unknown(heard.event));
        }
        let fields = Fields::of(heard)?;
        let conversation = |name| fields.numeric_id(name, |id| RoomId::parse(id).ok());
        match heard.event {
            "send-message" => send(fields, speaker),
            "join-conversation" => {
                themselves(fields, "userId", speaker)?;
                Ok(Ask::Request(Request::Join(Join {
                    room_id: conversation("conversationId")?,
                    since: None,
                    limit: Some(1),
                })))
            }
            "leave-conversation" => Ok(Ask::Quiet(conversation("conversationId")?)),
            _ => {
                themselves(fields, "userId", speaker)?;
                let (room_id, is_typing) = (conversation("conversationId")?, fields.flag("isTyping")?);
                Ok(Ask::Request(Request::Typing(Typing { room_id, is_typing, username: None })))
            }
        }
    }

    fn tell(&self, happening: &Happening<'_>, _: &UserId) -> Option<Spoken> {
        match happening {
            Happening::Timeline(timeline) => match timeline.event()? {
                Event::MessageSent(sent) | Event::SystemSaid(sent) => {
                    Some(Spoken::new("receive-message", &Said::from(sent)))
                }
                Event::MessageEdited(edited) => Some(Spoken::new("message-updated", &updated(edited))),
                Event::MessageDeleted(deleted) => {
                    let conversation_id = as_number(deleted.room_id.as_str());
                    let deleted = json!({ "id": deleted.message_id, "conversation_id": conversation_id });
                    Some(Spoken::new("message-deleted", &deleted))
                }
                _ => None,
            },
            // That they come is told when they enter; that they leave, when their last session ends: until then they
            // are only quiet (`Ask::Quiet`).
            Happening::Came(user) => Some(Spoken::new("user:online", &online(&user.user_id))),
            Happening::Went(user) => Some(Spoken::new("user:offline", &online(&user.user_id))),
            Happening::Typing(typing) => {
                let typing = typing.data()?;
                let data = json!({
                    "conversationId": as_number(typing.room_id.as_str()),
                    "userId": as_number(typing.user_id.as_str()),
                    "isTyping": typing.is_typing,
                });
                Some(Spoken::new("user-typing", &data))
            }
            Happening::RoomCreated(room) => {
                let data = json!({ "conversationId": as_number(room.room_id.as_str()), "name": room.name });
                Some(Spoken::new("conversation-created", &data))
            }
            _ => None,
        }
    }

    fn joined(&self, joined: &Joined) -> Vec<Spoken> {
        let data = json!({ "conversationId": as_number(joined.room_id.as_str()), "success": true });
        vec![Spoken::new("joined-conversation", &data)]
    }

    fn sent(&self, sent: &Sent<'_>) -> Option<Spoken> {
        Some(Spoken::new("message-sent", &Said::from(sent)))
    }

    fn refused(&self, event: &str, failure: &Failure) -> Spoken {
        let Failure { code, message, .. } = failure;
        match event {
            "send-message" if *code != Code::NotAuthenticated => {
                Spoken::new("message-error", &json!({ "error": message, "code": code }))
            }
            _ => Spoken::new("error", &json!({ "message": message, "code": code })),
        }
    }
}

fn send(fields: Fields<'_>, speaker: &User) -> Result<Ask, Failure> {
    fields.numeric_id("sender_id", |id| UserId::parse(id).ok())?;
    let room_id = fields.numeric_id("conversation_id", |id| RoomId::parse(id).ok())?;
    let message_type: MessageType = fields.message_type("message_type")?;
    let content = fields.text("content")?;
    themselves(fields, "sender_id", speaker)?;
    Ok(Ask::Request(Request::Message(Message { message_type, ..Message::text(room_id, content) })))
}

/// Nobody speaks for another: whom a client names, where it names somebody, must be who it is.
fn themselves(fields: Fields<'_>, name: &str, speaker: &User) -> Result<(), Failure> {
    if fields.given(name).is_none() {
        return Ok(());
    }
    let named = fields.numeric_id(name, |id| UserId::parse(id).ok())?;
    if named == speaker.user_id { Ok(()) } else { Err(invalid(format!("{name} is not you"))) }
}

fn updated(edited: &MessageEdited) -> Value {
    json!({
        "id": edited.message_id,
        "conversation_id": as_number(edited.room_id.as_str()),
        "sender_id": as_number(edited.user_id.as_str()),
        "sender_name": edited.username,
        "message_type": name_of(MessageType::Text),
        "content": edited.message,
        "updated_at": edited.timestamp,
    })
}

fn online(user: &UserId) -> Value {
    json!({ "userId": as_number(user.as_str()) })
}
