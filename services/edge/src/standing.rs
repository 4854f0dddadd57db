//! What this edge knows of people's standings: fed by every member event of the system, asked before every command.
//!
//! A standing that is out of date is harmless where it says yes, since the log's guard then refuses; before a *no*
//! the leader is asked ([`Freshness::Leader`]).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    known: Mutex<HashMap<(RoomId, UserId), Known<Membership>>>,
    entries_max: usize,
}

impl Standings {
    /// Nothing known yet; keeps at most `entries_max` standings, of people who asked for something here.
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
        let about = (room.clone(), user.clone());
        if how == Freshness::Cached
            && let Some(known) = self.lock().get(&about)
        {
            return Ok(known.clone());
        }
        let read = last_of(&self.log, Address::Member(room.clone(), user.clone()), |event| match event {
            Event::Member(membership) => Some(membership),
            _ => None,
        });
        let known = read.await?;
        if known.value.is_some() {
            self.learn(about, &known);
        }
        Ok(known)
    }

    /// This edge stored it itself.
    pub(crate) fn stored(&self, seq: Seq, membership: Membership) {
        let about = (membership.room_id.clone(), membership.user_id.clone());
        self.learn(about, &Known::at(seq, membership));
    }

    /// A member event was heard: of whom this edge has a standing, it has the newer one from now on.
    pub(crate) fn hear(&self, seq: Seq, membership: &Membership) {
        let about = (membership.room_id.clone(), membership.user_id.clone());
        if let Some(known) = self.lock().get_mut(&about).filter(|known| known.seq < seq) {
            *known = Known::at(seq, membership.clone());
        }
    }

    /// Something may have been missed: ask again.
    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }

    fn learn(&self, about: (RoomId, UserId), newer: &Known<Membership>) {
        let mut all = self.lock();
        if all.len() >= self.entries_max {
            all.clear(); // Rare, cheap and safe: the next command asks the leader.
        }
        let known = all.entry(about).or_insert(Known::NOTHING);
        if known.seq <= newer.seq {
            *known = newer.clone();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(RoomId, UserId), Known<Membership>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A room's state as the log's leader has it.
pub(crate) async fn room_info(log: &Log, room: &RoomId) -> Result<Known<RoomInfo>, ReadError> {
    let read = last_of(log, Address::Info(room.clone()), |event| match event {
        Event::Room(info) => Some(info),
        _ => None,
    });
    read.await
}

async fn last_of<T>(log: &Log, address: Address, expected: impl Fn(Event) -> Option<T>) -> Result<Known<T>, ReadError> {
    let Some(stored) = log.last(&address).await? else { return Ok(Known::NOTHING) };
    let event = stored.event().map_err(|error| ReadError::Malformed(error.to_string()))?;
    let value = expected(event).ok_or_else(|| ReadError::Malformed(format!("another event lies at {}", stored.seq)))?;
    Ok(Known::at(stored.seq, value))
}
