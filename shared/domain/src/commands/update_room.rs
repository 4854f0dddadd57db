//! Change a room's name or its rules.

use super::create_room::name;
use super::facts::Facts;
use crate::authority::Act;
use crate::event::Event;
use crate::{Access, Decision, HistoryFrom, Refusal, RoomId, RoomInfo, RoomType, RoomUpdated, Settings, Timestamp};

/// The command `chat.updateRoom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRoom {
    /// The room.
    pub room_id: RoomId,
    /// Its new name, if it is to have one.
    pub name: Option<String>,
    /// What changes of its rules.
    pub settings: SettingsChange,
}

/// What shall be different in a room's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// Who may come in, if that changes.
    pub access: Option<Access>,
    /// From where on they may read, if that changes.
    pub history: Option<HistoryFrom>,
}

impl SettingsChange {
    /// The rules with the change made.
    pub fn applied_to(&self, before: &Settings) -> Settings {
        Settings { access: self.access.unwrap_or(before.access), history: self.history.unwrap_or(before.history) }
    }
}

pub(super) fn decide(facts: &Facts, command: &UpdateRoom, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit(Act::Update, now)?;
    let name = command.name.as_deref().map_or_else(|| Ok(info.name.clone()), name)?;
    let settings = command.settings.applied_to(&info.settings);
    if info.room_type == RoomType::Direct && settings.access == Access::Open {
        return Err(Refusal::Invalid { field: "settings", why: "a direct room is never open" });
    }
    Ok(changed(facts, info, RoomInfo { name, settings, ..info.clone() }, now))
}

/// The notice and the new state; or, if it is the old one, since when it stands.
pub(super) fn changed(facts: &Facts, before: &RoomInfo, after: RoomInfo, now: Timestamp) -> Decision {
    if after == *before {
        return Decision::Stands(facts.info.seq);
    }
    let notice = RoomUpdated {
        room_id: after.room_id.clone(),
        name: after.name.clone(),
        settings: after.settings.clone(),
        archived: after.archived,
        by: facts.actor.user_id(),
        timestamp: now,
    };
    let notice = facts.on_timeline(before, Event::RoomUpdated(notice));
    Decision::Append(vec![notice, facts.on_info(RoomInfo { timestamp: now, ..after })])
}

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Role, Seq};

    const PRIVATE: SettingsChange = SettingsChange { access: Some(Access::Private), history: None };
    const SAME: SettingsChange = SettingsChange { access: None, history: None };

    #[test]
    fn a_change_is_a_notice_and_the_rooms_new_state() {
        let scene = Scene::staffed();
        assert_eq!(scene.plan("ada", update(Some("Lounge"), SAME)), ["timeline if ada = 2", "info if info = 1"]);
        let events = scene.events("ada", update(Some(" Lounge "), PRIVATE));
        assert!(matches!(&events[0], Event::RoomUpdated(n) if n.name == "Lounge" && n.by == user("ada")));
        assert!(matches!(&events[1], Event::Room(info) if info.name == "Lounge" && !info.is_open()
            && info.owners == [user("ada")]));
    }

    #[test]
    fn what_is_so_stands() {
        assert_eq!(Scene::staffed().stands("ada", update(Some("lobby"), SAME)), Seq(1));
        assert_eq!(Scene::staffed().given("ada", update(None, PRIVATE)).stands("ada", update(None, PRIVATE)), Seq(8));
    }

    #[test]
    fn only_owners_and_the_operator_change_a_room() {
        let scene = Scene::staffed();
        assert!(matches!(scene.refuses("mod", update(None, PRIVATE)), Refusal::Forbidden(_)));
        assert_eq!(scene.refuses("eve", update(None, PRIVATE)), Refusal::NotAMember);
        assert_eq!(scene.plan("~system", update(None, PRIVATE)), ["timeline", "info if info = 1"]);
        assert!(matches!(scene.refuses("ada", update(Some(""), SAME)), Refusal::Invalid { field: "name", .. }));
    }

    #[test]
    fn a_direct_room_stays_private_and_its_people_change_nothing() {
        let (scene, room_id) = direct_room("ada", "ben");
        let open = SettingsChange { access: Some(Access::Open), history: None };
        let command = crate::Command::UpdateRoom(UpdateRoom { room_id, name: None, settings: open });
        assert!(matches!(scene.refuses("ada", command.clone()), Refusal::Forbidden(_)));
        assert!(matches!(scene.refuses("~system", command), Refusal::Invalid { field: "settings", .. }));
    }

    #[test]
    fn of_two_owners_who_change_it_at_once_one_reads_again() {
        let mut scene = Scene::staffed().given("ada", role("ben", Role::Owner));
        let Ok(Decision::Append(drafts)) = scene.when("ben", update(Some("Ben's"), SAME)) else { panic!() };
        scene = scene.given("ada", update(Some("Ada's"), SAME));
        assert_eq!(scene.log.append(drafts), Err(NotStored::Moved));
    }
}
