//! A request with its answer, and who asked: what the recording holds as two entries, as one.

use std::collections::BTreeMap;

use super::history::{Answer, Command, History, Observation};
use super::name::{CallId, Edge, Moment, Person, Session};

/// A request of a session.
#[derive(Debug, Clone, Copy)]
pub struct Call<'h> {
    /// Its number.
    pub id: CallId,
    /// Who asked, through which connection.
    pub session: Session,
    /// Whose connection that is.
    pub person: &'h Person,
    /// What for.
    pub command: &'h Command,
    /// When.
    pub asked: Noted,
    /// What came of it; none when the recording ended before.
    pub answer: Option<(&'h Answer, Noted)>,
}

/// When something was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Noted {
    /// Its place in the recording.
    pub index: usize,
    /// The time.
    pub at: Moment,
}

/// A connection.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'h> {
    /// Whose it is.
    pub person: &'h Person,
    /// The edge that it leads to.
    pub edge: &'h Edge,
}

/// Why a recording can't be judged: not the product's fault, the recording's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// It doesn't say how long a lease is.
    #[error("the recording doesn't begin with `began`")]
    NoBeginning,
    /// The log was not read back: most promises are about it.
    #[error("no `replayed`: the log was not read back after the run")]
    NoReplay,
    /// A session that was never opened.
    #[error("{0} was never opened")]
    UnknownSession(Session),
    /// An answer to nothing.
    #[error("{0} is answered but was never asked")]
    UnknownCall(CallId),
    /// The product may answer only once; that the recorder noted two is its own mistake.
    #[error("{0} is answered twice")]
    AnsweredTwice(CallId),
    /// Two sends that can't be told apart once they are stored.
    #[error("{person} sent {text:?} in {room} under two keys")]
    SameText {
        /// Who.
        person: Person,
        /// Where.
        room: super::name::Room,
        /// What.
        text: String,
    },
}

/// The connections of a recording.
pub fn connections(history: &History) -> BTreeMap<Session, Connection<'_>> {
    let opened = history.entries.iter().filter_map(|entry| match &entry.what {
        Observation::Opened { session, person, edge } => Some((*session, Connection { person, edge })),
        _ => None,
    });
    opened.collect()
}

/// The requests of a recording, in the order of asking.
pub fn calls<'h>(
    history: &'h History,
    connections: &BTreeMap<Session, Connection<'h>>,
) -> Result<Vec<Call<'h>>, Unsound> {
    let mut calls = Vec::new();
    let mut place = BTreeMap::new();
    for (index, entry) in history.entries.iter().enumerate() {
        let noted = Noted { index, at: entry.at };
        match &entry.what {
            Observation::Asked { call, session, command } => {
                let connection = connections.get(session).ok_or(Unsound::UnknownSession(*session))?;
                place.insert(*call, calls.len());
                let (id, session, person) = (*call, *session, connection.person);
                calls.push(Call { id, session, person, command, asked: noted, answer: None });
            }
            Observation::Answered { call, answer } => {
                let place = place.get(call).ok_or(Unsound::UnknownCall(*call))?;
                let slot: &mut Option<_> = &mut calls[*place].answer;
                if slot.replace((answer, noted)).is_some() {
                    return Err(Unsound::AnsweredTwice(*call));
                }
            }
            _ => {}
        }
    }
    Ok(calls)
}
