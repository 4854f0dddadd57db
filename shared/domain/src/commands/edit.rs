//! Change what one has said.

use super::facts::{Facts, Reference};
use super::send::{not_empty, not_too_long};
use crate::authority::Act;
use crate::event::Event;
use crate::{Decision, MessageEdited, Refusal, RoomId, Timestamp};

/// The command `chat.edit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The room.
    pub room_id: RoomId,
    /// Which message.
    pub message_ref: Reference,
    /// What it shall say.
    pub message: String,
}

pub(super) fn decide(facts: &Facts, command: &Edit, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit(Act::Edit, now)?;
    not_empty(&command.message)?;
    not_too_long(&command.message)?;
    let user_id = facts.actor.user_id();
    let found = facts.referred(&info.room_id, &command.message_ref)?;
    if found.sent.user_id != user_id {
        return Err(Refusal::Forbidden("a message is edited by its author"));
    }
    let edited = MessageEdited {
        room_id: info.room_id.clone(),
        message_id: found.sent.message_id.clone(),
        user_id,
        username: facts.actor.username().to_owned(),
        message: command.message.clone(),
        timestamp: now,
    };
    Ok(Decision::Append(vec![facts.on_timeline(info, Event::MessageEdited(edited))]))
}
