//! Who the other one in a direct room is.
//!
//! A direct room's id is made of its two people and they never change, so what was found once holds for ever. The id
//! itself says who is right: whoever makes it together with the sender is the other.

use std::collections::HashMap;

use klatch_domain::{RoomId, UserId};
use klatch_eventlog::{Log, ReadError};

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// Everybody in a room of many; nobody, where somebody talks to themselves.
    NoOne,
    /// The other one in a direct room.
    Person(UserId),
    /// A direct room whose people are not stored, as far as the server that was asked knows: a replica may lag.
    Unknown,
}

/// The two people of each direct room in use.
#[derive(Debug)]
pub(crate) struct Directs {
    people: HashMap<RoomId, Vec<UserId>>,
    kept_max: usize,
}

impl Directs {
    pub(crate) fn new(kept_max: usize) -> Directs {
        Directs { people: HashMap::new(), kept_max }
    }

    /// Whom a message of `sender` in this room is for.
    pub(crate) async fn receiver(&mut self, log: &Log, room: &RoomId, sender: &UserId) -> Result<Receiver, ReadError> {
        if !room.is_direct() || RoomId::direct(sender, sender) == *room {
            return Ok(Receiver::NoOne);
        }
        if let Some(other) = self.people.get(room).and_then(|people| other_of(room, sender, people)) {
            return Ok(Receiver::Person(other));
        }
        let people = log.people(room).await?;
        let Some(other) = other_of(room, sender, &people) else { return Ok(Receiver::Unknown) };
        if self.people.len() >= self.kept_max {
            self.people.clear();
        }
        self.people.insert(room.clone(), people);
        Ok(Receiver::Person(other))
    }
}

fn other_of(room: &RoomId, sender: &UserId, people: &[UserId]) -> Option<UserId> {
    people.iter().find(|one| RoomId::direct(sender, one) == *room).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rooms_id_says_who_the_other_is() {
        let [ada, ben, eve] = ["ada", "ben", "eve"].map(|id| UserId::parse(id).unwrap());
        let room = RoomId::direct(&ada, &ben);
        let people = [ada.clone(), eve.clone(), ben.clone()];
        assert_eq!(other_of(&room, &ada, &people), Some(ben.clone()));
        assert_eq!(other_of(&room, &ben, &people), Some(ada.clone()));
        assert_eq!(other_of(&room, &ada, &[ada.clone(), eve]), None);
    }
}
