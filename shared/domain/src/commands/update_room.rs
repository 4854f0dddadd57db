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
