//! Seed 000: one room for everybody. `sendMessage` comes back to all as `receiveMessage`, a text as a text and an object
//! as an object.

use klatch_domain::{MessageType, RoomId, UserId};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Ask, Dialect, Door, Happening, Heard, Spoken, invalid, unknown};
use crate::native::request::Message;
use crate::native::server::{Failure, User};

/// The dialect.
pub const SEED_000: Seed000 = Seed000;

/// The room that its clients are in.
const LOBBY: &str = "lobby";

/// Seed 000's words.
#[derive(Debug)]
pub struct Seed000;

impl Dialect for Seed000 {
    fn name(&self) -> &'static str {
        "000"
    }

    fn doors(&self) -> &'static [Door] {
        &[Door::Plain]
    }

    fn knows(&self, event: &str) -> bool {
        event == "sendMessage"
    }

    fn home(&self) -> Option<RoomId> {
        Some(lobby())
    }

    fn read(&self, heard: Heard<'_>, _: &User) -> Result<Ask, Failure> {
        if !self.knows(heard.event) {
            return Err(unknown(heard.event));
        }
        let say = |message: String, message_type| {
            Ok(Ask::SayHere(Message { message_type, ..Message::text(lobby(), message) }))
        };
        match heard.args {
            [Value::String(text)] if !text.is_empty() => say(text.clone(), MessageType::Text),
            [object @ Value::Object(_)] => say(object.to_string(), MessageType::Json),
            _ => Err(invalid("sendMessage comes with one text that is not empty, or one object")),
        }
    }

    fn tell(&self, happening: &Happening<'_>, _: &UserId) -> Option<Spoken> {
        let Happening::Timeline(timeline) = happening else { return None };
        let said = timeline.said()?;
        if said.message_type == MessageType::Json
            && said.message.starts_with('{')
            && let Ok(object) = serde_json::from_str::<&RawValue>(&said.message)
        {
            return Some(Spoken::new("receiveMessage", object));
        }
        Some(Spoken::new("receiveMessage", &said.message))
    }
}

fn lobby() -> RoomId {
    RoomId::parse(LOBBY).expect("fixed and short")
}
