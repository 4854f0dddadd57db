//! Take away what was said: one's own, or another's as a moderator. The eraser then removes it from the log.

use super::facts::{Facts, Reference};
use crate::authority::Act;
use crate::event::Event;
use crate::{Decision, MessageDeleted, Refusal, RoomId, Timestamp};

/// The command `chat.delete`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The room.
    pub room_id: RoomId,
    /// Which message.
    pub message_ref: Reference,
}

pub(super) fn decide(facts: &Facts, command: &Delete, now: Timestamp) -> Result<Decision, Refusal> {
    // Before the message is looked at, so that a stranger learns nothing of what lies at a sequence.
    let info = facts.permit(Act::DeleteOwn, now)?;
    let found = facts.referred(&info.room_id, &command.message_ref)?;
    let user_id = facts.actor.user_id();
    if found.sent.user_id != user_id {
        facts.permit(Act::DeleteOthers, now)?;
    }
    let deleted = MessageDeleted {
        room_id: info.room_id.clone(),
        message_id: found.sent.message_id.clone(),
        user_id,
        username: facts.actor.username().to_owned(),
        author: found.sent.user_id.clone(),
        position: found.position,
        sent_at: found.sent.timestamp,
        timestamp: now,
    };
    Ok(Decision::Append(vec![facts.on_timeline(info, Event::MessageDeleted(deleted))]))
}
