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

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Cause, Event, Role, Seq};

    #[test]
    fn the_notice_is_guarded_by_who_kicks_and_the_standing_by_itself() {
        assert_eq!(Scene::staffed().plan("mod", kick("ben")), ["timeline if mod = 6", "ben if ben = 3"]);
        let ben = Scene::staffed().member_after("mod", kick("ben"));
        assert_eq!((ben.standing, ben.cause, ben.username.as_str()), (Standing::Removed, Cause::Noticed, "BEN"));
    }

    #[test]
    fn the_notice_says_who_why_and_whom() {
        let command = Kick { room_id: room(), user_id: user("ben"), reason: Some(" rude ".into()) };
        let events = Scene::staffed().events("mod", crate::Command::Kick(command));
        let Event::MemberChanged(notice) = &events[0] else { panic!() };
        assert_eq!(notice.by, Some(user("mod")));
        assert_eq!((notice.username.as_str(), notice.reason.as_deref()), ("BEN", Some("rude")));
    }

    #[test]
    fn to_kick_an_owner_takes_an_owner_and_changes_the_owners() {
        let scene = Scene::staffed().given("ada", role("ben", Role::Owner));
        assert_eq!(scene.plan("ben", kick("ada")), ["timeline if ben = 9", "info if info = 8", "ada if ada = 2"]);
        assert!(matches!(scene.refuses("mod", kick("ada")), Refusal::Forbidden(_)));
        let last = Scene::staffed().refuses("~system", kick("ada"));
        assert!(matches!(last, Refusal::Conflict(_)), "the last owner can't go, whoever asks");
    }

    #[test]
    fn the_operators_notice_has_no_guard() {
        assert_eq!(Scene::staffed().plan("~system", kick("ben")), ["timeline", "ben if ben = 3"]);
    }

    #[test]
    fn who_is_out_is_out_and_who_was_never_in_cannot_be_put_out() {
        assert_eq!(Scene::staffed().given("ada", kick("ben")).stands("mod", kick("ben")), Seq(8));
        assert_eq!(Scene::staffed().refuses("mod", kick("eve")), NOT_THERE);
        assert_eq!(Scene::staffed().given("ben", exit()).refuses("mod", kick("ben")), NOT_THERE);
        let withdrawn = Scene::staffed().given("ada", invite("eve", None)).member_after("mod", kick("eve"));
        assert_eq!(withdrawn.standing, Standing::Removed);
    }

    #[test]
    fn members_readers_and_strangers_kick_nobody_and_nobody_kicks_themselves() {
        let scene = Scene::staffed();
        assert!(matches!(scene.refuses("ben", kick("mod")), Refusal::Forbidden(_)));
        assert_eq!(scene.refuses("eve", kick("ben")), Refusal::NotAMember);
        assert!(matches!(scene.refuses("ada", kick("ada")), Refusal::Forbidden(_)));
        assert_eq!(Scene::private().refuses("eve", kick("ben")), Refusal::NoSuchRoom);
    }

    #[test]
    fn a_reason_has_a_limit() {
        let command = Kick { room_id: room(), user_id: user("ben"), reason: Some("x".repeat(1025)) };
        let refusal = Scene::staffed().refuses("mod", crate::Command::Kick(command));
        assert!(matches!(refusal, Refusal::TooLarge { field: "reason", .. }));
    }
}
