//! What this edge knows of people's standings: fed by every member event of the system, asked before every command.
//!
//! A standing that is out of date is harmless where it says yes, since the log's guard then refuses; before a *no*
//! the leader is asked ([`Freshness::Leader`]).

use std::collections::HashMap;

use klatch_domain::{Address, Event, Known, Membership, RoomId, RoomInfo, Seq, Timestamp, UserId};
use klatch_eventlog::{Log, ReadError};
use klatch_wire::native::server::MemberState;

use crate::of_life::OfLife;

/// How sure one must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// What this edge heard last will do.
    Cached,
    /// As the log's leader has it now.
    Leader,
}

type All = HashMap<(RoomId, UserId), Known<Membership>>;

/// The cache of standings.
#[derive(Debug)]
pub(crate) struct Standings {
    log: Log,
    known: OfLife<All>,
    entries_max: usize,
}

impl Standings {
    /// Nothing known yet; keeps at most `entries_max` standings, of people who asked for something here.
    pub(crate) fn new(log: Log, entries_max: usize) -> Self {
        Standings { known: OfLife::new(log.clone()), log, entries_max }
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
            && let Some(known) = self.known.lock().get(&about)
        {
            return Ok(known.clone());
        }
        let life = self.log.epoch();
        let read = last_of(&self.log, Address::Member(room.clone(), user.clone()), |event| match event {
            Event::Member(membership) => Some(membership),
            _ => None,
        });
        let known = read.await?;
        if known.value.is_some() && self.log.epoch() == life {
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
        if let Some(known) = self.known.lock().get_mut(&about).filter(|known| known.seq < seq) {
            *known = Known::at(seq, membership.clone());
        }
    }

    /// Something may have been missed: ask again.
    pub(crate) fn forget_all(&self) {
        self.known.lock().clear();
    }

    fn learn(&self, about: (RoomId, UserId), newer: &Known<Membership>) {
        let mut all = self.known.lock();
        if all.len() >= self.entries_max {
            all.clear(); // Rare, cheap and safe: the next command asks the leader.
        }
        let known = all.entry(about).or_insert(Known::NOTHING);
        if known.seq <= newer.seq {
            *known = newer.clone();
        }
    }
}

/// A standing as frames show it.
pub(crate) fn member_state(membership: &Membership, now: Timestamp) -> MemberState {
    MemberState {
        user_id: membership.user_id.clone(),
        username: membership.username.clone(),
        role: membership.role,
        standing: membership.standing.clone(),
        muted: membership.is_muted(now),
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

#[cfg(test)]
mod tests {
    use klatch_domain::{Cause, Role, Standing};
    use klatch_eventlog::{Append, Entry, Outcome};

    use super::*;

    fn ada(standing: Standing) -> Membership {
        Membership {
            room_id: RoomId::parse("r").unwrap(),
            user_id: UserId::parse("ada").unwrap(),
            username: "Ada".to_owned(),
            avatar: None,
            standing,
            role: Role::Member,
            muted: None,
            cause: Cause::Joined,
            timestamp: Timestamp::from_ms(0),
        }
    }

    async fn store(log: &Log, membership: &Membership) -> Seq {
        let event = Event::Member(membership.clone());
        let entry = Entry { address: event.address(), payload: event.encode().into(), guard: None, id: None };
        match log.append(Append { author: membership.user_id.clone(), entries: vec![entry] }).await.unwrap() {
            Outcome::Appended { seq } => seq,
            other => panic!("{other:?}"),
        }
    }

    /// Else somebody could pass a guard by what they were before, where the sequences happen to be the same.
    #[tokio::test]
    async fn nobody_stands_as_they_stood_in_another_life_of_the_stream() {
        let log = Log::memory();
        let standings = Standings::new(log.clone(), 10);
        let (joined, removed) = (ada(Standing::Joined), ada(Standing::Removed));
        let of = async || standings.of(&joined.room_id, &joined.user_id, Freshness::Cached).await.unwrap();
        let before = store(&log, &joined).await;
        assert_eq!(of().await, Known::at(before, joined.clone()));

        log.faults().unwrap().recreate();
        let after = store(&log, &removed).await;
        assert_eq!(after, before, "the test wants the same sequence");
        standings.hear(after, &removed);
        log.refresh_epoch().await.unwrap();
        assert_eq!(of().await, Known::at(after, removed.clone()));
    }
}
