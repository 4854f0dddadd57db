//! Put somebody out. They may join an open room again.

use super::facts::{Facts, Imposed, reason};
use crate::authority::Act;
use crate::{Change, Decision, Refusal, RoomId, Standing, Timestamp, UserId};

/// The command `chat.kick`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kick {
    /// The room.
    pub room_id: RoomId,
    /// Whom.
    pub user_id: UserId,
    /// Why.
    pub reason: Option<String>,
}

pub(super) fn decide(facts: &Facts, command: &Kick, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit_towards(Act::Kick, &command.user_id, now)?;
    let reason = reason(&command.reason)?;
    let known = facts.target_of(&command.user_id);
    let Some(target) = &known.value else { return Err(NOT_THERE) };
    match target.standing {
        Standing::Joined | Standing::Invited => {}
        Standing::Removed | Standing::Banned { .. } => return Ok(Decision::Stands(known.seq)),
        Standing::Left => return Err(NOT_THERE),
    }
    let kick = Imposed {
        user_id: &command.user_id,
        change: Change::Kicked,
        standing: Standing::Removed,
        role: target.role,
        muted: target.muted.clone(),
        reason,
        until: None,
    };
    kick.append(facts, info, now)
}

const NOT_THERE: Refusal = Refusal::Conflict("this person is not a member of the room");
