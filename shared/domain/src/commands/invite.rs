//! Ask somebody to come. They become a member by joining, also where the room is private.

use super::facts::{Facts, Imposed, reason};
use super::join::role_by_joining;
use crate::authority::{self, Act};
use crate::{Actor, Change, Decision, Refusal, Role, RoomId, Standing, Timestamp, UserId};

/// The command `chat.invite`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The room.
    pub room_id: RoomId,
    /// Whom.
    pub user_id: UserId,
    /// What they shall be; none is what people become by joining.
    pub role: Option<Role>,
    /// Why.
    pub reason: Option<String>,
}

pub(super) fn decide(facts: &Facts, command: &Invite, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit(Act::Invite, now)?;
    let reason = reason(&command.reason)?;
    if command.user_id.is_reserved() {
        return Err(Refusal::Invalid { field: "userId", why: "is no person" });
    }
    let known = facts.target_of(&command.user_id);
    let target = known.value.as_ref();
    let role = command.role.unwrap_or_else(|| role_by_joining(info, target));
    if role == Role::Owner {
        // To accept is one member event, and owners change only together with the room's info.
        return Err(Refusal::Invalid { field: "role", why: "nobody comes as an owner: give the role afterwards" });
    }
    if let (Actor::Person { .. }, Some(own)) = (&facts.actor, &facts.own.value) {
        authority::permit_role(own.role, role)?;
    }
    if let Some(target) = target {
        if target.is_joined() || (target.standing == Standing::Invited && target.role == role) {
            return Ok(Decision::Stands(known.seq));
        }
        if target.is_banned(now) {
            return Err(Refusal::Conflict("this person is banned: unban them first"));
        }
    }
    let invite = Imposed {
        user_id: &command.user_id,
        change: Change::Invited,
        standing: Standing::Invited,
        role,
        muted: target.and_then(|target| target.muted.clone()),
        reason,
        until: None,
    };
    invite.append(facts, info, now)
}
