//! Say something.

use super::facts::{Facts, Reference};
use crate::authority::Act;
use crate::event::Event;
use crate::{Actor, Attachment, Decision, MessageId, MessageSent, MessageType, Refusal, RoomId, Timestamp, UserId};

/// The longest text of a message, in bytes: what still fits a frame of 64 KiB when every other byte is escaped.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024;

/// How many things can come with a message.
pub const ATTACHMENTS_MAX: usize = 10;

/// How many people a message can name.
pub const MENTIONS_MAX: usize = 50;

/// The longest address of an attachment, in bytes; its name and its media type may have an eighth of it.
const URL_BYTES_MAX: usize = 2048;

/// The command `chat.message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// The room.
    pub room_id: RoomId,
    /// The message to be: derived from the idempotency key.
    pub message_id: MessageId,
    /// What is said.
    pub message: String,
    /// What it is; [`MessageType::System`] is the operator's, and the operator's only.
    pub message_type: MessageType,
    /// The message that this one answers.
    pub reply_to: Option<Reference>,
    /// What comes with it.
    pub attachments: Vec<Attachment>,
    /// Whom it names.
    pub mentions: Vec<UserId>,
}

pub(super) fn decide(facts: &Facts, command: &Send, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit(Act::Send, now)?;
    let by_system = facts.actor == Actor::System;
    if by_system != (command.message_type == MessageType::System) {
        return Err(Refusal::Invalid { field: "messageType", why: "system is what the operator says, and only that" });
    }
    if command.attachments.is_empty() || command.message_type == MessageType::Text {
        not_empty(&command.message)?;
    }
    not_too_long(&command.message)?;
    if command.attachments.len() > ATTACHMENTS_MAX {
        return Err(Refusal::Invalid { field: "attachments", why: "are too many" });
    }
    command.attachments.iter().try_for_each(check_attachment)?;
    if command.mentions.len() > MENTIONS_MAX {
        return Err(Refusal::Invalid { field: "mentions", why: "are too many" });
    }
    if let Some(reference) = &command.reply_to {
        facts.referred(&info.room_id, reference)?;
    }
    let sent = MessageSent {
        room_id: info.room_id.clone(),
        message_id: command.message_id.clone(),
        user_id: facts.actor.user_id(),
        username: facts.actor.username().to_owned(),
        avatar: facts.actor.avatar().map(str::to_owned),
        message: command.message.clone(),
        message_type: command.message_type,
        timestamp: now,
        reply_to: command.reply_to.as_ref().map(|reference| reference.message_id.clone()),
        attachments: command.attachments.clone(),
        mentions: once_each(&command.mentions),
    };
    Ok(Decision::Append(vec![facts.on_timeline(info, Event::MessageSent(sent))]))
}

pub(super) fn not_empty(message: &str) -> Result<(), Refusal> {
    if message.trim().is_empty() {
        return Err(Refusal::Invalid { field: "message", why: "is empty" });
    }
    Ok(())
}

pub(super) fn not_too_long(message: &str) -> Result<(), Refusal> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Refusal::TooLarge { field: "message", bytes_max: MESSAGE_BYTES_MAX });
    }
    Ok(())
}

/// An address that a reader's browser may follow: the web's, or this server's own. Not `javascript:`, not `data:`.
fn check_attachment(attachment: &Attachment) -> Result<(), Refusal> {
    let url = &attachment.url;
    if url.len() > URL_BYTES_MAX {
        return Err(Refusal::TooLarge { field: "attachments", bytes_max: URL_BYTES_MAX });
    }
    let own = url.starts_with('/') && !url.starts_with("//");
    let web = ["https://", "http://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
    if !(own || web) || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Refusal::Invalid {
            field: "attachments",
            why: "have an address that is not http, https or a path",
        });
    }
    for text in [&attachment.name, &attachment.content_type].into_iter().flatten() {
        if text.len() > URL_BYTES_MAX / 8 {
            return Err(Refusal::TooLarge { field: "attachments", bytes_max: URL_BYTES_MAX / 8 });
        }
        if text.chars().any(char::is_control) {
            return Err(Refusal::Invalid { field: "attachments", why: "contain a control character" });
        }
    }
    Ok(())
}

fn once_each(users: &[UserId]) -> Vec<UserId> {
    let mut seen = std::collections::HashSet::new();
    users.iter().filter(|user| seen.insert(*user)).cloned().collect()
}
