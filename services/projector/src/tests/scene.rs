//! What tests fold: a log written line by line, and views opened over a temporary folder.

use bytes::Bytes;
use klatch_domain::{
    Access, Address, Cause, Change, Epoch, Event, HistoryFrom, MemberChanged, Membership, MessageDeleted,
    MessageEdited, MessageId, MessageSent, MessageType, Position, Role, RoomId, RoomInfo, RoomType, Seq, Settings,
    Standing, Timestamp, UserId,
};
use klatch_eventlog::Stored;
use klatch_wire::query::{HistoryRequest, HistoryResponse, Window};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::fold::Fold;
use crate::store::{Store, key};
use crate::views::retention::Retention;
use crate::views::{Failure, Reading, history};

pub(crate) const EPOCH: Epoch = Epoch(Uuid::from_u128(7));

/// Midnight of some day: event `n` of a log is stored `n` seconds later.
const BEGINNING_MS: i64 = 1_763_337_600_000;

pub(crate) fn room(id: &str) -> RoomId {
    RoomId::parse(id).unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn message_id(id: &str) -> MessageId {
    MessageId::parse(id).unwrap()
}

pub(crate) fn at(seq: u64) -> Timestamp {
    Timestamp::from_ms(BEGINNING_MS + seq as i64 * 1000)
}

/// A stored event; `id` is its `Nats-Msg-Id`.
pub(crate) fn stored(seq: u64, id: Option<&str>, event: &Event) -> Stored {
    let payload = Bytes::from(event.encode());
    Stored { seq: Seq(seq), address: event.address(), id: id.map(message_id), at: at(seq), trace: None, payload }
}

pub(crate) fn sent(room_id: &str, author: &str, id: &str, message: &str, mentions: &[&str], seq: u64) -> Event {
    Event::MessageSent(MessageSent {
        room_id: room(room_id),
        message_id: message_id(id),
        user_id: user(author),
        username: author.to_uppercase(),
        avatar: None,
        message: message.to_owned(),
        message_type: MessageType::Text,
        timestamp: at(seq),
        reply_to: None,
        attachments: vec![],
        mentions: mentions.iter().map(|id| user(id)).collect(),
    })
}

pub(crate) fn edited(room_id: &str, author: &str, id: &str, message: &str, seq: u64) -> Event {
    Event::MessageEdited(MessageEdited {
        room_id: room(room_id),
        message_id: message_id(id),
        user_id: user(author),
        username: author.to_uppercase(),
        message: message.to_owned(),
        timestamp: at(seq),
    })
}

pub(crate) fn deleted(room_id: &str, by: &str, author: &str, id: &str, position: u64, seq: u64) -> Event {
    Event::MessageDeleted(MessageDeleted {
        room_id: room(room_id),
        message_id: message_id(id),
        user_id: user(by),
        username: by.to_uppercase(),
        author: user(author),
        position: Position { epoch: EPOCH, seq: Seq(position) },
        sent_at: at(position),
        timestamp: at(seq),
    })
}

pub(crate) fn kicked(room_id: &str, who: &str, by: &str, seq: u64) -> Event {
    Event::MemberChanged(MemberChanged {
        room_id: room(room_id),
        user_id: user(who),
        username: who.to_uppercase(),
        change: Change::Kicked,
        role: None,
        by: Some(user(by)),
        reason: None,
        until: None,
        timestamp: at(seq),
    })
}

pub(crate) fn standing(room_id: &str, who: &str, standing: Standing, role: Role, seq: u64) -> Event {
    Event::Member(Membership {
        room_id: room(room_id),
        user_id: user(who),
        username: who.to_uppercase(),
        avatar: None,
        standing,
        role,
        muted: None,
        cause: Cause::Joined,
        timestamp: at(seq),
    })
}

pub(crate) fn info(room_id: &str, access: Access, history: HistoryFrom, seq: u64) -> Event {
    Event::Room(RoomInfo {
        room_id: room(room_id),
        room_type: RoomType::Group,
        name: format!("The {room_id}"),
        owners: vec![user("ada")],
        settings: Settings { access, history },
        archived: false,
        created_by: user("ada"),
        created_at: at(seq),
        timestamp: at(seq),
    })
}

/// A log, one event after the other.
#[derive(Debug, Default)]
pub(crate) struct Log(pub(crate) Vec<Stored>);

impl Log {
    /// An open room `r` that ada made and ben joined: sequences 1 to 3.
    pub(crate) fn open_room() -> Log {
        Log::room(Access::Open, HistoryFrom::Beginning)
    }

    pub(crate) fn room(access: Access, history: HistoryFrom) -> Log {
        let mut log = Log::default();
        log.add(|seq| info("r", access, history, seq));
        log.add(|seq| standing("r", "ada", Standing::Joined, Role::Owner, seq));
        log.add(|seq| standing("r", "ben", Standing::Joined, Role::Member, seq));
        log
    }

    pub(crate) fn next(&self) -> u64 {
        self.0.last().map_or(1, |stored| stored.seq.0 + 1)
    }

    /// Adds an event, and says its sequence.
    pub(crate) fn add(&mut self, event: impl FnOnce(u64) -> Event) -> u64 {
        let seq = self.next();
        self.0.push(stored(seq, None, &event(seq)));
        seq
    }

    pub(crate) fn say(&mut self, author: &str, id: &str, message: &str) -> u64 {
        self.add(|seq| sent("r", author, id, message, &[], seq))
    }
}

/// Views over a temporary folder.
#[derive(Debug)]
pub(crate) struct Views {
    pub(crate) fold: Fold,
    pub(crate) store: Store,
    _dir: TempDir,
}

impl Views {
    pub(crate) fn new() -> Views {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 8 << 20).unwrap();
        let fold = Fold::open(store.clone(), EPOCH, 1 << 20).unwrap();
        Views { fold, store, _dir: dir }
    }

    pub(crate) fn of(log: &Log) -> Views {
        let mut views = Views::new();
        views.fold(&log.0);
        views
    }

    /// Folds these in one batch.
    pub(crate) fn fold(&mut self, events: &[Stored]) {
        events.iter().for_each(|stored| self.fold.fold(stored).unwrap());
        self.fold.commit(events.last()).unwrap();
    }

    /// Forgets everything in memory, as a restart does.
    pub(crate) fn restart(&mut self) {
        self.fold = Fold::open(self.store.clone(), EPOCH, 1 << 20).unwrap();
    }

    pub(crate) fn reading(&self) -> Reading {
        let checkpoint = self.fold.checkpoint();
        Reading {
            store: self.store.clone(),
            position: Position { epoch: checkpoint.epoch, seq: checkpoint.seq },
            now: at(1_000_000),
            bytes_max: 1 << 20,
            retention: Retention::default(),
        }
    }

    pub(crate) fn history(&self, asker: &str, window: Window, limit: u32) -> Result<HistoryResponse, Failure> {
        let (asker, room_id) = (user(asker), room("r"));
        let request = HistoryRequest { asker, room_id, window, limit, min_seq: Seq::ZERO };
        let page = history::page(&self.reading(), &request)?;
        Ok(serde_json::from_slice(&page).unwrap())
    }

    /// The sequences of a page's items.
    pub(crate) fn seqs(&self, asker: &str, window: Window, limit: u32) -> (Vec<u64>, bool) {
        let page = self.history(asker, window, limit).unwrap();
        let seqs = page.events.iter().map(|item| value(item)["seq"].as_u64().unwrap());
        (seqs.collect(), page.more)
    }

    /// All items of a room, as the operator reads them.
    pub(crate) fn items(&self, room_id: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut after = Seq::ZERO;
        loop {
            let (asker, room_id) = (UserId::system(), room(room_id));
            let window = Window::After(after);
            let request = HistoryRequest { asker, room_id, window, limit: 200, min_seq: Seq::ZERO };
            let page: HistoryResponse = match history::page(&self.reading(), &request) {
                Ok(page) => serde_json::from_slice(&page).unwrap(),
                Err(Failure::Refused { .. }) => return items,
                Err(damaged) => panic!("{damaged}"),
            };
            items.extend(page.events.iter().map(|item| value(item)));
            let Some(last) = items.last() else { return items };
            after = Seq(last["seq"].as_u64().unwrap());
            if !page.more {
                return items;
            }
        }
    }

    /// Every row that begins with a letter.
    pub(crate) fn rows(&self, kind: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = self.store.scan(&[kind], &[kind]).map(|entry| {
            let (key, row) = entry.unwrap();
            (key.to_vec(), row.to_vec())
        });
        rows.collect()
    }

    /// The sequences that the eraser is to see to.
    pub(crate) fn to_erase(&self) -> Vec<u64> {
        self.rows(key::ERASE_JOBS[0]).iter().map(|(key, _)| key::trailing_seq(key).0).collect()
    }
}

pub(crate) fn value(item: &serde_json::value::RawValue) -> Value {
    serde_json::from_str(item.get()).unwrap()
}

/// The address of nobody's event, for bytes that are none.
pub(crate) fn garbage(seq: u64, payload: &'static [u8]) -> Stored {
    let address = Address::Timeline(room("r"));
    Stored { seq: Seq(seq), address, id: None, at: at(seq), trace: None, payload: Bytes::from_static(payload) }
}
