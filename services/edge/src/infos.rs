//! What this edge knows of the states of rooms that nobody listens to here: read when a command needs one, and kept current by
//! every change of a room that is heard (`facts.rs`). Of a room that is listened to, its own feed knows more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use klatch_domain::{Known, RoomId, RoomInfo, Seq};
use klatch_eventlog::{Log, ReadError};
use tokio::time::Instant;

use crate::standing::room_info;

/// What was heard last is believed for so long: a change may go unheard (core NATS).
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// The cache of rooms' states.
#[derive(Debug)]
pub(crate) struct Infos {
    log: Log,
    known: Mutex<HashMap<RoomId, Heard>>,
    entries_max: usize,
}

#[derive(Debug)]
struct Heard {
    info: Known<RoomInfo>,
    at: Instant,
}

impl Infos {
    /// Nothing known yet; keeps at most `entries_max` states.
    pub(crate) fn new(log: Log, entries_max: usize) -> Self {
        Infos { log, known: Mutex::new(HashMap::new()), entries_max }
    }

    /// A room's state as it was read or heard a moment ago, else as the log's leader has it.
    pub(crate) async fn of(&self, room: &RoomId) -> Result<Known<RoomInfo>, ReadError> {
        let begun = Instant::now();
        if let Some(heard) = self.lock().get(room).filter(|heard| begun - heard.at < BELIEVED_FOR) {
            return Ok(heard.info.clone());
        }
        let read = room_info(&self.log, room).await?;
        // It is as old as the question.
        if read.value.is_some() {
            self.learn(room, Heard { info: read.clone(), at: begun });
        }
        Ok(read)
    }

    /// A room's state was heard. All are kept: one that is being read just now may be older.
    pub(crate) fn hear(&self, seq: Seq, info: RoomInfo) {
        let room = info.room_id.clone();
        self.learn(&room, Heard { info: Known::at(seq, info), at: Instant::now() });
    }

    /// Something may have been missed: ask again.
    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }

    fn learn(&self, room: &RoomId, newer: Heard) {
        let mut all = self.lock();
        if all.len() >= self.entries_max && !all.contains_key(room) {
            all.clear(); // Rare, cheap and safe: the next command asks the leader.
        }
        match all.get_mut(room) {
            Some(heard) if heard.info.seq > newer.info.seq => {}
            Some(heard) => *heard = newer,
            None => drop(all.insert(room.clone(), newer)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Heard>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use klatch_domain::{Access, Event, HistoryFrom, RoomType, Settings, Timestamp, UserId};
    use klatch_eventlog::{Append, Entry, Outcome};

    use super::*;

    fn named(name: &str) -> RoomInfo {
        let at = Timestamp::from_ms(1_763_337_600_000);
        let ada = UserId::parse("ada").unwrap();
        RoomInfo {
            room_id: RoomId::parse("r").unwrap(),
            room_type: RoomType::Group,
            name: name.to_owned(),
            owners: vec![ada.clone()],
            settings: Settings { access: Access::Open, history: HistoryFrom::Beginning },
            archived: false,
            created_by: ada,
            created_at: at,
            timestamp: at,
        }
    }

    async fn store(log: &Log, info: &RoomInfo) -> Seq {
        let event = Event::Room(info.clone());
        let entry = Entry { address: event.address(), payload: event.encode().into(), guard: None, id: None };
        match log.append(Append { author: info.created_by.clone(), entries: vec![entry] }).await.unwrap() {
            Outcome::Appended { seq } => seq,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_or_heard_is_believed_for_a_while_and_the_newest_of_it() {
        let log = Log::memory();
        let infos = Infos::new(log.clone(), 10);
        let room = named("").room_id;
        let name = async || infos.of(&room).await.unwrap().value.map(|info| info.name);
        assert_eq!(name().await, None, "there is no room, and that is not kept");

        let one = store(&log, &named("one")).await;
        assert_eq!(name().await.as_deref(), Some("one"));
        let two = store(&log, &named("two")).await;
        assert_eq!(name().await.as_deref(), Some("one"), "nothing was heard, nothing asked");
        infos.hear(two, named("two"));
        infos.hear(one, named("one"));
        assert_eq!(name().await.as_deref(), Some("two"), "late words change nothing");

        store(&log, &named("three")).await;
        tokio::time::advance(BELIEVED_FOR).await;
        assert_eq!(name().await.as_deref(), Some("three"), "what is old is asked for again");
        store(&log, &named("four")).await;
        infos.forget_all();
        assert_eq!(name().await.as_deref(), Some("four"));
    }

    #[tokio::test]
    async fn there_are_so_many_and_no_more() {
        let infos = Infos::new(Log::memory(), 3);
        for number in 0..10 {
            let info = RoomInfo { room_id: RoomId::parse(&format!("r{number}")).unwrap(), ..named("x") };
            infos.hear(Seq(number), info);
            assert!(infos.lock().len() <= 3);
        }
    }
}
