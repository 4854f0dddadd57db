//! Make a room: explicitly, with its first members, or by being the first to join it.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::facts::{Facts, guarded_by_itself};
use super::update_room::SettingsChange;
use crate::decision::{Decision, Draft};
use crate::event::Event;
use crate::{
    Access, Actor, Cause, Membership, Refusal, Role, RoomId, RoomInfo, RoomType, Seq, Settings, Standing, Timestamp,
    UserId,
};

/// The longest name of a room, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// How many people a room can be made with, beside its creator. All of them come to be members in one batch;
/// nats-server takes 1,000 messages in one (ADR-50).
pub const PARTICIPANTS_MAX: usize = 200;

/// The command `chat.createRoom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRoom {
    /// The room to be: see [`CreateRoom::room_id`].
    pub room_id: RoomId,
    /// What kind of room.
    pub room_type: RoomType,
    /// Its name; without one a room is called by its id, and a direct room not at all.
    pub name: Option<String>,
    /// Who is in it at once, beside the creator, who need not be named. In a direct room: the other one.
    pub participants: Vec<UserId>,
    /// Its rules, where they differ from the type's.
    pub settings: SettingsChange,
}

impl CreateRoom {
    /// Which room a `chat.createRoom` makes: the one of these two people if it is to be direct, the one asked
    /// for, or `fresh`.
    pub fn room_id(
        requested: Option<RoomId>,
        room_type: RoomType,
        participants: &[UserId],
        creator: &Actor,
        fresh: Uuid,
    ) -> Result<RoomId, Refusal> {
        if room_type == RoomType::Direct {
            let (one, other) = pair(participants, creator)?;
            let room = RoomId::direct(&one, &other);
            return match requested {
                Some(requested) if requested != room => {
                    Err(Refusal::Invalid { field: "roomId", why: "is not given for a direct room" })
                }
                _ => Ok(room),
            };
        }
        let room = match requested {
            Some(room) => room,
            None => RoomId::parse(fresh.to_string()).expect("a UUID is 36 bytes of hexadecimal digits and dashes"),
        };
        not_reserved(room)
    }
}

pub(super) fn decide(facts: &Facts, command: &CreateRoom, now: Timestamp) -> Result<Decision, Refusal> {
    let direct = command.room_type == RoomType::Direct;
    let people = if direct { direct_members(facts, command)? } else { members(facts, command)? };
    let name = name_of(command)?;
    let settings = command.settings.applied_to(&default_settings(command.room_type));
    if direct && settings.access == Access::Open {
        return Err(Refusal::Invalid { field: "settings", why: "a direct room is never open" });
    }
    if let Some(there) = &facts.info.value {
        // The same two people always meet in the same room: to ask for it again is to find it.
        let found = direct && there.room_type == RoomType::Direct;
        let taken = Refusal::Conflict("there is a room with this id");
        return if found { Ok(Decision::Stands(facts.info.seq)) } else { Err(taken) };
    }
    let owners = people.iter().filter(|(_, role)| *role == Role::Owner).map(|(user, _)| user.clone()).collect();
    let info = RoomInfo {
        room_id: command.room_id.clone(),
        room_type: command.room_type,
        name,
        owners,
        settings,
        archived: false,
        created_by: facts.actor.user_id(),
        created_at: now,
        timestamp: now,
    };
    Ok(Decision::Append(founding(facts, info, people, now)))
}

/// The batch that makes a room, each event guarded by itself at nothing: of several creators at once one wins.
pub(super) fn founding(facts: &Facts, info: RoomInfo, people: Vec<(UserId, Role)>, now: Timestamp) -> Vec<Draft> {
    let room_id = info.room_id.clone();
    let mut drafts = vec![facts.on_info(info)];
    for (user_id, role) in people {
        let (username, avatar) = match &facts.actor {
            Actor::Person { user_id: creator, username, avatar } if *creator == user_id => {
                (username.clone(), avatar.clone())
            }
            _ => (String::new(), None),
        };
        let member = Membership {
            room_id: room_id.clone(),
            user_id,
            username,
            avatar,
            standing: Standing::Joined,
            role,
            muted: None,
            cause: Cause::Created,
            timestamp: now,
        };
        drafts.push(guarded_by_itself(Event::Member(member), Seq::ZERO));
    }
    drafts
}

/// What a room keeps to if nobody says otherwise.
pub(super) fn default_settings(room_type: RoomType) -> Settings {
    let access = match room_type {
        RoomType::Direct | RoomType::Group => Access::Private,
        RoomType::Channel => Access::Open,
    };
    Settings { access, history: Default::default() }
}

/// A room's name as it is stored.
pub(super) fn name(given: &str) -> Result<String, Refusal> {
    let name = given.trim();
    if name.is_empty() {
        return Err(Refusal::Invalid { field: "name", why: "is empty" });
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::TooLarge { field: "name", bytes_max: NAME_BYTES_MAX });
    }
    if name.chars().any(char::is_control) {
        return Err(Refusal::Invalid { field: "name", why: "contains a control character" });
    }
    Ok(name.to_owned())
}

fn name_of(command: &CreateRoom) -> Result<String, Refusal> {
    match (&command.name, command.room_type) {
        (Some(given), _) => name(given),
        (None, RoomType::Direct) => Ok(String::new()),
        (None, RoomType::Group | RoomType::Channel) => Ok(command.room_id.as_str().to_owned()),
    }
}

fn not_reserved(room: RoomId) -> Result<RoomId, Refusal> {
    if room.is_reserved() {
        return Err(Refusal::Invalid { field: "roomId", why: "begins with ~, which only the server's own ids do" });
    }
    Ok(room)
}

fn pair(participants: &[UserId], creator: &Actor) -> Result<(UserId, UserId), Refusal> {
    let mut people: BTreeSet<UserId> = participants.iter().cloned().collect();
    if let Actor::Person { user_id, .. } = creator {
        people.insert(user_id.clone());
    }
    if people.iter().any(UserId::is_reserved) {
        return Err(Refusal::Invalid { field: "participants", why: "name somebody who is no person" });
    }
    let mut people = people.into_iter();
    match (people.next(), people.next(), people.next()) {
        (Some(one), Some(other), None) => Ok((one, other)),
        _ => Err(Refusal::Invalid { field: "participants", why: "a direct room is for two people" }),
    }
}

fn direct_members(facts: &Facts, command: &CreateRoom) -> Result<Vec<(UserId, Role)>, Refusal> {
    let (one, other) = pair(&command.participants, &facts.actor)?;
    if command.room_id != RoomId::direct(&one, &other) {
        return Err(Refusal::Invalid { field: "roomId", why: "is not given for a direct room" });
    }
    Ok(vec![(one, Role::Member), (other, Role::Member)])
}

fn members(facts: &Facts, command: &CreateRoom) -> Result<Vec<(UserId, Role)>, Refusal> {
    not_reserved(command.room_id.clone())?;
    let named: BTreeSet<&UserId> = command.participants.iter().filter(|user| !facts.actor.is(user)).collect();
    if named.len() > PARTICIPANTS_MAX {
        return Err(Refusal::Invalid { field: "participants", why: "are too many" });
    }
    if named.iter().any(|user| user.is_reserved()) {
        return Err(Refusal::Invalid { field: "participants", why: "name somebody who is no person" });
    }
    let others = match command.room_type {
        RoomType::Channel => Role::Reader,
        RoomType::Direct | RoomType::Group => Role::Member,
    };
    let mut people: Vec<(UserId, Role)> = named.into_iter().map(|user| (user.clone(), others)).collect();
    match &facts.actor {
        Actor::Person { user_id, .. } => people.insert(0, (user_id.clone(), Role::Owner)),
        // Somebody must own it: the first whom the operator names.
        Actor::System => match command.participants.first().and_then(|first| people.iter_mut().find(|p| p.0 == *first))
        {
            Some(first) => first.1 = Role::Owner,
            None => return Err(Refusal::Invalid { field: "participants", why: "is empty: name the owner first" }),
        },
    }
    Ok(people)
}

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::Command;

    fn create(id: &str, room_type: RoomType, participants: &[&str]) -> Command {
        Command::CreateRoom(CreateRoom {
            room_id: RoomId::parse(id).unwrap(),
            room_type,
            name: None,
            participants: participants.iter().map(|id| user(id)).collect(),
            settings: SettingsChange::default(),
        })
    }

    fn direct(one: &str, other: &str) -> Command {
        create(RoomId::direct(&user(one), &user(other)).as_str(), RoomType::Direct, &[other])
    }

    fn roles(events: &[Event]) -> Vec<(&str, Role)> {
        let member = |event: &'_ Event| matches!(event, Event::Member(_));
        events
            .iter()
            .filter(|event| member(event))
            .map(|event| match event {
                Event::Member(member) => (member.user_id.as_str(), member.role),
                _ => unreachable!(),
            })
            .collect()
    }

    #[test]
    fn a_room_is_one_batch_of_its_state_and_its_members_each_guarded_by_itself_at_nothing() {
        let plan = Scene::empty().plan("ada", create("lobby", RoomType::Group, &["ben", "ada", "ben"]));
        assert_eq!(plan, ["info if info = 0", "ada if ada = 0", "ben if ben = 0"]);
    }

    #[test]
    fn the_creator_owns_it_and_the_others_are_what_people_become_by_joining() {
        let group = Scene::empty().events("ada", create("lobby", RoomType::Group, &["ben"]));
        assert_eq!(roles(&group), [("ada", Role::Owner), ("ben", Role::Member)]);
        let Event::Room(info) = &group[0] else { panic!() };
        assert_eq!(
            (info.name.as_str(), info.settings.access, info.owners.as_slice()),
            ("lobby", Access::Private, [user("ada")].as_slice())
        );
        let channel = Scene::empty().events("ada", create("news", RoomType::Channel, &["ben"]));
        assert_eq!(roles(&channel), [("ada", Role::Owner), ("ben", Role::Reader)]);
        assert!(matches!(&channel[0], Event::Room(info) if info.is_open()));
    }

    #[test]
    fn the_operator_names_the_owner_first() {
        let events = Scene::empty().events("~system", create("lobby", RoomType::Group, &["zoe", "ben"]));
        assert_eq!(roles(&events), [("ben", Role::Member), ("zoe", Role::Owner)]);
        let none = Scene::empty().refuses("~system", create("lobby", RoomType::Group, &[]));
        assert!(matches!(none, Refusal::Invalid { field: "participants", .. }));
    }

    #[test]
    fn a_direct_room_has_two_plain_members_and_is_found_by_whoever_asks_again() {
        let scene = Scene::empty();
        let events = scene.events("ada", direct("ada", "ben"));
        assert_eq!(roles(&events), [("ada", Role::Member), ("ben", Role::Member)]);
        assert!(matches!(&events[0], Event::Room(info) if info.owners.is_empty() && !info.is_open()));
        let scene = scene.given("ada", direct("ada", "ben"));
        assert_eq!(scene.stands("ben", direct("ben", "ada")), Seq(1));
    }

    #[test]
    fn a_direct_room_is_for_exactly_two_and_has_their_id() {
        let scene = Scene::empty();
        for people in [&[][..], &["ada"], &["ben", "eve"]] {
            let refusal = scene.refuses("ada", create("~dx", RoomType::Direct, people));
            assert!(matches!(refusal, Refusal::Invalid { field: "participants", .. }), "{people:?}");
        }
        let elsewhere = scene.refuses("ada", create("lobby", RoomType::Direct, &["ben"]));
        assert!(matches!(elsewhere, Refusal::Invalid { field: "roomId", .. }));
        let mut open = direct("ada", "ben");
        if let Command::CreateRoom(create) = &mut open {
            create.settings.access = Some(Access::Open);
        }
        assert!(matches!(scene.refuses("ada", open), Refusal::Invalid { field: "settings", .. }));
    }

    #[test]
    fn an_id_that_is_taken_is_a_conflict_and_a_reserved_one_nobodys() {
        let taken = Scene::lobby().refuses("ben", create("lobby", RoomType::Group, &[]));
        assert!(matches!(taken, Refusal::Conflict(_)));
        let reserved = Scene::empty().refuses("ben", create("~mine", RoomType::Group, &[]));
        assert!(matches!(reserved, Refusal::Invalid { field: "roomId", .. }));
    }

    #[test]
    fn which_room_it_is_follows_from_the_type_and_the_people() {
        let ada = person("ada");
        let fresh = Uuid::from_u128(5);
        let room = |id, room_type, people: &[UserId]| CreateRoom::room_id(id, room_type, people, &ada, fresh);
        let lobby = RoomId::parse("lobby").unwrap();
        assert_eq!(room(Some(lobby.clone()), RoomType::Group, &[]), Ok(lobby.clone()));
        assert_eq!(room(None, RoomType::Group, &[]).unwrap().as_str(), fresh.to_string());
        let both = RoomId::direct(&user("ada"), &user("ben"));
        assert_eq!(room(None, RoomType::Direct, &[user("ben")]), Ok(both.clone()));
        assert_eq!(room(Some(both.clone()), RoomType::Direct, &[user("ben"), user("ada")]), Ok(both.clone()));
        assert!(room(Some(lobby), RoomType::Direct, &[user("ben")]).is_err());
        assert!(room(Some(both), RoomType::Group, &[]).is_err(), "nobody takes a direct room's id before its people");
    }

    #[test]
    fn names_and_numbers_have_limits() {
        let with = |change: &dyn Fn(&mut CreateRoom)| {
            let mut command = CreateRoom {
                room_id: room(),
                room_type: RoomType::Group,
                name: None,
                participants: vec![],
                settings: SettingsChange::default(),
            };
            change(&mut command);
            Scene::empty().when("ada", Command::CreateRoom(command))
        };
        assert!(with(&|c| c.name = Some("x".repeat(NAME_BYTES_MAX))).is_ok());
        let long = with(&|c| c.name = Some("x".repeat(NAME_BYTES_MAX + 1)));
        assert_eq!(long, Err(Refusal::TooLarge { field: "name", bytes_max: NAME_BYTES_MAX }));
        for bad in [" ", "a\nb"] {
            assert!(matches!(with(&|c| c.name = Some(bad.into())), Err(Refusal::Invalid { field: "name", .. })));
        }
        let people = |n: usize| (0..n).map(|i| user(&format!("u{i}"))).collect::<Vec<_>>();
        assert!(with(&|c| c.participants = people(PARTICIPANTS_MAX)).is_ok());
        assert!(with(&|c| c.participants = people(PARTICIPANTS_MAX + 1)).is_err());
        assert!(with(&|c| c.participants = vec![UserId::system()]).is_err());
    }
}
