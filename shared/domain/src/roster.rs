//! Who is in a room: the fold of member events, and from where on each of them may read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::authority::may_read;
use crate::{HistoryFrom, Membership, RoomInfo, Seq, Timestamp, UserId};

/// One person's standing, with what the fold adds to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seat {
    /// The sequence of the standing.
    pub seq: Seq,
    /// The standing.
    pub membership: Membership,
    /// The sequence of the join that began the present membership; none for who is no member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_at: Option<Seq>,
}

impl Seat {
    /// Folds a member event onto what was known of the same person. An older one, or the same again, changes
    /// nothing.
    pub fn evolve(before: Option<Seat>, seq: Seq, membership: &Membership) -> Seat {
        match before {
            Some(before) if seq <= before.seq => before,
            before => {
                let begun = before.and_then(|before| before.joined_at).unwrap_or(seq);
                let joined_at = membership.is_joined().then_some(begun);
                Seat { seq, membership: membership.clone(), joined_at }
            }
        }
    }
}

/// After which sequence somebody may read: [`Seq::ZERO`] for everything, none for nothing of what is stored.
///
/// It clips pages, resume, search, export and unread alike.
pub fn floor(info: Option<&RoomInfo>, seat: Option<&Seat>, now: Timestamp) -> Option<Seq> {
    may_read(info, seat.map(|seat| &seat.membership), now).ok()?;
    match info?.settings.history {
        HistoryFrom::Beginning => Some(Seq::ZERO),
        HistoryFrom::Joined => seat?.joined_at,
    }
}

/// The standings of all who ever had one in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster(BTreeMap<UserId, Seat>);

impl Roster {
    /// Folds a member event.
    pub fn evolve(&mut self, seq: Seq, membership: &Membership) {
        let seat = Seat::evolve(self.0.remove(&membership.user_id), seq, membership);
        self.0.insert(membership.user_id.clone(), seat);
    }

    /// One person's seat.
    pub fn seat(&self, user: &UserId) -> Option<&Seat> {
        self.0.get(user)
    }

    /// Everybody's, by user id: members, and those who are none.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::SettingsChange;
    use crate::commands::scene::*;
    use crate::{Address, Event, Role};

    fn seat(scene: &Scene, id: &str) -> Option<Seat> {
        let mut roster = Roster::default();
        for (at, event) in scene.log.0.iter().enumerate() {
            if let Event::Member(member) = event {
                roster.evolve(Seq(at as u64 + 1), member);
            }
        }
        roster.seat(&user(id)).cloned()
    }

    fn floor_of(scene: &Scene, id: &str) -> Option<Seq> {
        let info = match scene.log.last_as_of(scene.log.0.len(), &Address::Info(room())) {
            (_, Some(Event::Room(info))) => Some(info.clone()),
            _ => None,
        };
        floor(info.as_ref(), seat(scene, id).as_ref(), scene.now)
    }

    fn from_join() -> Scene {
        let settings = SettingsChange { access: None, history: Some(HistoryFrom::Joined) };
        Scene::lobby().given("ada", update(None, settings))
    }

    #[test]
    fn a_membership_begins_with_the_join_and_goes_on_through_roles_and_mutes() {
        let scene = Scene::lobby().given("ben", join());
        assert_eq!(seat(&scene, "ben").unwrap().joined_at, Some(Seq(3)));
        let scene = scene.given("ada", mute("ben", None)).given("ada", role("ben", Role::Reader));
        assert_eq!(seat(&scene, "ben").unwrap().joined_at, Some(Seq(3)));
        let scene = scene.given("ben", exit());
        assert_eq!(seat(&scene, "ben").unwrap().joined_at, None);
        assert_eq!(seat(&scene.given("ben", join()), "ben").unwrap().joined_at, Some(Seq(9)));
    }

    #[test]
    fn the_past_is_open_or_begins_with_the_join() {
        let scene = from_join().given("ben", join());
        assert_eq!(floor_of(&scene, "ben"), Some(Seq(5)));
        assert_eq!(floor_of(&scene, "eve"), None, "who never joined has no past there");
        assert_eq!(floor_of(&Scene::lobby(), "eve"), Some(Seq::ZERO));
        assert_eq!(floor_of(&Scene::private(), "eve"), None);
        assert_eq!(floor_of(&Scene::lobby().given("ada", ban("eve", None)), "eve"), None);
    }

    #[test]
    fn an_older_standing_changes_nothing() {
        let scene = Scene::lobby().given("ben", join()).given("ben", exit());
        let (Event::Member(joined), left) = (&scene.log.0[2], seat(&scene, "ben")) else { panic!() };
        assert_eq!(Some(Seat::evolve(left.clone(), Seq(3), joined)), left);
    }
}
