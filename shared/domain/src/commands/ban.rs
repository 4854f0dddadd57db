//! Put somebody out and keep them out, for ever or until a time; or keep out who was never there.

use super::facts::{Facts, Imposed, ahead, reason};
use super::join::role_by_joining;
use crate::authority::Act;
use crate::{Change, Decision, Refusal, RoomId, Standing, Timestamp, UserId};

/// The command `chat.ban`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The room.
    pub room_id: RoomId,
    /// Whom.
    pub user_id: UserId,
    /// Why.
    pub reason: Option<String>,
    /// The end; none is for ever.
    pub until: Option<Timestamp>,
}

pub(super) fn decide(facts: &Facts, command: &Ban, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit_towards(Act::Ban, &command.user_id, now)?;
    let reason = reason(&command.reason)?;
    ahead(command.until, now)?;
    let standing = Standing::Banned { until: command.until };
    let known = facts.target_of(&command.user_id);
    let target = known.value.as_ref();
    if target.is_some_and(|target| target.standing == standing) {
        return Ok(Decision::Stands(known.seq));
    }
    let ban = Imposed {
        user_id: &command.user_id,
        change: Change::Banned,
        standing,
        role: target.map_or_else(|| role_by_joining(info, None), |target| target.role),
        muted: target.and_then(|target| target.muted.clone()),
        reason,
        until: command.until,
    };
    ban.append(facts, info, now)
}
