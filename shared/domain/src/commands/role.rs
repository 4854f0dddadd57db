//! Give a member another role: one's own too, as long as an owner remains.

use super::facts::{Facts, Imposed, reason};
use crate::authority::Act;
use crate::{Change, Decision, Refusal, Role, RoomId, Timestamp, UserId};

/// The command `chat.role`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRole {
    /// The room.
    pub room_id: RoomId,
    /// Whose.
    pub user_id: UserId,
    /// What they shall be.
    pub role: Role,
    /// Why.
    pub reason: Option<String>,
}

pub(super) fn decide(facts: &Facts, command: &SetRole, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit_towards(Act::Role, &command.user_id, now)?;
    let reason = reason(&command.reason)?;
    let known = facts.target_of(&command.user_id);
    let target = known.value.as_ref().filter(|target| target.is_joined());
    let target = target.ok_or(Refusal::Conflict("this person is not a member of the room"))?;
    if target.role == command.role {
        return Ok(Decision::Stands(known.seq));
    }
    let role = Imposed {
        user_id: &command.user_id,
        change: Change::Role,
        standing: target.standing.clone(),
        role: command.role,
        muted: target.muted.clone(),
        reason,
        until: None,
    };
    role.append(facts, info, now)
}
