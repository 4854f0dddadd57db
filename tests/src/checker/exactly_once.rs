//! Promise 1: acknowledged ⇒ in the room's history exactly once. Not acknowledged ⇒ there once or not at all, and a retry
//! with the same id and text settles it.

use std::collections::{BTreeMap, BTreeSet};

use super::call::{Call, Unsound};
use super::history::{Answer, Command, Position};
use super::ledger::{Log, Meaning, Told};
use super::name::{CallId, Key, MessageId, Person, Room, Seq};
use super::run::Run;

/// How the promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It was acknowledged and is not in the log.
    #[error("{send} was acknowledged at {seq} as {message}, and is not there")]
    Lost {
        /// What was sent.
        send: Send,
        /// The sequence of the acknowledgement.
        seq: Seq,
        /// The id of the acknowledgement.
        message: MessageId,
    },
    /// Something else lies where the acknowledgement said that it lies.
    #[error("{send} was acknowledged at {seq}, and there lies {there}")]
    Altered {
        /// What was sent.
        send: Send,
        /// The sequence of the acknowledgement.
        seq: Seq,
        /// What lies there.
        there: String,
    },
    /// One send became several messages.
    #[error("{send} became {} messages: {messages:?}", messages.len())]
    Twice {
        /// What was sent.
        send: Send,
        /// What it became.
        messages: Vec<MessageId>,
    },
    /// Two tries were acknowledged as two messages.
    #[error("{send} was acknowledged as {one} and as {other}")]
    TwoAnswers {
        /// What was sent.
        send: Send,
        /// One answer.
        one: MessageId,
        /// Another.
        other: MessageId,
    },
    /// Every try was refused for good, and it is there all the same.
    #[error("{send} was refused, and is there as {message}")]
    RefusedButStored {
        /// What was sent.
        send: Send,
        /// What it became.
        message: MessageId,
    },
    /// A message that its author never sent.
    #[error("{author} never sent {text:?}, which lies at {seq} of {room}")]
    NeverSent {
        /// The room.
        room: Room,
        /// Where it lies.
        seq: Seq,
        /// Whose it is said to be.
        author: Person,
        /// What it says.
        text: String,
    },
    /// A page of history that was asked for after the acknowledgement shows it not once.
    #[error("a page for {reader} over {seq} shows {send}, acknowledged before, {times} times")]
    NotOnceInHistory {
        /// What was sent.
        send: Send,
        /// The sequence of the acknowledgement.
        seq: Seq,
        /// Who was shown the page.
        reader: Person,
        /// How often the page holds it.
        times: usize,
    },
    /// An edit, a deletion or another change was acknowledged, and nothing lies where it should.
    #[error("{call} was acknowledged at {seq} of {room}, and nothing lies there")]
    Unbacked {
        /// The request.
        call: CallId,
        /// The room.
        room: Room,
        /// The sequence of the acknowledgement.
        seq: Seq,
    },
}

/// A send, with all of its tries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Send {
    /// Who.
    pub person: Person,
    /// Where.
    pub room: Room,
    /// Under which id of the client.
    pub key: Key,
    /// What.
    pub text: String,
}

impl std::fmt::Display for Send {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} ({} of {} in {})", self.text, self.key, self.person, self.room)
    }
}

/// What came of the tries of one send.
#[derive(Debug, Default)]
struct Tries<'h> {
    acknowledged: Vec<Acknowledged<'h>>,
    refused: bool,
    unclear: bool,
}

#[derive(Debug, Clone, Copy)]
struct Acknowledged<'h> {
    index: usize,
    at: &'h Position,
    message: &'h MessageId,
}

/// Every break of the promise.
pub fn judge(run: &Run<'_>) -> Result<Vec<Violation>, Unsound> {
    let sends = sends(run)?;
    let mut found = Vec::new();
    for (send, tries) in &sends {
        judge_acknowledged(run, send, tries, &mut found);
        judge_count(run, send, tries, &mut found);
    }
    judge_pages(run, &sends, &mut found);
    judge_authors(run, &sends, &mut found);
    judge_others(run, &mut found);
    Ok(found)
}

/// How many sends were acknowledged: what a run must have for its silence to mean anything.
pub fn acknowledged(run: &Run<'_>) -> usize {
    run.calls
        .iter()
        .filter(|call| matches!((call.command, call.answer), (Command::Send { .. }, Some((Answer::Stored { .. }, _)))))
        .count()
}

fn sends<'h>(run: &Run<'h>) -> Result<BTreeMap<Send, Tries<'h>>, Unsound> {
    let mut sends: BTreeMap<Send, Tries<'h>> = BTreeMap::new();
    let mut keys: BTreeMap<(&Person, &Room, &str), &Key> = BTreeMap::new();
    for call in &run.calls {
        let Command::Send { room, key, text } = call.command else { continue };
        if *keys.entry((call.person, room, text)).or_insert(key) != key {
            return Err(Unsound::SameText { person: call.person.clone(), room: room.clone(), text: text.clone() });
        }
        let send = Send { person: call.person.clone(), room: room.clone(), key: key.clone(), text: text.clone() };
        sends.entry(send).or_default().note(call);
    }
    Ok(sends)
}

impl<'h> Tries<'h> {
    fn note(&mut self, call: &Call<'h>) {
        match call.answer {
            Some((Answer::Stored { message: Some(message), at }, noted)) => {
                self.acknowledged.push(Acknowledged { index: noted.index, at, message });
            }
            Some((Answer::Refused { .. }, _)) => self.refused = true,
            _ => self.unclear = true,
        }
    }
}

fn judge_acknowledged(run: &Run<'_>, send: &Send, tries: &Tries<'_>, found: &mut Vec<Violation>) {
    for ack in &tries.acknowledged {
        let first = tries.acknowledged[0].message;
        if ack.message != first {
            found.push(Violation::TwoAnswers { send: send.clone(), one: first.clone(), other: ack.message.clone() });
        }
        if run.ledger.was_wiped(&ack.at.epoch) {
            continue;
        }
        let log = run.ledger.log(&ack.at.epoch, &send.room);
        let Some(told) = log.and_then(|log| log.timeline.get(&ack.at.seq)) else {
            if !log.is_some_and(|log| log.is_erased(ack.message)) {
                found.push(Violation::Lost { send: send.clone(), seq: ack.at.seq, message: ack.message.clone() });
            }
            continue;
        };
        let expected = Meaning::Message { id: ack.message.clone(), author: send.person.clone(), text: &send.text };
        if told.meaning() != expected {
            let there = format!("{} {}", told.event, told.data);
            found.push(Violation::Altered { send: send.clone(), seq: ack.at.seq, there });
        }
    }
}

fn judge_count(run: &Run<'_>, send: &Send, tries: &Tries<'_>, found: &mut Vec<Violation>) {
    for (_, life) in run.ledger.lives() {
        let logs = life.rooms().filter(|(room, _)| **room == send.room);
        let messages: BTreeSet<MessageId> = logs.flat_map(|(_, log)| became(log, send)).collect();
        if messages.len() > 1 {
            found.push(Violation::Twice { send: send.clone(), messages: messages.into_iter().collect() });
        } else if let (Some(message), true) = (messages.into_iter().next(), tries.refused_throughout()) {
            found.push(Violation::RefusedButStored { send: send.clone(), message });
        }
    }
}

impl Tries<'_> {
    fn refused_throughout(&self) -> bool {
        self.refused && !self.unclear && self.acknowledged.is_empty()
    }
}

/// The messages of the log that say what was sent. A message stored again under its id is still one.
fn became(log: &Log<'_>, send: &Send) -> Vec<MessageId> {
    let said = log.timeline.values().filter_map(|told| match told.meaning() {
        Meaning::Message { id, author, text } if author == send.person && text == send.text => Some(id),
        _ => None,
    });
    said.collect()
}

fn judge_pages(run: &Run<'_>, sends: &BTreeMap<Send, Tries<'_>>, found: &mut Vec<Violation>) {
    let mut acknowledged: BTreeMap<&Room, Vec<(&Send, Acknowledged<'_>)>> = BTreeMap::new();
    for (send, tries) in sends {
        let of_room = acknowledged.entry(&send.room).or_default();
        of_room.extend(tries.acknowledged.first().map(|ack| (send, *ack)));
    }
    for page in run.pages().filter(|page| !run.ledger.was_wiped(&page.at.epoch)) {
        let (Some((from, to)), Some(acknowledged)) = (page.covers(), acknowledged.get(page.room)) else { continue };
        let log = run.ledger.log(&page.at.epoch, page.room);
        let floor = log.map_or(Seq(0), |log| log.floor(page.person, page.at.seq));
        let from = from.max(floor);
        let mut shown: BTreeMap<MessageId, usize> = BTreeMap::new();
        for item in page.items {
            if let Some(id) = Told::by(item).message() {
                *shown.entry(id).or_default() += 1;
            }
        }
        for (send, ack) in acknowledged {
            let before = ack.index < page.asked.index && ack.at.epoch == page.at.epoch;
            let times = shown.get(ack.message).copied().unwrap_or_default();
            let is_due = |place: Seq| (from..=to).contains(&place);
            let is_due = || is_due(ack.at.seq) && log.is_none_or(|log| log.places_of(ack.message).all(is_due));
            if times > 1 || (before && times == 0 && is_due()) {
                found.push(Violation::NotOnceInHistory {
                    send: (*send).clone(),
                    seq: ack.at.seq,
                    reader: page.person.clone(),
                    times,
                });
            }
        }
    }
}

/// Nobody who is recorded as a sender has a message that the recording doesn't know of.
fn judge_authors(run: &Run<'_>, sends: &BTreeMap<Send, Tries<'_>>, found: &mut Vec<Violation>) {
    let known: BTreeSet<_> = sends.keys().map(|send| (&send.person, &send.room, send.text.as_str())).collect();
    let authors: BTreeSet<_> = sends.keys().map(|send| &send.person).collect();
    for (_, life) in run.ledger.lives() {
        for (room, log) in life.rooms() {
            for (&seq, told) in &log.timeline {
                let Meaning::Message { author, text, .. } = told.meaning() else { continue };
                if authors.contains(&author) && !known.contains(&(&author, room, text)) {
                    found.push(Violation::NeverSent { room: room.clone(), seq, author, text: text.to_owned() });
                }
            }
        }
    }
}

fn judge_others(run: &Run<'_>, found: &mut Vec<Violation>) {
    for call in &run.calls {
        let (Some(room), Some((Answer::Stored { at, .. }, _))) = (changes(call.command), call.answer) else { continue };
        if run.ledger.was_wiped(&at.epoch) {
            continue;
        }
        let log = run.ledger.log(&at.epoch, room);
        let erased = match call.command {
            Command::Edit { message, .. } => log.is_some_and(|log| log.is_erased(message)),
            _ => false,
        };
        if !erased && !log.is_some_and(|log| log.holds(at.seq)) {
            found.push(Violation::Unbacked { call: call.id, room: room.clone(), seq: at.seq });
        }
    }
}

/// The room that a command other than a send changes.
fn changes(command: &Command) -> Option<&Room> {
    match command {
        Command::Edit { room, .. }
        | Command::Delete { room, .. }
        | Command::Exit { room }
        | Command::Govern { room, .. } => Some(room),
        _ => None,
    }
}
