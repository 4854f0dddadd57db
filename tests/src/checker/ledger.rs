//! The log as it was read back after the run, in the checker's own reading of it: what was said in each room, and who
//! stood how, at every sequence.
//!
//! Shares no code with the product's fold. It reads the stored JSON by its documented field names only.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde_json::Value;

use super::attachment::Attachment;
use super::call::Call;
use super::history::{Answer, Command, Frame, History, Observation, Slot};
use super::name::{Epoch, MessageId, Person, Room, Seq};

/// Everything that was read back, by life of the stream.
#[derive(Debug, Default)]
pub struct Ledger<'h> {
    lives: BTreeMap<&'h Epoch, Life<'h>>,
    wiped: BTreeSet<&'h Epoch>,
}

/// One life of the stream, read to its end.
#[derive(Debug, Default)]
pub struct Life<'h> {
    /// The last sequence of the stream, whatever room it belongs to.
    pub last: Seq,
    rooms: BTreeMap<&'h Room, Log<'h>>,
}

/// What the log holds of one room.
#[derive(Debug, Default)]
pub struct Log<'h> {
    /// The timeline.
    pub timeline: BTreeMap<Seq, Told<'h>>,
    /// Each person's standings, by the sequence from which on they hold.
    pub members: BTreeMap<Person, BTreeMap<Seq, Standing>>,
    /// The room's rules, likewise.
    pub rules: BTreeMap<Seq, Rules>,
    /// What was deleted, by message.
    pub deletions: BTreeMap<MessageId, Deletion>,
    /// Where each message lies first, or lay when somebody was told so: of an erased one the log itself tells only where
    /// the copy lay that its deletion names.
    firsts: BTreeMap<MessageId, Seq>,
}

/// One event of a timeline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told<'h> {
    /// Its name.
    pub event: &'h str,
    /// Its data.
    pub data: &'h Value,
}

/// What an event of a timeline means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning<'h> {
    /// Something was said.
    Message {
        /// The message.
        id: MessageId,
        /// Who said it; the operator is `~system`.
        author: Person,
        /// What.
        text: &'h str,
    },
    /// What was said was changed.
    Edit {
        /// The message.
        id: MessageId,
        /// By whom.
        by: Person,
        /// Its new text.
        text: &'h str,
    },
    /// What was said was taken away.
    Delete {
        /// The message.
        id: MessageId,
        /// By whom.
        by: Person,
    },
    /// Somebody did something to another, or to the room.
    Notice {
        /// Who did it, where it says so.
        by: Option<Person>,
        /// Whom it befell.
        target: Option<Person>,
        /// What, for a change of standing.
        change: Option<&'h str>,
    },
    /// An event that the checker doesn't know, or without a field that it must have.
    Unknown,
}

/// A deletion, as its event tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Where it lies itself.
    pub seq: Seq,
    /// Where the deleted message lay.
    pub target: Seq,
    /// Who had written it.
    pub author: Person,
}

/// How a person stands towards a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// A member.
    Joined,
    /// Was put out.
    Removed,
    /// Was put out and is kept out; with `ends`, for a time.
    Banned {
        /// Whether it ends by itself.
        ends: bool,
    },
    /// Invited, gone by themselves, or never there.
    Stranger,
}

/// The rules of a room that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether anyone may read.
    pub open: bool,
    /// Whether members read only from their join on.
    pub from_join: bool,
}

impl<'h> Ledger<'h> {
    /// Reads it out of a recording.
    pub fn of(history: &'h History) -> Self {
        let mut ledger = Ledger::default();
        for entry in &history.entries {
            match &entry.what {
                Observation::Stored { epoch, seq, room, slot, event, data } => {
                    let log = ledger.lives.entry(epoch).or_default().rooms.entry(room).or_default();
                    log.note(*seq, slot, Told { event, data });
                }
                Observation::Replayed { epoch, last } => ledger.lives.entry(epoch).or_default().last = *last,
                Observation::Wiped { epoch } => {
                    ledger.wiped.insert(epoch);
                }
                _ => {}
            }
        }
        ledger
    }

    /// Adds what people were told of messages while the log may still have held them.
    pub fn witness(&mut self, attachments: &[Attachment<'h>], calls: &[Call<'h>]) {
        for attachment in attachments {
            for frame in attachment.timeline() {
                if let Meaning::Message { id, .. } = Told::by(frame).meaning() {
                    self.met(&attachment.joined.at.epoch, attachment.room, id, frame.seq);
                }
            }
        }
        for call in calls {
            if let (Command::Send { room, .. }, Some((Answer::Stored { message: Some(id), at }, _))) =
                (call.command, call.answer)
            {
                self.met(&at.epoch, room, id.clone(), at.seq);
            }
        }
    }

    fn met(&mut self, epoch: &Epoch, room: &Room, id: MessageId, seq: Seq) {
        if let Some(log) = self.lives.get_mut(epoch).and_then(|life| life.rooms.get_mut(room)) {
            log.met(id, seq);
        }
    }

    /// A life of the stream, if it was read back.
    pub fn life(&self, epoch: &Epoch) -> Option<&Life<'h>> {
        self.lives.get(epoch)
    }

    /// A room in a life of the stream, if anything of it was read back.
    pub fn log(&self, epoch: &Epoch, room: &Room) -> Option<&Log<'h>> {
        self.life(epoch)?.rooms.get(room)
    }

    /// Every life that was read back.
    pub fn lives(&self) -> impl Iterator<Item = (&'h Epoch, &Life<'h>)> {
        self.lives.iter().map(|(&epoch, life)| (epoch, life))
    }

    /// Whether the operator ended any life.
    pub fn is_partly_wiped(&self) -> bool {
        !self.wiped.is_empty()
    }

    /// Whether the operator ended that life.
    pub fn was_wiped(&self, epoch: &Epoch) -> bool {
        self.wiped.contains(epoch)
    }
}

impl<'h> Life<'h> {
    /// Every room of which there is anything.
    pub fn rooms(&self) -> impl Iterator<Item = (&'h Room, &Log<'h>)> {
        self.rooms.iter().map(|(&room, log)| (room, log))
    }
}

impl<'h> Log<'h> {
    fn note(&mut self, seq: Seq, slot: &Slot, told: Told<'h>) {
        match slot {
            Slot::Timeline => {
                match (told.meaning(), told.deletion(seq)) {
                    (Meaning::Message { id, .. }, _) => self.met(id, seq),
                    // The first one counts: a second deletion of the same message changes nothing.
                    (Meaning::Delete { id, .. }, Some(deletion)) => {
                        self.deletions.entry(id).or_insert(deletion);
                    }
                    _ => {}
                }
                self.timeline.insert(seq, told);
            }
            Slot::Member(person) => {
                self.members.entry(person.clone()).or_default().insert(seq, Standing::read(told.data));
            }
            Slot::Info => {
                self.rules.insert(seq, Rules::read(told.data));
            }
        }
    }

    fn met(&mut self, message: MessageId, seq: Seq) {
        let first = self.firsts.entry(message).or_insert(seq);
        *first = seq.min(*first);
    }

    /// Where a message came first. What was stored twice, as may happen past the log's window for duplicates, is one
    /// message, and that is its place until it is deleted; what is left of it then stands where the deletion says.
    pub fn first_of(&self, message: &MessageId) -> Option<Seq> {
        self.firsts.get(message).copied()
    }

    /// Where a message has its place in the room's history, before and after its deletion.
    pub fn places_of(&self, message: &MessageId) -> impl Iterator<Item = Seq> {
        self.first_of(message).into_iter().chain(self.deletions.get(message).map(|deletion| deletion.target))
    }

    /// How a person stood just before `seq`.
    pub fn standing_before(&self, person: &Person, seq: Seq) -> Standing {
        let latest = self.members.get(person).and_then(|standings| standings.range(..seq).next_back());
        latest.map_or(Standing::Stranger, |(_, standing)| standing.clone())
    }

    /// The rules just before `seq`; none before the room was made.
    pub fn rules_before(&self, seq: Seq) -> Option<Rules> {
        self.rules.range(..seq).next_back().map(|(_, rules)| *rules)
    }

    /// Where a person's present membership, as of `position`, began.
    pub fn joined_at(&self, person: &Person, position: Seq) -> Option<Seq> {
        let standings = self.members.get(person)?.range(..=position).rev();
        standings.take_while(|(_, standing)| **standing == Standing::Joined).last().map(|(seq, _)| *seq)
    }

    /// What `position`, a sequence of the timeline, means for a person who was shown the room there: a position counts the
    /// timeline only, so if they joined next and nothing was said in between, they may have been shown it after that.
    pub fn as_of(&self, person: &Person, position: Seq) -> Seq {
        let later = (Bound::Excluded(position), Bound::Unbounded);
        let next = self.members.get(person).and_then(|standings| standings.range(later).next());
        match next {
            Some((&joined, Standing::Joined))
                if self.timeline.range((Bound::Excluded(position), Bound::Excluded(joined))).next().is_none() =>
            {
                joined
            }
            _ => position,
        }
    }

    /// From which sequence on a person may read, as of `position`.
    pub fn floor(&self, person: &Person, position: Seq) -> Seq {
        let position = self.as_of(person, position);
        match self.rules.range(..=position).next_back() {
            Some((_, rules)) if rules.from_join => self.joined_at(person, position).unwrap_or(position),
            _ => Seq(0),
        }
    }

    /// A person's first return, as a member, after `seq`.
    pub fn return_after(&self, person: &Person, seq: Seq) -> Option<Seq> {
        let later = self.members.get(person)?.range((Bound::Excluded(seq), Bound::Unbounded));
        later.filter(|(_, standing)| **standing == Standing::Joined).map(|(seq, _)| *seq).next()
    }

    /// Whether the log holds anything of the room at `seq`, on any subject.
    pub fn holds(&self, seq: Seq) -> bool {
        self.timeline.contains_key(&seq)
            || self.rules.contains_key(&seq)
            || self.members.values().any(|standings| standings.contains_key(&seq))
    }

    /// Whether the absence of a message (or of an edit of it) is what a deletion asked for.
    pub fn is_erased(&self, message: &MessageId) -> bool {
        self.deletions.contains_key(message)
    }
}

impl<'h> Told<'h> {
    /// What a frame tells.
    pub fn by(frame: &'h Frame) -> Self {
        Self { event: &frame.event, data: &frame.data }
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning<'h> {
        let message = self.text("messageId").map(MessageId::from);
        let person = |field| self.text(field).map(Person::from);
        let known = match self.event {
            "chat.message" | "chat.system" => message.zip(person("userId")).map(|(id, author)| {
                // A deleted message's item in a history page has no text.
                Meaning::Message { id, author, text: self.text("message").unwrap_or_default() }
            }),
            "chat.messageEdited" => message
                .zip(person("userId"))
                .zip(self.text("message"))
                .map(|((id, by), text)| Meaning::Edit { id, by, text }),
            "chat.messageDeleted" => message.zip(person("userId")).map(|(id, by)| Meaning::Delete { id, by }),
            "chat.memberChanged" => person("userId").map(|target| {
                let by = person("by").unwrap_or_else(|| target.clone());
                Meaning::Notice { by: Some(by), target: Some(target), change: self.text("change") }
            }),
            "chat.roomUpdated" => Some(Meaning::Notice { by: person("by"), target: None, change: None }),
            _ => None,
        };
        known.unwrap_or(Meaning::Unknown)
    }

    /// Who did it.
    pub fn actor(&self) -> Option<Person> {
        match self.meaning() {
            Meaning::Message { author: by, .. } | Meaning::Edit { by, .. } | Meaning::Delete { by, .. } => Some(by),
            Meaning::Notice { by, .. } => by,
            Meaning::Unknown => None,
        }
    }

    /// The message that it is, edits or deletes.
    pub fn message(&self) -> Option<MessageId> {
        match self.meaning() {
            Meaning::Message { id, .. } | Meaning::Edit { id, .. } | Meaning::Delete { id, .. } => Some(id),
            Meaning::Notice { .. } | Meaning::Unknown => None,
        }
    }

    /// Whether it has a place of its own in a history page; edits, deletions, reactions and pins show in their message.
    pub fn is_item(&self) -> bool {
        !matches!(self.event, "chat.messageEdited" | "chat.messageDeleted" | "chat.reaction" | "chat.pinned")
    }

    /// Whether it is the notice that put `person` out of the room.
    pub fn puts_out(&self, person: &Person) -> bool {
        matches!(self.meaning(), Meaning::Notice { target: Some(target), change: Some("kicked" | "banned"), .. } if target == *person)
    }

    /// Whether it says that `person` went by themselves.
    pub fn lets_go(&self, person: &Person) -> bool {
        matches!(self.meaning(), Meaning::Notice { target: Some(target), change: Some("exited"), .. } if target == *person)
    }

    fn deletion(&self, seq: Seq) -> Option<Deletion> {
        let target = Seq(self.data.get("position")?.get("seq")?.as_u64()?);
        Some(Deletion { seq, target, author: Person::from(self.text("author")?) })
    }

    fn text(&self, field: &str) -> Option<&'h str> {
        self.data.get(field)?.as_str()
    }
}

impl Standing {
    fn read(data: &Value) -> Self {
        match data.get("standing").and_then(Value::as_str) {
            Some("joined") => Standing::Joined,
            Some("removed") => Standing::Removed,
            Some("banned") => Standing::Banned { ends: data.get("until").is_some_and(Value::is_string) },
            _ => Standing::Stranger,
        }
    }
}

impl Rules {
    fn read(data: &Value) -> Self {
        let setting = |name: &str| data.get("settings").and_then(|settings| settings.get(name)?.as_str());
        Self { open: setting("access") == Some("open"), from_join: setting("history") == Some("joined") }
    }
}
