//! A recording: everything that was asked, answered and seen in one run, in the order in which it was noted.
//!
//! Written as JSON, one entry a line, so that a run which broke a promise can be kept, read and judged again by a later
//! checker. Frames and stored events are kept whole (`data`), so that a new check can be made over an old recording.
//!
//! The order of entries is real time as the recorder saw it: what was answered before something else was asked stands
//! before it. Within a session it is the order on the wire.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::name::{CallId, Edge, Epoch, Key, MessageId, Moment, Person, Projector, Room, Seq, Session};

/// One thing noted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was noted.
    pub at: Moment,
    /// What it was.
    #[serde(flatten)]
    pub what: Observation,
}

/// What can be noted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "noted", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Observation {
    /// The run began. The first entry.
    Began {
        /// What the run's choices were drawn from.
        seed: u64,
        /// One lease period of an edge, in milliseconds.
        lease_ms: u64,
    },
    /// A process was killed (-9) and is dead.
    Died {
        /// Which one.
        service: Service,
    },
    /// A process answers again (or for the first time).
    Started {
        /// Which one.
        service: Service,
    },
    /// A process is there and yet isn't: frozen, or cut off from the others, or they from it by a bad network.
    Hindered {
        /// Which one.
        service: Service,
    },
    /// That is over.
    Freed {
        /// Which one.
        service: Service,
    },
    /// So much memory a process held.
    Held {
        /// Which one.
        service: Service,
        /// Its resident set.
        rss_bytes: u64,
        /// What it may hold.
        limit_bytes: u64,
    },
    /// The operator deleted or restored the stream: what only that life of it held may be gone.
    Wiped {
        /// The life that ended.
        epoch: Epoch,
    },
    /// A person connected to an edge.
    Opened {
        /// The connection.
        session: Session,
        /// Whose it is.
        person: Person,
        /// Where it leads.
        edge: Edge,
    },
    /// A connection ended, whoever ended it.
    Closed {
        /// The connection.
        session: Session,
    },
    /// A session asked for something. Noted before the frame is sent.
    Asked {
        /// The request.
        call: CallId,
        /// Who asks.
        session: Session,
        /// What for.
        command: Command,
    },
    /// A request's answer came, or it became clear that none will.
    Answered {
        /// The request.
        call: CallId,
        /// What came.
        answer: Answer,
    },
    /// A frame with a sequence came by itself.
    Live {
        /// Where to.
        session: Session,
        /// Of which room.
        room: Room,
        /// The frame.
        frame: Frame,
    },
    /// Something came that is no frame at all.
    Garbled {
        /// Where to.
        session: Session,
        /// Its beginning.
        text: String,
    },
    /// A frame that is never stored came: typing, receipts, who comes and goes.
    Heard {
        /// Where to.
        session: Session,
        /// Of which room.
        room: Room,
        /// The frame's name.
        event: String,
        /// Whom it is about.
        person: Option<Person>,
    },
    /// No write was under way, and every session still attached to the room had been given the time to catch up.
    Settled {
        /// The room.
        room: Room,
        /// The last sequence of its timeline then.
        seq: Seq,
    },
    /// A projector told the digest of what it had folded.
    Folded {
        /// Which one.
        projector: Projector,
        /// How it had come to its state.
        how: Fold,
        /// The life of the stream that it folded.
        epoch: Epoch,
        /// The last sequence that it had folded.
        position: Seq,
        /// Its digest.
        digest: String,
    },
    /// One event of the stream, read back after the run, in order.
    Stored {
        /// The life of the stream.
        epoch: Epoch,
        /// Its sequence.
        seq: Seq,
        /// Its room.
        room: Room,
        /// On which of the room's subjects it lies.
        slot: Slot,
        /// Its name.
        event: String,
        /// Its data.
        data: Value,
    },
    /// The stream was read back to its end: what was not noted as [`Observation::Stored`] is not there.
    Replayed {
        /// The life of the stream.
        epoch: Epoch,
        /// Its last sequence.
        last: Seq,
    },
}

/// A process that can die.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Service {
    /// The broker.
    Broker,
    /// An edge.
    Edge(Edge),
    /// A projector.
    Projector(Projector),
    /// A notifier.
    Notifier,
}

/// How a projector came to its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fold {
    /// Event by event, as they came.
    Incremental,
    /// From the stream's beginning, into nothing.
    Rebuilt,
}

/// Which of a room's subjects an event lies on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Slot {
    /// What is said and done.
    Timeline,
    /// The standing of one person.
    Member(Person),
    /// The room's own state.
    Info,
}

/// What a session can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Say something. A retry has the same key and the same text; no other send of this person in this room has the text.
    Send {
        /// Where.
        room: Room,
        /// The client's own id.
        key: Key,
        /// What.
        text: String,
    },
    /// Change what was said.
    Edit {
        /// Where.
        room: Room,
        /// What.
        message: MessageId,
        /// The new text.
        text: String,
    },
    /// Take away what was said.
    Delete {
        /// Where.
        room: Room,
        /// What.
        message: MessageId,
    },
    /// Attach to a room, becoming a member where that is possible.
    Join {
        /// Where.
        room: Room,
        /// The last position known.
        since: Option<Position>,
    },
    /// Detach, staying a member.
    Leave {
        /// From where.
        room: Room,
    },
    /// Stop being a member.
    Exit {
        /// Of which room.
        room: Room,
    },
    /// Change somebody's standing, or the room itself.
    Govern {
        /// Where.
        room: Room,
        /// What is done.
        deed: Deed,
        /// Whom it befalls; none for the room itself.
        target: Option<Person>,
    },
    /// Move the own read mark forward.
    Read {
        /// Where.
        room: Room,
        /// To there.
        seq: Seq,
    },
    /// A page of history.
    Page {
        /// Of which room.
        room: Room,
        /// Which page.
        which: Which,
    },
    /// The own rooms, with what is unread.
    Rooms,
    /// Who belongs to a room.
    Members {
        /// Which.
        room: Room,
    },
    /// Who is attached to a room.
    Presence {
        /// Which.
        room: Room,
    },
}

/// What one person can do to another, or to the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deed {
    /// Make the room.
    Create,
    /// Ask in.
    Invite,
    /// Put out.
    Kick,
    /// Put out and keep out.
    Ban,
    /// Let in again.
    Unban,
    /// Silence.
    Mute,
    /// Give a role.
    Role,
    /// Change name or rules.
    Update,
    /// Close for writing.
    Archive,
}

/// Which page of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Which {
    /// The newest.
    Newest,
    /// What lies just before a sequence, without it.
    Before(Seq),
    /// What lies just after a sequence, without it.
    After(Seq),
    /// What lies around a sequence, with it.
    Around(Seq),
}

/// A place in one life of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The life.
    pub epoch: Epoch,
    /// The sequence.
    pub seq: Seq,
}

/// What an answer can be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "got", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answer {
    /// It is stored.
    Stored {
        /// The message, where it is one.
        message: Option<MessageId>,
        /// Where it lies.
        at: Position,
    },
    /// Attached.
    Joined(Joined),
    /// A page of history.
    Page {
        /// What the room had come to when the page was made, at least.
        at: Position,
        /// The items, oldest first.
        items: Vec<Frame>,
        /// Whether there is more in the direction asked for.
        more: bool,
    },
    /// The own rooms.
    Rooms {
        /// Each.
        rooms: Vec<Listed>,
    },
    /// The members of a room.
    Members {
        /// Each.
        people: Vec<Person>,
    },
    /// Those attached to a room.
    Present {
        /// At most as many as the protocol names.
        people: Vec<Person>,
    },
    /// Done; nothing to tell.
    Done,
    /// Refused, for good: it was not done.
    Refused {
        /// The error's code.
        code: String,
    },
    /// Nobody knows: the connection ended, the wait was over, or the error said that it may have been done.
    Unclear,
}

/// The answer to a join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The position that live frames go on from.
    pub at: Position,
    /// Whether `events` are all since the position given. There only where one was given.
    pub recovered: Option<bool>,
    /// What was missed where `recovered`, else the newest page of history.
    pub events: Vec<Frame>,
    /// Whether there is older history, where `events` is a page.
    pub more: bool,
    /// False where no page of history could be had; `events` says nothing then.
    pub history_ready: bool,
    /// Who is attached, the joiner included.
    pub users: Vec<Person>,
    /// How many are attached; more than `users` in a big room.
    pub user_count: u64,
}

/// A frame with a place in the stream, or an item of a history page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Its name.
    pub event: String,
    /// Its sequence.
    pub seq: Seq,
    /// The sequence before it in the room's timeline, where the frame says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Seq>,
    /// Its data, whole.
    pub data: Value,
}

/// A room in somebody's list of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The room.
    pub room: Room,
    /// The last sequence of its timeline that the counts know of.
    pub seq: Seq,
    /// How many messages are unread: signed, so that a recording can hold what must never be.
    pub unread: i64,
    /// Whether the count was cut off ("999+").
    #[serde(default)]
    pub capped: bool,
}

/// A whole recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// What was noted, in order.
    pub entries: Vec<Entry>,
}

impl History {
    /// Writes it, one entry a line.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        for entry in &self.entries {
            serde_json::to_writer(&mut out, entry)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Reads what [`History::write`] wrote. An unreadable line is [`io::ErrorKind::InvalidData`] and names its number.
    pub fn read(lines: impl BufRead) -> io::Result<Self> {
        let mut entries = Vec::new();
        for (number, line) in lines.lines().enumerate() {
            let entry = serde_json::from_str(&line?)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {error}", number + 1)))?;
            entries.push(entry);
        }
        Ok(Self { entries })
    }
}
