//! Stop being a member; or decline an invitation.

use super::facts::{Facts, Imposed, guarded_by_itself};
use crate::authority::{self, Act};
use crate::event::Event;
use crate::{Cause, Change, Decision, Membership, Refusal, Role, RoomId, Standing, Timestamp};

/// The command `chat.exit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The room.
    pub room_id: RoomId,
}

pub(super) fn decide(facts: &Facts, _: &Exit, now: Timestamp) -> Result<Decision, Refusal> {
    let (user_id, username, avatar) = facts.person()?;
    let info = facts.info.value.as_ref().ok_or(Refusal::NoSuchRoom)?;
    match &facts.own.value {
        // Only who went by themselves hears that they are gone: others may never have been told of the room.
        Some(own) if own.standing == Standing::Left && own.cause == Cause::Exited => {
            return Ok(Decision::Stands(facts.own.seq));
        }
        Some(own) if own.standing == Standing::Invited => {}
        own => authority::permit(info, own.as_ref(), Act::Exit, now)?,
    }
    let Some(own) = &facts.own.value else { return Err(Refusal::NotAMember) };
    if own.is_joined() && own.role == Role::Owner {
        let exit = Imposed {
            user_id,
            change: Change::Exited,
            standing: Standing::Left,
            role: own.role,
            muted: own.muted.clone(),
            reason: None,
            until: None,
        };
        return exit.append(facts, info, now);
    }
    let member = Membership {
        username: username.to_owned(),
        avatar: avatar.map(str::to_owned),
        standing: Standing::Left,
        cause: Cause::Exited,
        timestamp: now,
        ..own.clone()
    };
    Ok(Decision::Append(vec![guarded_by_itself(Event::Member(member), facts.own.seq)]))
}
