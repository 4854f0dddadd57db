//! What this edge knows of people's standings: fed by every member event of the system, asked before every command.
//!
//! A standing that is out of date is harmless where it says yes, since the log's guard then refuses; before a *no*
//! the leader is asked ([`Freshness::Leader`]).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use klatch_domain::{Address, Event, Known, Membership, RoomId, RoomInfo, Seq, UserId};
use klatch_eventlog::{Log, ReadError};

/// How sure one must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// What this edge heard last will do.
    Cached,
    /// As the log's leader has it now.
    Leader,
}

/// The cache of standings.
#[derive(Debug)]
pub(crate) struct Standings {
    log: Log,
    known: Mutex<HashMap<RoomId, HashMap<UserId, Known<Membership>>>>,
    entries_max: usize,
}

impl Standings {
    /// Nothing known yet; keeps at most about `entries_max` standings.
    pub(crate) fn new(log: Log, entries_max: usize) -> Self {
        Standings { log, known: Mutex::new(HashMap::new()), entries_max }
    }

    /// Where a person stands towards a room.
    pub(crate) async fn of(
        &self,
        room: &RoomId,
        user: &UserId,
        how: Freshness,
    ) -> Result<Known<Membership>, ReadError> {
        if how == Freshness::Cached
            && let Some(known) = self.lock().get(room).and_then(|room| room.get(user))
        {
            return Ok(known.clone());
        }
        let address = Address::Member(room.clone(), user.clone());
        let known = match self.log.last(&address).await? {
            None => Known::NOTHING,
            Some(stored) => match stored.event() {
                Ok(Event::Member(membership)) => Known::at(stored.seq, membership),
                Ok(_) => return Err(ReadError::Malformed(format!("no member event at {}", stored.seq))),
                Err(error) => return Err(ReadError::Malformed(error.to_string())),
            },
        };
        self.put(room, user, known.clone());
        Ok(known)
    }

    /// A member event was heard, or stored by this edge itself. An older one than is known changes nothing.
    pub(crate) fn hear(&self, seq: Seq, membership: Membership) {
        let (room, user) = (membership.room_id.clone(), membership.user_id.clone());
        self.put(&room, &user, Known::at(seq, membership));
    }

    /// Something may have been missed: ask again.
    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }

    fn put(&self, room: &RoomId, user: &UserId, known: Known<Membership>) {
        let mut rooms = self.lock();
        if rooms.len() >= self.entries_max {
            rooms.clear(); // Rare, cheap and safe: the next command asks the leader.
        }
        let members = rooms.entry(room.clone()).or_default();
        if members.len() >= self.entries_max {
            members.clear();
        }
        let newest = members.entry(user.clone()).or_insert(Known::NOTHING);
        if newest.seq <= known.seq {
            *newest = known;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RoomId, HashMap<UserId, Known<Membership>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A room's state as the log's leader has it.
pub(crate) async fn room_info(log: &Log, room: &RoomId) -> Result<Known<RoomInfo>, ReadError> {
    match log.last(&Address::Info(room.clone())).await? {
        None => Ok(Known::NOTHING),
        Some(stored) => match stored.event() {
            Ok(Event::Room(info)) => Ok(Known::at(stored.seq, info)),
            Ok(_) => Err(ReadError::Malformed(format!("no room event at {}", stored.seq))),
            Err(error) => Err(ReadError::Malformed(error.to_string())),
        },
    }
}
