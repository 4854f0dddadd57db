//! Become a member: of an open room by oneself, of any after an invitation, of an unknown one as its owner.

use super::create_room::founding;
use super::facts::{Facts, guarded_by_itself};
use crate::event::Event;
use crate::{
    Access, Cause, Decision, Membership, Refusal, Role, RoomId, RoomInfo, RoomType, Settings, Standing, Timestamp,
    authority,
};

/// What `chat.join` asks of the log, beside attaching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The room.
    pub room_id: RoomId,
    /// Whether a room that nobody made comes to be by this: the setting `rooms.create_on_join`.
    pub create_on_join: bool,
}

pub(super) fn decide(facts: &Facts, command: &Join, now: Timestamp) -> Result<Decision, Refusal> {
    let (user_id, username, avatar) = facts.person()?;
    let Some(info) = &facts.info.value else { return first_join(facts, command, now) };
    let own = facts.own.value.as_ref();
    let (role, cause) = match own {
        Some(own) if own.is_joined() => {
            if own.username == username && own.avatar.as_deref() == avatar {
                return Ok(Decision::Stands(facts.own.seq));
            }
            (own.role, Cause::Renamed)
        }
        Some(own) if own.standing == Standing::Invited => (own.role, Cause::Accepted),
        own => {
            authority::may_read(Some(info), own, now)?;
            (role_by_joining(info, own), Cause::Joined)
        }
    };
    let member = Membership {
        room_id: info.room_id.clone(),
        user_id: user_id.clone(),
        username: username.to_owned(),
        avatar: avatar.map(str::to_owned),
        standing: Standing::Joined,
        role,
        muted: own.and_then(|own| own.muted.clone()),
        cause,
        timestamp: now,
    };
    Ok(Decision::Append(vec![guarded_by_itself(Event::Member(member), facts.own.seq)]))
}

/// A room comes to be: an open group, whoever came first its owner.
fn first_join(facts: &Facts, command: &Join, now: Timestamp) -> Result<Decision, Refusal> {
    let (user_id, ..) = facts.person()?;
    if !command.create_on_join || command.room_id.is_reserved() {
        return Err(Refusal::NoSuchRoom);
    }
    let info = RoomInfo {
        room_id: command.room_id.clone(),
        room_type: RoomType::Group,
        name: command.room_id.as_str().to_owned(),
        owners: vec![user_id.clone()],
        settings: Settings { access: Access::Open, history: Default::default() },
        archived: false,
        created_by: user_id.clone(),
        created_at: now,
        timestamp: now,
    };
    Ok(Decision::Append(founding(facts, info, vec![(user_id.clone(), Role::Owner)], now)))
}

/// What somebody is after joining. To leave and come back is no way up: neither out of being made a reader, nor
/// back to a rank that somebody was put out of.
pub(super) fn role_by_joining(info: &RoomInfo, before: Option<&Membership>) -> Role {
    let usual = info.role_of_joiner();
    before.map_or(usual, |before| before.role.min(usual))
}

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::super::update_room::SettingsChange;
    use super::*;
    use crate::{Actor, Command, Seq};

    #[test]
    fn the_first_to_join_makes_an_open_group_and_owns_it() {
        let events = Scene::empty().events("ada", join());
        assert!(matches!(&events[0], Event::Room(info)
            if info.is_open() && info.room_type == RoomType::Group && info.owners == [user("ada")]));
        assert!(matches!(&events[1], Event::Member(ada) if ada.role == Role::Owner && ada.username == "ADA"));
        assert_eq!(Scene::empty().plan("ada", join()), ["info if info = 0", "ada if ada = 0"]);
    }

    #[test]
    fn no_room_comes_to_be_where_the_operator_forbids_it_or_under_the_servers_own_ids() {
        let forbidden = Command::Join(Join { room_id: room(), create_on_join: false });
        assert_eq!(Scene::empty().refuses("ada", forbidden), Refusal::NoSuchRoom);
        let reserved = Join { room_id: RoomId::parse("~dfoo").unwrap(), create_on_join: true };
        assert_eq!(Scene::empty().refuses("ada", Command::Join(reserved)), Refusal::NoSuchRoom);
    }

    #[test]
    fn who_joins_an_open_room_is_a_member_guarded_by_their_own_standing() {
        let scene = Scene::lobby();
        assert_eq!(scene.plan("ben", join()), ["ben if ben = 0"]);
        let ben = scene.member_after("ben", join());
        assert_eq!((ben.role, ben.cause), (Role::Member, Cause::Joined));
        assert_eq!(scene.given("ben", join()).stands("ben", join()), Seq(3));
    }

    #[test]
    fn a_private_room_is_not_there_for_who_is_not_asked_to_come() {
        let scene = Scene::private();
        assert_eq!(scene.refuses("eve", join()), Refusal::NoSuchRoom);
        let invited = scene.clone().given("ada", invite("eve", Some(Role::Reader)));
        let eve = invited.member_after("eve", join());
        assert_eq!((eve.role, eve.cause), (Role::Reader, Cause::Accepted));
        let kicked = scene.clone().given("ada", kick("ben"));
        assert_eq!(kicked.refuses("ben", join()), Refusal::NoSuchRoom);
        let banned = scene.given("ada", ban("ben", None));
        assert_eq!(banned.refuses("ben", join()), Refusal::NoSuchRoom);
    }

    #[test]
    fn the_kicked_may_come_again_the_banned_only_when_the_ban_is_over() {
        let scene = Scene::lobby().given("ben", join());
        assert_eq!(scene.clone().given("ada", kick("ben")).member_after("ben", join()).role, Role::Member);
        let until = Timestamp::from_ms(scene.now.as_ms() + 1000);
        let banned = scene.given("ada", ban("ben", Some(until)));
        assert_eq!(banned.refuses("ben", join()), Refusal::Banned { until: Some(until) });
        assert_eq!(banned.after_ms(1000).member_after("ben", join()).standing, Standing::Joined);
    }

    #[test]
    fn to_leave_and_come_back_is_no_way_up_and_no_way_out_of_a_mute() {
        let demoted = Scene::staffed().given("ada", role("ben", Role::Reader)).given("ben", exit());
        assert_eq!(demoted.member_after("ben", join()).role, Role::Reader);
        let moderator = Scene::staffed().given("mod", exit());
        assert_eq!(moderator.member_after("mod", join()).role, Role::Member);
        let muted = Scene::staffed().given("ada", mute("ben", None)).given("ben", exit());
        assert!(muted.member_after("ben", join()).muted.is_some());
    }

    #[test]
    fn a_new_name_is_told_by_joining_again_and_changes_nothing_else() {
        let scene = Scene::staffed();
        let renamed = Actor::Person { user_id: user("mod"), username: "Maud".into(), avatar: Some("/m.png".into()) };
        let facts = scene.log.facts_as_of(scene.log.0.len(), &renamed, &join());
        let Ok(Decision::Append(drafts)) = join().decide(&facts, scene.now) else { panic!() };
        let Event::Member(maud) = &drafts[0].event else { panic!() };
        assert_eq!((maud.username.as_str(), maud.role, maud.cause), ("Maud", Role::Moderator, Cause::Renamed));
        assert_eq!(maud.unnoticed_change(), None);
    }

    #[test]
    fn the_archived_room_may_be_joined_and_the_operator_is_no_member() {
        assert!(Scene::lobby().given("ada", archive(true)).when("ben", join()).is_ok());
        assert!(matches!(Scene::lobby().refuses("~system", join()), Refusal::Forbidden(_)));
    }

    #[test]
    fn a_room_that_became_private_keeps_its_members_and_takes_no_others() {
        let private = SettingsChange { access: Some(Access::Private), history: None };
        let scene = Scene::lobby().given("ben", join()).given("ada", update(None, private));
        assert_eq!(scene.stands("ben", join()), Seq(3));
        assert_eq!(scene.refuses("eve", join()), Refusal::NoSuchRoom);
    }
}
