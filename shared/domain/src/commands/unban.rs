//! Let somebody come again who was kept out. They are not a member by it.

use super::facts::{Facts, Imposed, reason};
use crate::authority::Act;
use crate::{Change, Decision, Refusal, RoomId, Standing, Timestamp, UserId};

/// The command `chat.unban`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unban {
    /// The room.
    pub room_id: RoomId,
    /// Whom.
    pub user_id: UserId,
    /// Why.
    pub reason: Option<String>,
}

pub(super) fn decide(facts: &Facts, command: &Unban, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit_towards(Act::Unban, &command.user_id, now)?;
    let reason = reason(&command.reason)?;
    let known = facts.target_of(&command.user_id);
    let Some(target) = &known.value else { return Err(Refusal::Conflict("this person is not banned")) };
    if !target.is_banned(now) {
        return Ok(Decision::Stands(known.seq));
    }
    let unban = Imposed {
        user_id: &command.user_id,
        change: Change::Unbanned,
        standing: Standing::Left,
        role: target.role,
        muted: target.muted.clone(),
        reason,
        until: None,
    };
    unban.append(facts, info, now)
}
