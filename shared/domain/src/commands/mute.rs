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

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Role, Seq};

    #[test]
    fn a_mute_lies_in_the_member_event_so_that_its_guard_catches_a_racing_send() {
        let scene = Scene::staffed();
        assert_eq!(scene.plan("mod", mute("ben", None)), ["timeline if mod = 6", "ben if ben = 3"]);
        let ben = scene.member_after("mod", mute("ben", None));
        assert_eq!((ben.standing, ben.role), (Standing::Joined, Role::Member));
        assert_eq!(ben.muted, Some(member::Mute { until: None }));
    }

    #[test]
    fn people_never_seen_are_muted_before_they_come() {
        let scene = Scene::staffed().given("mod", mute("eve", None)).given("eve", join());
        assert_eq!(scene.refuses("eve", say("hi")), Refusal::Muted { until: None });
    }

    #[test]
    fn a_mute_ends_by_itself_or_by_being_lifted() {
        let scene = Scene::staffed();
        let until = Some(Timestamp::from_ms(scene.now.as_ms() + 5));
        let muted = scene.given("mod", mute("ben", until));
        assert_eq!(muted.refuses("ben", say("hi")), Refusal::Muted { until });
        assert!(muted.clone().after_ms(5).when("ben", say("hi")).is_ok());
        assert_eq!(muted.member_after("ada", unmute("ben")).muted, None);
        assert!(muted.given("ada", unmute("ben")).when("ben", say("hi")).is_ok());
    }

    #[test]
    fn the_same_mute_stands_and_so_does_not_being_muted() {
        let scene = Scene::staffed().given("mod", mute("ben", None));
        assert_eq!(scene.stands("ada", mute("ben", None)), Seq(8));
        assert_eq!(scene.given("ada", unmute("ben")).stands("mod", unmute("ben")), Seq(10));
        assert!(matches!(Scene::staffed().refuses("mod", unmute("eve")), Refusal::Conflict(_)));
    }

    #[test]
    fn moderators_mute_no_moderators_and_nobody_lifts_their_own_mute() {
        assert!(matches!(Scene::staffed().refuses("mod", mute("ada", None)), Refusal::Forbidden(_)));
        let muted = Scene::staffed().given("ada", mute("mod", None));
        assert!(matches!(muted.refuses("mod", unmute("mod")), Refusal::Forbidden(_)));
        assert!(muted.when("mod", kick("ben")).is_ok(), "a mute takes the word, not the office");
    }

    #[test]
    fn a_mute_leaves_a_ban_as_it_is() {
        let scene = Scene::staffed().given("ada", ban("ben", None));
        assert_eq!(scene.member_after("ada", mute("ben", None)).standing, Standing::Banned { until: None });
    }
}
