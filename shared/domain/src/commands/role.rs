//! Give a member another role: one's own too, as long as an owner remains.

use super::facts::{Facts, Imposed, reason};
use crate::authority::Act;
use crate::{Change, Decision, Refusal, Role, RoomId, Timestamp, UserId};

/// The command `chat.role`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRole {
    /// The room.
    pub room_id: RoomId,
    /// Whose.
    pub user_id: UserId,
    /// What they shall be.
    pub role: Role,
    /// Why.
    pub reason: Option<String>,
}

pub(super) fn decide(facts: &Facts, command: &SetRole, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit_towards(Act::Role, &command.user_id, now)?;
    let reason = reason(&command.reason)?;
    let known = facts.target_of(&command.user_id);
    let target = known.value.as_ref().filter(|target| target.is_joined());
    let target = target.ok_or(Refusal::Conflict("this person is not a member of the room"))?;
    if target.role == command.role {
        return Ok(Decision::Stands(known.seq));
    }
    let role = Imposed {
        user_id: &command.user_id,
        change: Change::Role,
        standing: target.standing.clone(),
        role: command.role,
        muted: target.muted.clone(),
        reason,
        until: None,
    };
    role.append(facts, info, now)
}

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Event, Seq};

    #[test]
    fn a_role_is_a_notice_and_a_standing() {
        let scene = Scene::staffed();
        assert_eq!(scene.plan("ada", role("ben", Role::Moderator)), ["timeline if ada = 2", "ben if ben = 3"]);
        assert_eq!(scene.member_after("ada", role("ben", Role::Moderator)).role, Role::Moderator);
        let events = scene.events("ada", role("ben", Role::Reader));
        assert!(matches!(&events[0], Event::MemberChanged(notice) if notice.role == Some(Role::Reader)));
    }

    #[test]
    fn to_make_or_unmake_an_owner_changes_the_owners_too() {
        let scene = Scene::staffed();
        let plan = ["timeline if ada = 2", "info if info = 1", "ben if ben = 3"];
        assert_eq!(scene.plan("ada", role("ben", Role::Owner)), plan);
        let scene = scene.given("ada", role("ben", Role::Owner));
        let events = scene.events("ada", role("ada", Role::Member));
        assert!(matches!(&events[1], Event::Room(info) if info.owners == [user("ben")]));
        let plan = ["timeline if ada = 2", "info if info = 8", "ada if ada = 2"];
        assert_eq!(scene.plan("ada", role("ada", Role::Member)), plan, "no guard names what the batch wrote before");
    }

    #[test]
    fn the_last_owner_stays_one() {
        assert!(matches!(Scene::staffed().refuses("ada", role("ada", Role::Member)), Refusal::Conflict(_)));
    }

    #[test]
    fn only_owners_give_roles_and_only_members_have_them() {
        let scene = Scene::staffed();
        assert!(matches!(scene.refuses("mod", role("ben", Role::Reader)), Refusal::Forbidden(_)));
        assert!(matches!(scene.refuses("ada", role("eve", Role::Reader)), Refusal::Conflict(_)));
        assert_eq!(scene.stands("ada", role("ben", Role::Member)), Seq(3));
        assert_eq!(scene.plan("~system", role("ben", Role::Moderator)), ["timeline", "ben if ben = 3"]);
    }

    #[test]
    fn who_saw_an_old_list_of_owners_fails_on_its_guard() {
        let mut scene = Scene::staffed().given("ada", role("ben", Role::Owner));
        let command = kick("ben");
        let mut facts = scene.log.facts_as_of(scene.log.0.len(), &person("ada"), &command);
        facts.info = Scene::staffed().log.facts_as_of(6, &person("ada"), &command).info;
        let Ok(crate::Decision::Append(drafts)) = command.decide(&facts, scene.now) else { panic!() };
        assert_eq!(scene.log.append(drafts), Err(NotStored::Moved));
    }
}
