//! Take the word from somebody, for ever or until a time, and give it back. It works on people never seen, and
//! it stays with them through leaving and coming back.

use super::facts::{Facts, Imposed, ahead, reason};
use super::join::role_by_joining;
use crate::authority::Act;
use crate::{Change, Decision, Refusal, RoomId, Standing, Timestamp, UserId, member};

/// The command `chat.mute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// The room.
    pub room_id: RoomId,
    /// Whom.
    pub user_id: UserId,
    /// Why.
    pub reason: Option<String>,
    /// The end; none is for ever.
    pub until: Option<Timestamp>,
}

/// The command `chat.unmute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmute {
    /// The room.
    pub room_id: RoomId,
    /// Whom.
    pub user_id: UserId,
    /// Why.
    pub reason: Option<String>,
}

pub(super) fn decide(facts: &Facts, command: &Mute, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit_towards(Act::Mute, &command.user_id, now)?;
    let reason = reason(&command.reason)?;
    ahead(command.until, now)?;
    let muted = Some(member::Mute { until: command.until });
    let known = facts.target_of(&command.user_id);
    let target = known.value.as_ref();
    if target.is_some_and(|target| target.muted == muted) {
        return Ok(Decision::Stands(known.seq));
    }
    let mute = Imposed {
        user_id: &command.user_id,
        change: Change::Muted,
        standing: target.map_or(Standing::Left, |target| target.standing.clone()),
        role: target.map_or_else(|| role_by_joining(info, None), |target| target.role),
        muted,
        reason,
        until: command.until,
    };
    mute.append(facts, info, now)
}

pub(super) fn decide_unmute(facts: &Facts, command: &Unmute, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit_towards(Act::Mute, &command.user_id, now)?;
    let reason = reason(&command.reason)?;
    let known = facts.target_of(&command.user_id);
    let Some(target) = &known.value else { return Err(Refusal::Conflict("this person is not muted")) };
    if !target.is_muted(now) {
        return Ok(Decision::Stands(known.seq));
    }
    let unmute = Imposed {
        user_id: &command.user_id,
        change: Change::Unmuted,
        standing: target.standing.clone(),
        role: target.role,
        muted: None,
        reason,
        until: None,
    };
    unmute.append(facts, info, now)
}
