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

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Event, Seq};

    #[test]
    fn somebody_never_seen_is_invited_by_a_notice_and_their_standing() {
        let scene = Scene::staffed();
        assert_eq!(scene.plan("mod", invite("eve", None)), ["timeline if mod = 6", "eve if eve = 0"]);
        let eve = scene.member_after("mod", invite("eve", None));
        assert_eq!((eve.standing, eve.role), (Standing::Invited, Role::Member));
    }

    #[test]
    fn nobody_brings_in_more_than_they_reach_and_nobody_comes_as_an_owner() {
        let scene = Scene::staffed();
        assert!(matches!(scene.refuses("mod", invite("eve", Some(Role::Moderator))), Refusal::Forbidden(_)));
        assert_eq!(scene.member_after("ada", invite("eve", Some(Role::Moderator))).role, Role::Moderator);
        let owner = scene.refuses("ada", invite("eve", Some(Role::Owner)));
        assert!(matches!(owner, Refusal::Invalid { field: "role", .. }));
    }

    #[test]
    fn members_stand_and_so_does_the_same_invitation_and_another_role_is_another() {
        let scene = Scene::staffed();
        assert_eq!(scene.stands("mod", invite("ben", None)), Seq(3));
        let scene = scene.given("mod", invite("eve", None));
        assert_eq!(scene.stands("ada", invite("eve", None)), Seq(8));
        assert_eq!(scene.member_after("ada", invite("eve", Some(Role::Reader))).role, Role::Reader);
    }

    #[test]
    fn the_banned_are_unbanned_first_and_the_kicked_may_be_asked_again() {
        let scene = Scene::staffed();
        let banned = scene.clone().given("ada", ban("ben", None));
        assert!(matches!(banned.refuses("mod", invite("ben", None)), Refusal::Conflict(_)));
        assert!(scene.given("ada", kick("ben")).when("mod", invite("ben", None)).is_ok());
    }

    #[test]
    fn members_invite_nobody_and_the_servers_names_are_no_people() {
        assert!(matches!(Scene::staffed().refuses("ben", invite("eve", None)), Refusal::Forbidden(_)));
        assert!(matches!(Scene::staffed().refuses("ada", invite("~system", None)), Refusal::Invalid { .. }));
    }

    #[test]
    fn the_notice_names_the_role() {
        let events = Scene::staffed().events("ada", invite("eve", Some(Role::Reader)));
        assert!(matches!(&events[0], Event::MemberChanged(notice) if notice.role == Some(Role::Reader)));
    }
}
