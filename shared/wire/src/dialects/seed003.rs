//! Seed 003: people who write to each other, two at a time. What came while somebody was away reaches them when they
//! come back.

use klatch_domain::{MessageId, MessageSent, Timestamp, UserId};
use serde::Serialize;

use super::fields::Fields;
use super::{Ask, Dialect, Door, Happening, Heard, Spoken, invalid, unknown};
use crate::native::server::{Failure, User};

/// The dialect.
pub const SEED_003: Seed003 = Seed003;

/// Seed 003's words.
#[derive(Debug)]
pub struct Seed003;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    sender: &'a UserId,
    receiver: &'a UserId,
    text: &'a str,
    message_id: &'a MessageId,
    timestamp: Timestamp,
}

impl Seed003 {
    fn said(sent: &MessageSent, receiver: &UserId) -> Spoken {
        let said = Said {
            sender: &sent.user_id,
            receiver,
            text: &sent.message,
            message_id: &sent.message_id,
            timestamp: sent.timestamp,
        };
        Spoken::to_others("receiveMessage", &said, &sent.user_id)
    }
}

impl Dialect for Seed003 {
    fn name(&self) -> &'static str {
        "003"
    }

    fn doors(&self) -> &'static [Door] {
        &[Door::Token]
    }

    fn knows(&self, event: &str) -> bool {
        event == "sendMessage"
    }

    fn hears_direct(&self) -> bool {
        true
    }

    fn read(&self, heard: Heard<'_>, speaker: &User) -> Result<Ask, Failure> {
        if !self.knows(heard.event) {
            return Err(unknown(heard.event));
        }
        let fields = Fields::of(heard)?;
        let receiver = fields.id("receiver", |id| UserId::parse(id).ok())?;
        let text = fields.text("text")?;
        if fields.optional_text("sender")?.is_some_and(|sender| sender != speaker.user_id.as_str()) {
            return Err(invalid("sender is not you"));
        }
        Ok(Ask::SayTo { receiver, message: text.to_owned() })
    }

    fn tell(&self, happening: &Happening<'_>, hearer: &UserId) -> Option<Spoken> {
        let Happening::Timeline(timeline) = happening else { return None };
        Some(Self::said(timeline.said()?, hearer))
    }
}
