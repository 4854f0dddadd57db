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

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Event, Role, Seq};

    #[test]
    fn a_ban_works_on_members_and_on_people_never_seen() {
        let scene = Scene::staffed();
        assert_eq!(scene.plan("mod", ban("ben", None)), ["timeline if mod = 6", "ben if ben = 3"]);
        assert_eq!(scene.plan("mod", ban("eve", None)), ["timeline if mod = 6", "eve if eve = 0"]);
        let eve = scene.member_after("mod", ban("eve", None));
        assert_eq!(
            (eve.standing, eve.role, eve.username.as_str()),
            (Standing::Banned { until: None }, Role::Member, "")
        );
    }

    #[test]
    fn the_same_ban_stands_and_another_end_is_another_ban() {
        let scene = Scene::staffed();
        let until = Some(Timestamp::from_ms(scene.now.as_ms() + 5));
        let scene = scene.given("mod", ban("ben", until));
        assert_eq!(scene.stands("ada", ban("ben", until)), Seq(8));
        assert_eq!(scene.plan("ada", ban("ben", None)), ["timeline if ada = 2", "ben if ben = 8"]);
    }

    #[test]
    fn an_end_lies_ahead() {
        let scene = Scene::staffed();
        let refusal = scene.refuses("mod", ban("ben", Some(scene.now)));
        assert!(matches!(refusal, Refusal::Invalid { field: "until", .. }));
    }

    #[test]
    fn moderators_reach_each_other_only_once_they_are_out() {
        let scene = Scene::staffed().given("ben", exit());
        assert!(matches!(scene.refuses("mod", ban("ada", None)), Refusal::Forbidden(_)));
        let two = Scene::staffed().given("ada", role("ben", Role::Moderator));
        assert!(matches!(two.refuses("mod", ban("ben", None)), Refusal::Forbidden(_)));
        let out = two.given("ada", kick("ben"));
        assert!(out.when("mod", ban("ben", None)).is_ok(), "a role has no weight outside");
    }

    #[test]
    fn an_owner_who_is_banned_owns_no_more() {
        let scene = Scene::staffed().given("ada", role("ben", Role::Owner));
        let events = scene.events("ada", ban("ben", None));
        assert!(matches!(&events[1], Event::Room(info) if info.owners == [user("ada")]));
        assert!(matches!(&events[0], Event::MemberChanged(notice) if notice.change == Change::Banned));
    }
}
