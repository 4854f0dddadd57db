//! A recording to cut and splice: finds the places where something can be broken for certain.

use serde_json::Value;

use crate::checker::history::*;
use crate::checker::name::*;

/// A recording to cut and splice.
pub(super) struct Tape {
    pub(super) entries: Vec<Entry>,
}

/// An acknowledged send that the log holds and nobody deleted: where its acknowledgement and its event are.
pub(super) struct Kept {
    pub(super) asked: usize,
    pub(super) answered: usize,
    pub(super) stored: usize,
}

impl Tape {
    pub(super) fn find<T>(&self, mut what: impl FnMut(usize, &Observation) -> Option<T>) -> Option<T> {
        self.entries.iter().enumerate().find_map(|(index, entry)| what(index, &entry.what))
    }

    pub(super) fn insert(&mut self, index: usize, what: Observation) {
        let at = self.entries[index - 1].at;
        self.entries.insert(index, Entry { at, what });
    }

    pub(super) fn append_stored(&mut self, slot: Slot, event: &str, data: Value) -> Option<()> {
        let end = self.entries.len() - 1;
        let Observation::Replayed { epoch, last } = &mut self.entries[end].what else { return None };
        last.0 += 1;
        let (epoch, seq, room, event) = (epoch.clone(), *last, Room::from("lobby"), event.to_owned());
        self.insert(end, Observation::Stored { epoch, seq, room, slot, event, data });
        Some(())
    }

    pub(super) fn asked(&self, call: CallId) -> Option<(usize, Session, Command)> {
        self.find(|index, what| match what {
            Observation::Asked { call: asked, session, command } if *asked == call => {
                Some((index, *session, command.clone()))
            }
            _ => None,
        })
    }

    pub(super) fn stored(&self, seq: Seq) -> Option<(usize, &str, &Value)> {
        self.entries.iter().enumerate().find_map(|(index, entry)| match &entry.what {
            Observation::Stored { seq: at, event, data, .. } if *at == seq => Some((index, event.as_str(), data)),
            _ => None,
        })
    }

    pub(super) fn is_deleted(&self, id: &str) -> bool {
        self.entries.iter().any(|entry| {
            matches!(&entry.what, Observation::Stored { event, data, .. } if event == "chat.messageDeleted" && data["messageId"] == id)
        })
    }

    pub(super) fn kept(&self) -> Option<Kept> {
        self.find(|answered, what| {
            let Observation::Answered { call, answer: Answer::Stored { message: Some(id), at } } = what else {
                return None;
            };
            let (stored, ..) = self.stored(at.seq)?;
            let asked = self.asked(*call)?.0;
            (!self.is_deleted(&id.0)).then_some(Kept { asked, answered, stored })
        })
    }

    pub(super) fn person_of(&self, session: Session) -> Option<Person> {
        self.find(|_, what| match what {
            Observation::Opened { session: opened, person, .. } if *opened == session => Some(person.clone()),
            _ => None,
        })
    }

    pub(super) fn session_of(&self, person: &Person) -> Option<Session> {
        self.find(|_, what| match what {
            Observation::Opened { session, person: opened, .. } if opened == person => Some(*session),
            _ => None,
        })
    }

    /// Where a ban or kick was acknowledged from which there is no return: its place, whom it befell, its sequence.
    pub(super) fn removal(&self, deeds: &[Deed]) -> Option<(usize, Person, Seq)> {
        self.find(|index, what| {
            let Observation::Answered { call, answer: Answer::Stored { at, .. } } = what else { return None };
            let (_, _, Command::Govern { deed, target: Some(person), .. }) = self.asked(*call)? else { return None };
            let returns = self.entries.iter().any(|entry| match &entry.what {
                Observation::Stored { seq, slot: Slot::Member(who), .. } => *who == person && *seq > at.seq,
                _ => false,
            });
            (deeds.contains(&deed) && !returns).then_some((index, person, at.seq))
        })
    }

    /// A live timeline frame that no removal hangs on.
    pub(super) fn live(&self, mut fits: impl FnMut(usize, Session, &Frame) -> bool) -> Option<(usize, Session, Frame)> {
        self.find(|index, what| match what {
            Observation::Live { session, frame, .. } if frame.prev.is_some() && frame.event != "chat.memberChanged" => {
                fits(index, *session, frame).then(|| (index, *session, frame.clone()))
            }
            _ => None,
        })
    }

    /// The next live timeline frame of the session, if it follows `frame` within the same attachment.
    pub(super) fn next_live(&self, index: usize, session: Session, frame: &Frame) -> Option<usize> {
        for (at, entry) in self.entries.iter().enumerate().skip(index + 1) {
            match &entry.what {
                Observation::Live { session: of, frame: next, .. } if *of == session && next.prev.is_some() => {
                    let follows = next.prev == Some(frame.seq) && next.event != "chat.memberChanged";
                    return follows.then_some(at);
                }
                what if ends_or_begins(what, session) => return None,
                _ => {}
            }
        }
        None
    }

    pub(super) fn frame_mut(&mut self, index: usize) -> Option<&mut Frame> {
        match &mut self.entries[index].what {
            Observation::Live { frame, .. } => Some(frame),
            _ => None,
        }
    }

    /// A page of history with an item that fits: the places of both.
    pub(super) fn item(&self, mut fits: impl FnMut(usize, &[Frame], usize) -> bool) -> Option<(usize, usize)> {
        self.find(|index, what| {
            let Observation::Answered { answer: Answer::Page { items, .. }, .. } = what else { return None };
            (0..items.len()).find(|item| fits(index, items, *item)).map(|item| (index, item))
        })
    }

    pub(super) fn items_mut(&mut self, index: usize) -> Option<&mut Vec<Frame>> {
        match &mut self.entries[index].what {
            Observation::Answered { answer: Answer::Page { items, .. }, .. } => Some(items),
            _ => None,
        }
    }

    /// Whether a message was acknowledged before the page at `index` was asked for.
    pub(super) fn acknowledged_before(&self, index: usize, id: &Value) -> bool {
        let Observation::Answered { call, .. } = &self.entries[index].what else { return false };
        let Some((asked, ..)) = self.asked(*call) else { return false };
        self.entries[..asked].iter().any(|entry| {
            matches!(&entry.what, Observation::Answered { answer: Answer::Stored { message: Some(message), .. }, .. } if *id == message.0)
        })
    }

    /// A resume: where it was asked for and answered.
    pub(super) fn resume(&self) -> Option<(usize, usize)> {
        self.find(|answered, what| {
            let Observation::Answered { call, answer: Answer::Joined(_) } = what else { return None };
            let (asked, _, command) = self.asked(*call)?;
            matches!(command, Command::Join { since: Some(_), .. }).then_some((asked, answered))
        })
    }

    pub(super) fn joined_mut(&mut self, index: usize) -> Option<&mut Joined> {
        match &mut self.entries[index].what {
            Observation::Answered { answer: Answer::Joined(joined), .. } => Some(joined),
            _ => None,
        }
    }

    /// A count that hangs on nothing but the log: its person had never marked or deleted anything.
    pub(super) fn sure_count(&self, least: i64) -> Option<usize> {
        self.find(|index, what| {
            let Observation::Answered { call, answer: Answer::Rooms { rooms } } = what else { return None };
            let person = self.person_of(self.asked(*call)?.1)?;
            let unsure = self.entries.iter().any(|entry| match &entry.what {
                Observation::Asked { session, command: Command::Read { .. } | Command::Delete { .. }, .. } => {
                    self.person_of(*session).as_ref() == Some(&person)
                }
                _ => false,
            });
            (!unsure && rooms.first()?.unread >= least).then_some(index)
        })
    }

    pub(super) fn count_mut(&mut self, index: usize) -> Option<&mut i64> {
        match &mut self.entries[index].what {
            Observation::Answered { answer: Answer::Rooms { rooms }, .. } => Some(&mut rooms.first_mut()?.unread),
            _ => None,
        }
    }

    /// Somebody told an observer, between an edge's death and its return, that a dead session's person left; the observer
    /// itself lives on: the place, the observer, the person, the place of the return.
    pub(super) fn leaving(&self) -> Option<(usize, Session, Person, usize)> {
        let died = self.find(|index, what| matches!(what, Observation::Died { .. }).then_some(index))?;
        let back =
            died + self.entries[died..].iter().position(|entry| matches!(entry.what, Observation::Started { .. }))?;
        let closed = |session: Session| {
            self.entries[died..back]
                .iter()
                .any(|entry| matches!(entry.what, Observation::Closed { session: of } if of == session))
        };
        self.find(|index, what| match what {
            Observation::Heard { session, event, person: Some(person), .. }
                if (died..back).contains(&index) && event == "chat.userLeft" && !closed(*session) =>
            {
                Some((index, *session, person.clone(), back))
            }
            _ => None,
        })
    }
}

/// Whether an entry ends a session's attachment or begins another.
pub(super) fn ends_or_begins(what: &Observation, session: Session) -> bool {
    match what {
        Observation::Closed { session: of } => *of == session,
        Observation::Asked { session: of, command, .. } => {
            *of == session && matches!(command, Command::Join { .. } | Command::Leave { .. })
        }
        _ => false,
    }
}
