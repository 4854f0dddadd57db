//! What this edge knows of the states of rooms that nobody listens to here: read when a command needs one, and kept current by
//! every change of a room that is heard (`facts.rs`). Of a room that is listened to, its own feed knows more.

use std::collections::HashMap;
use std::time::Duration;

use klatch_domain::{Known, RoomId, RoomInfo, Seq};
use klatch_eventlog::{Log, ReadError};
use tokio::time::Instant;

use crate::of_life::OfLife;
use crate::standing::room_info;

/// What was read or heard last is believed for so long: a change may go unheard (core NATS).
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// The cache of rooms' states.
#[derive(Debug)]
pub(crate) struct Infos {
    log: Log,
    known: OfLife<HashMap<RoomId, Heard>>,
    entries_max: usize,
}

#[derive(Debug)]
struct Heard {
    info: Known<RoomInfo>,
    /// Believed until then; not at all while it is being read for the first time.
    until: Instant,
}

impl Infos {
    /// Nothing known yet; keeps at most `entries_max` states, of rooms that somebody asked for something in.
    pub(crate) fn new(log: Log, entries_max: usize) -> Self {
        Infos { known: OfLife::new(log.clone()), log, entries_max }
    }

    /// A room's state as it was read or heard a moment ago, else as the log's leader has it.
    pub(crate) async fn of(&self, room: &RoomId) -> Result<Known<RoomInfo>, ReadError> {
        let begun = Instant::now();
        {
            let mut all = self.known.lock();
            if let Some(heard) = all.get(room).filter(|heard| begun < heard.until) {
                return Ok(heard.info.clone());
            }
            self.make_room(&mut all, begun);
            // What is heard while it is read is newer than what is read.
            all.entry(room.clone()).or_insert(Heard { info: Known::NOTHING, until: begun });
        }
        let read = room_info(&self.log, room).await?;
        if read.value.is_some()
            && let Some(heard) = self.known.lock().get_mut(room).filter(|heard| heard.info.seq <= read.seq)
        {
            // It is as old as the question.
            *heard = Heard { info: read.clone(), until: begun + BELIEVED_FOR };
        }
        Ok(read)
    }

    /// What this edge knows at once, however old.
    pub(crate) fn known(&self, room: &RoomId) -> Option<Known<RoomInfo>> {
        self.known.lock().get(room).map(|heard| heard.info.clone())
    }

    /// A room's state was heard: of a room that somebody asked for, it is the one known from now on.
    pub(crate) fn hear(&self, seq: Seq, info: RoomInfo) {
        if let Some(heard) = self.known.lock().get_mut(&info.room_id).filter(|heard| heard.info.seq < seq) {
            *heard = Heard { info: Known::at(seq, info), until: Instant::now() + BELIEVED_FOR };
        }
    }

    /// This edge stored it itself.
    pub(crate) fn stored(&self, seq: Seq, info: RoomInfo) {
        let now = Instant::now();
        let mut all = self.known.lock();
        self.make_room(&mut all, now);
        all.entry(info.room_id.clone()).or_insert(Heard { info: Known::NOTHING, until: now });
        drop(all);
        self.hear(seq, info);
    }

    /// Something may have been missed: ask again.
    pub(crate) fn forget_all(&self) {
        self.known.lock().clear();
    }

    fn make_room(&self, all: &mut HashMap<RoomId, Heard>, now: Instant) {
        if all.len() >= self.entries_max {
            all.retain(|_, heard| now < heard.until);
        }
        if all.len() >= self.entries_max {
            all.clear(); // Rare, cheap and safe: the next command asks the leader.
        }
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
    async fn nothing_of_another_life_of_the_stream_is_believed() {
        let log = Log::memory();
        let infos = Infos::new(log.clone(), 10);
        let room = named("").room_id;
        for name in ["earlier", "old"] {
            store(&log, &named(name)).await;
        }
        let name = async || infos.of(&room).await.unwrap().value.map(|info| info.name);
        assert_eq!(name().await.as_deref(), Some("old"));
        log.faults().unwrap().recreate();
        let fresh = store(&log, &named("fresh")).await;
        log.refresh_epoch().await.unwrap();
        assert_eq!(name().await.as_deref(), Some("fresh"), "stored at {fresh}, which is less than the old one");
    }

    #[tokio::test]
    async fn there_are_so_many_and_no_more() {
        let infos = Infos::new(Log::memory(), 3);
        for number in 1..=10 {
            let info = RoomInfo { room_id: RoomId::parse(format!("r{number}")).unwrap(), ..named("x") };
            infos.hear(Seq(number), info.clone());
            assert!(infos.known(&info.room_id).is_none(), "nobody asked for it");
            infos.stored(Seq(number), info.clone());
            assert!(infos.known(&info.room_id).is_some());
            assert!(infos.known.lock().len() <= 3);
        }
    }
}
