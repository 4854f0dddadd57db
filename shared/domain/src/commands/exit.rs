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

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Command, Seq};

    #[test]
    fn a_members_exit_is_their_own_event_and_needs_no_notice() {
        let scene = Scene::staffed();
        assert_eq!(scene.plan("ben", exit()), ["ben if ben = 3"]);
        let ben = scene.member_after("ben", exit());
        assert_eq!((ben.standing, ben.cause), (Standing::Left, Cause::Exited));
    }

    #[test]
    fn an_owners_exit_is_a_notice_the_owners_and_the_standing_under_three_guards() {
        let scene = Scene::staffed().given("ada", role("ben", Role::Owner));
        assert_eq!(scene.plan("ada", exit()), ["timeline if ada = 2", "info if info = 8", "ada if ada = 2"]);
        let events = scene.events("ada", exit());
        assert!(matches!(&events[0], Event::MemberChanged(n) if n.change == Change::Exited && n.by.is_none()));
        assert!(matches!(&events[1], Event::Room(info) if info.owners == [user("ben")]));
    }

    #[test]
    fn the_last_owner_cannot_go() {
        assert!(matches!(Scene::staffed().refuses("ada", exit()), Refusal::Conflict(_)));
    }

    #[test]
    fn to_go_twice_is_to_have_gone() {
        assert_eq!(Scene::staffed().given("ben", exit()).stands("ben", exit()), Seq(7));
    }

    #[test]
    fn who_was_never_there_cannot_go_and_who_is_banned_stays_banned() {
        assert_eq!(Scene::staffed().refuses("eve", exit()), Refusal::NotAMember);
        assert_eq!(Scene::private().refuses("eve", exit()), Refusal::NoSuchRoom);
        assert_eq!(Scene::empty().refuses("eve", exit()), Refusal::NoSuchRoom);
        let banned = Scene::staffed().given("ada", ban("ben", None));
        assert_eq!(banned.refuses("ben", exit()), Refusal::Banned { until: None });
        let muted_stranger = Scene::private().given("ada", mute("eve", None));
        assert_eq!(muted_stranger.refuses("eve", exit()), Refusal::NoSuchRoom, "eve was never told of the room");
    }

    #[test]
    fn an_invitation_is_declined_by_going() {
        let scene = Scene::private().given("ada", invite("eve", None));
        assert_eq!(scene.member_after("eve", exit()).standing, Standing::Left);
        assert_eq!(scene.given("eve", exit()).refuses("eve", join()), Refusal::NoSuchRoom);
    }

    #[test]
    fn the_muted_and_the_readers_may_go_and_nobody_leaves_a_direct_room() {
        let scene = Scene::staffed().given("ada", mute("ben", None)).given("ada", role("ben", Role::Reader));
        assert!(scene.when("ben", exit()).is_ok());
        let direct = direct_room("ada", "ben");
        assert!(matches!(direct.0.refuses("ben", Command::Exit(Exit { room_id: direct.1 })), Refusal::Forbidden(_)));
    }
}
