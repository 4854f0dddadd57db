//! Who the other one in a direct room is.
//!
//! A direct room's id is made of its two people and they never change, so what was found once holds for ever. The id
//! itself says who is right: whoever makes it together with the sender is the other.

use std::collections::HashMap;

use klatch_domain::{RoomId, UserId};
use klatch_eventlog::{Log, ReadError};

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

    /// Whom a message of `sender` in this room is for; none in a room of many, or where somebody talks to themselves.
    pub(crate) async fn receiver(
        &mut self,
        log: &Log,
        room: &RoomId,
        sender: &UserId,
    ) -> Result<Option<UserId>, ReadError> {
        if !room.is_direct() || RoomId::direct(sender, sender) == *room {
            return Ok(None);
        }
        if let Some(other) = self.people.get(room).and_then(|people| other_of(room, sender, people)) {
            return Ok(Some(other));
        }
        let people = log.people(room).await?;
        let Some(other) = other_of(room, sender, &people) else {
            // They were stored before any message was: only a replica that lags doesn't know them yet.
            return Err(ReadError::Unavailable(format!("the two people of {room} are not known yet")));
        };
        if self.people.len() >= self.kept_max {
            self.people.clear();
        }
        self.people.insert(room.clone(), people);
        Ok(Some(other))
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
