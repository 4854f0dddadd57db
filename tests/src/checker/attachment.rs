//! One session's attachment to one room: from the answer to its join to its end, with everything that came in between.

use std::collections::BTreeMap;

use super::call::{Call, Connection, Noted};
use super::history::{Answer, Command, Frame, History, Joined, Observation, Position, Service};
use super::ledger::Told;
use super::name::{Edge, Person, Room, Seq, Session};

/// An attachment.
#[derive(Debug)]
pub struct Attachment<'h> {
    /// The connection.
    pub session: Session,
    /// Whose.
    pub person: &'h Person,
    /// On which edge.
    pub edge: &'h Edge,
    /// To which room.
    pub room: &'h Room,
    /// The position that it was to resume from.
    pub since: Option<&'h Position>,
    /// When it was asked for.
    pub asked: Noted,
    /// When it was answered.
    pub began: Noted,
    /// The answer.
    pub joined: &'h Joined,
    /// What came while it lasted, in order.
    pub heard: Vec<(Noted, Heard<'h>)>,
    /// When its edge died. What lay on the line by then may come still.
    pub died: Option<Noted>,
    /// What ended it; none when it outlasted the recording.
    pub end: Option<(Noted, End)>,
}

/// What can come while attached.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'h> {
    /// A frame with a sequence.
    Frame(&'h Frame),
    /// A frame that is never stored: its name, and whom it is about.
    Passing(&'h str, Option<&'h Person>),
}

/// What can end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The session left, or attached afresh.
    Left,
    /// The notice of the person's removal came.
    PutOut(Seq),
    /// The connection ended.
    Closed,
}

/// A frame of a room that the session was not attached to.
#[derive(Debug, Clone, Copy)]
pub struct Stray<'h> {
    /// Where it came.
    pub session: Session,
    /// Whose connection that is.
    pub person: &'h Person,
    /// Of which room.
    pub room: &'h Room,
    /// What came.
    pub heard: Heard<'h>,
    /// Where the person had been put out of the room, if that is why.
    pub put_out: Option<Seq>,
}

impl<'h> Attachment<'h> {
    /// Where its slice of the timeline begins: after the position given where it resumed, else after the position joined.
    pub fn from(&self) -> Seq {
        match (self.since, self.joined.recovered) {
            (Some(since), Some(true)) => since.seq,
            _ => self.joined.at.seq,
        }
    }

    /// The timeline as it came: recovered, then live. Frames made from member events have no `prev` and no place in it.
    pub fn timeline(&self) -> impl Iterator<Item = &'h Frame> + '_ {
        let recovered: &[Frame] = if self.joined.recovered == Some(true) { &self.joined.events } else { &[] };
        let live = self.heard.iter().filter_map(|(_, heard)| match heard {
            Heard::Frame(frame) if frame.prev.is_some() => Some(*frame),
            _ => None,
        });
        recovered.iter().chain(live)
    }

    /// The last sequence of the timeline that it was given, at the end of the recording or before entry `index`.
    pub fn reached(&self, index: usize) -> Seq {
        let live =
            self.heard.iter().take_while(|(noted, _)| noted.index < index).filter_map(|(_, heard)| match heard {
                Heard::Frame(frame) if frame.prev.is_some() => Some(frame.seq),
                _ => None,
            });
        live.chain([self.joined.at.seq]).max().unwrap_or_default()
    }

    /// When the person was attached by it no more: its end, or the death of its edge before that.
    pub fn over(&self) -> Option<Noted> {
        self.died.or(self.end.map(|(noted, _)| noted))
    }

    /// Whether it lasted at entry `index`.
    pub fn lasts_at(&self, index: usize) -> bool {
        self.began.index < index && self.over().is_none_or(|over| over.index > index)
    }
}

/// The attachments of a recording, in the order of their beginning, and what came outside of any.
pub fn attachments<'h>(
    history: &'h History,
    connections: &BTreeMap<Session, Connection<'h>>,
    calls: &[Call<'h>],
) -> (Vec<Attachment<'h>>, Vec<Stray<'h>>) {
    let answered = calls.iter().filter_map(|call| call.answer.map(|(_, noted)| (noted.index, call))).collect();
    let mut desk = Desk {
        connections,
        answered,
        open: BTreeMap::new(),
        put_out: BTreeMap::new(),
        attachments: Vec::new(),
        strays: Vec::new(),
    };
    for (index, entry) in history.entries.iter().enumerate() {
        desk.note(Noted { index, at: entry.at }, &entry.what);
    }
    (desk.attachments, desk.strays)
}

/// Who is attached where, while the recording is read from its beginning to its end.
struct Desk<'h, 'c> {
    connections: &'c BTreeMap<Session, Connection<'h>>,
    answered: BTreeMap<usize, &'c Call<'h>>,
    open: BTreeMap<(Session, &'h Room), usize>,
    put_out: BTreeMap<(Session, &'h Room), Seq>,
    attachments: Vec<Attachment<'h>>,
    strays: Vec<Stray<'h>>,
}

impl<'h> Desk<'h, '_> {
    fn note(&mut self, now: Noted, what: &'h Observation) {
        match what {
            Observation::Answered { answer, .. } => self.answer(now, answer),
            Observation::Live { session, room, frame } => self.hear(now, *session, room, Heard::Frame(frame)),
            Observation::Heard { session, room, event, person } => {
                self.hear(now, *session, room, Heard::Passing(event, person.as_ref()));
            }
            Observation::Closed { session } => {
                let rooms: Vec<_> = self.open.keys().filter(|(of, _)| of == session).map(|(_, room)| *room).collect();
                for room in rooms {
                    self.end(now, *session, room, End::Closed);
                }
            }
            Observation::Died { service: Service::Edge(edge) } => {
                for place in self.open.values() {
                    let attachment = &mut self.attachments[*place];
                    if attachment.edge == edge {
                        attachment.died = Some(now);
                    }
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, now: Noted, answer: &'h Answer) {
        let Some(&call) = self.answered.get(&now.index) else { return };
        match (call.command, answer) {
            (Command::Join { room, since }, Answer::Joined(joined)) => {
                self.end(now, call.session, room, End::Left);
                self.put_out.remove(&(call.session, room));
                self.begin(now, call, room, since.as_ref(), joined);
            }
            (Command::Leave { room } | Command::Exit { room }, Answer::Done | Answer::Stored { .. }) => {
                self.end(now, call.session, room, End::Left);
            }
            _ => {}
        }
    }

    fn begin(&mut self, now: Noted, call: &Call<'h>, room: &'h Room, since: Option<&'h Position>, joined: &'h Joined) {
        let Some(connection) = self.connections.get(&call.session) else { return };
        self.open.insert((call.session, room), self.attachments.len());
        self.attachments.push(Attachment {
            session: call.session,
            person: call.person,
            edge: connection.edge,
            room,
            since,
            asked: call.asked,
            began: now,
            joined,
            heard: Vec::new(),
            died: None,
            end: None,
        });
    }

    fn hear(&mut self, now: Noted, session: Session, room: &'h Room, heard: Heard<'h>) {
        let Some(&place) = self.open.get(&(session, room)) else {
            let Some(connection) = self.connections.get(&session) else { return };
            let put_out = self.put_out.get(&(session, room)).copied();
            self.strays.push(Stray { session, person: connection.person, room, heard, put_out });
            return;
        };
        let attachment = &mut self.attachments[place];
        attachment.heard.push((now, heard));
        let person = attachment.person;
        if let Heard::Frame(frame) = heard {
            if Told::by(frame).puts_out(person) {
                self.put_out.insert((session, room), frame.seq);
                self.end(now, session, room, End::PutOut(frame.seq));
            } else if Told::by(frame).lets_go(person) {
                self.end(now, session, room, End::Left);
            }
        }
    }

    fn end(&mut self, now: Noted, session: Session, room: &'h Room, end: End) {
        if let Some(place) = self.open.remove(&(session, room)) {
            self.attachments[place].end = Some((now, end));
        }
    }
}
