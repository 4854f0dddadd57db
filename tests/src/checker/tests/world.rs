//! The tiny chat that [`specimen`](super::specimen) plays on: who is there, what was said, and the recording of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::checker::history::*;
use crate::checker::name::*;

pub(super) const LEASE_MS: u64 = 2000;
pub(super) const ROOM: &str = "lobby";
pub(super) const EPOCH: &str = "first-life";

/// Who takes part; the first owns the room.
pub(super) const PEOPLE: [&str; 4] = ["ada", "ben", "cleo", "dan"];
pub(super) const EDGES: [&str; 2] = ["north", "south"];

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) seq: Seq,
    /// Where its newest copy lies: the one that a deletion names.
    pub(super) copy: Seq,
    /// Under which id of the client.
    pub(super) key: String,
    pub(super) id: String,
    pub(super) author: usize,
    pub(super) data: Value,
    pub(super) deleted: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Shown {
    Message(Message),
    Notice(Frame),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Stranger,
    Joined,
    Removed,
    Banned,
}

#[derive(Debug)]
pub(super) struct Device {
    pub(super) session: Session,
    pub(super) attached: bool,
}

/// The system. [`World::play`](super::specimen) is the way in.
#[derive(Debug)]
pub(super) struct World {
    pub(super) entries: Vec<Entry>,
    pub(super) now: u64,
    pub(super) numbers: u64,
    pub(super) last: Seq,
    pub(super) last_of_room: Seq,
    pub(super) stored: Vec<Observation>,
    pub(super) shown: Vec<Shown>,
    pub(super) standing: [Standing; 4],
    pub(super) devices: BTreeMap<usize, Device>,
    pub(super) known: BTreeMap<usize, Seq>,
    pub(super) marks: [Seq; 4],
    pub(super) unclear: BTreeMap<usize, (String, String)>,
    pub(super) erases: bool,
    pub(super) open: bool,
}

/// What the steps are made of.
impl World {
    pub(super) fn note(&mut self, what: Observation) {
        self.now += 1;
        self.entries.push(Entry { at: Moment(self.now), what });
    }

    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn ask(&mut self, session: Session, command: Command) -> CallId {
        let call = CallId(self.number());
        self.note(Observation::Asked { call, session, command });
        call
    }

    pub(super) fn answer(&mut self, call: CallId, answer: Answer) {
        self.note(Observation::Answered { call, answer });
    }

    pub(super) fn acknowledge(&mut self, call: CallId, message: Option<&str>, seq: Seq) {
        let at = Position { epoch: EPOCH.into(), seq };
        self.answer(call, Answer::Stored { message: message.map(MessageId::from), at });
    }

    /// Puts an event into the log, and on the wire if it is of the timeline.
    pub(super) fn store(&mut self, slot: Slot, event: &str, data: Value) -> Seq {
        let seq = Seq(self.last.0 + 1);
        self.last = seq;
        if slot == Slot::Timeline {
            let prev = Some(std::mem::replace(&mut self.last_of_room, seq));
            self.tell(Frame { event: event.into(), seq, prev, data: data.clone() });
        }
        let (epoch, room, event) = (EPOCH.into(), ROOM.into(), event.into());
        self.stored.push(Observation::Stored { epoch, seq, room, slot, event, data });
        seq
    }

    pub(super) fn stand(&mut self, who: usize, standing: Standing) -> Seq {
        self.standing[who] = standing;
        let word = match standing {
            Standing::Stranger => "left",
            Standing::Joined => "joined",
            Standing::Removed => "removed",
            Standing::Banned => "banned",
        };
        let data = json!({"roomId": ROOM, "userId": PEOPLE[who], "standing": word});
        self.store(Slot::Member(PEOPLE[who].into()), "chat.member", data)
    }

    pub(super) fn tell(&mut self, frame: Frame) {
        for (who, session) in self.attached() {
            if frame.prev.is_some() {
                self.known.insert(who, frame.seq);
            }
            self.note(Observation::Live { session, room: ROOM.into(), frame: frame.clone() });
        }
    }

    pub(super) fn detach(&mut self, who: usize) {
        let Some(device) = self.devices.get_mut(&who) else { return };
        if std::mem::take(&mut device.attached) {
            self.gone(who);
        }
    }

    pub(super) fn gone(&mut self, who: usize) {
        for (_, session) in self.attached() {
            let person = Some(PEOPLE[who].into());
            self.note(Observation::Heard { session, room: ROOM.into(), event: "chat.userLeft".into(), person });
        }
    }

    pub(super) fn device(&mut self, who: usize) -> Session {
        if let Some(device) = self.devices.get(&who) {
            return device.session;
        }
        let session = Session(self.number());
        let edge = EDGES[who % EDGES.len()].into();
        self.note(Observation::Opened { session, person: PEOPLE[who].into(), edge });
        self.devices.insert(who, Device { session, attached: false });
        session
    }

    pub(super) fn attached(&self) -> Vec<(usize, Session)> {
        let attached = self.devices.iter().filter(|(_, device)| device.attached);
        attached.map(|(who, device)| (*who, device.session)).collect()
    }

    pub(super) fn session_attached(&self, who: usize) -> Option<Session> {
        self.devices.get(&who).filter(|device| device.attached).map(|device| device.session)
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.shown.iter().filter_map(|shown| match shown {
            Shown::Message(message) => Some(message),
            Shown::Notice(_) => None,
        })
    }

    pub(super) fn is_deleted(&self, id: &str) -> bool {
        self.messages().any(|message| message.id == id && message.deleted)
    }

    /// Whether somebody was told of the message's first copy.
    pub(super) fn is_acknowledged(&self, message: &Message) -> bool {
        self.entries.iter().any(|entry| match &entry.what {
            Observation::Answered { answer: Answer::Stored { message: Some(id), at }, .. } => {
                id.0 == message.id && at.seq == message.seq
            }
            _ => false,
        })
    }

    pub(super) fn last_of(&self, who: usize) -> Option<Message> {
        let joined = self.standing[who] == Standing::Joined;
        self.messages().filter(|message| joined && message.author == who && !message.deleted).last().cloned()
    }

    pub(super) fn change(&mut self, id: &str, how: impl FnOnce(&mut Message)) {
        let message = self.shown.iter_mut().find_map(|shown| match shown {
            Shown::Message(message) if message.id == id => Some(message),
            _ => None,
        });
        how(message.expect("it was said"));
    }
}

impl Shown {
    pub(super) fn frame(&self) -> Frame {
        match self {
            Shown::Message(message) => {
                let (event, data) = ("chat.message".into(), message.data.clone());
                Frame { event, seq: message.seq, prev: None, data }
            }
            Shown::Notice(frame) => frame.clone(),
        }
    }
}
