//! A recording, made ready to be judged: requests with their answers, attachments, the log as it was read back.

use std::collections::BTreeMap;

use super::attachment::{Attachment, Stray, attachments};
use super::call::{Call, Connection, Noted, Unsound, calls, connections};
use super::history::{Answer, Command, Frame, History, Observation, Position, Which};
use super::ledger::Ledger;
use super::name::{Person, Room, Seq, Session};

/// What every promise is judged from.
#[derive(Debug)]
pub struct Run<'h> {
    /// The recording.
    pub history: &'h History,
    /// One lease period of an edge, in milliseconds.
    pub lease_ms: u64,
    /// The log as it was read back.
    pub ledger: Ledger<'h>,
    /// The connections.
    pub connections: BTreeMap<Session, Connection<'h>>,
    /// The requests, in the order of asking.
    pub calls: Vec<Call<'h>>,
    /// The attachments, in the order of their beginning.
    pub attachments: Vec<Attachment<'h>>,
    /// What came to sessions outside of any attachment.
    pub strays: Vec<Stray<'h>>,
}

/// A page of history, whether asked for or given with a join.
#[derive(Debug, Clone, Copy)]
pub struct Page<'h> {
    /// Who was shown it.
    pub session: Session,
    /// Whose connection that is.
    pub person: &'h Person,
    /// Of which room.
    pub room: &'h Room,
    /// Which page was asked for.
    pub which: Which,
    /// When it was asked for.
    pub asked: Noted,
    /// What the room had come to, at least.
    pub at: &'h Position,
    /// The items.
    pub items: &'h [Frame],
    /// Whether there is more in the direction asked for.
    pub more: bool,
}

impl<'h> Run<'h> {
    /// Reads a recording.
    pub fn of(history: &'h History) -> Result<Self, Unsound> {
        let Some(Observation::Began { lease_ms, .. }) = history.entries.first().map(|entry| &entry.what) else {
            return Err(Unsound::NoBeginning);
        };
        if !history.entries.iter().any(|entry| matches!(entry.what, Observation::Replayed { .. })) {
            return Err(Unsound::NoReplay);
        }
        let connections = connections(history);
        let calls = calls(history, &connections)?;
        let (attachments, strays) = attachments(history, &connections, &calls);
        let mut ledger = Ledger::of(history);
        ledger.witness(&attachments, &calls);
        Ok(Self { history, lease_ms: *lease_ms, ledger, connections, calls, attachments, strays })
    }

    /// Every page of history that was shown to somebody.
    pub fn pages(&self) -> impl Iterator<Item = Page<'h>> {
        let asked = self.calls.iter().filter_map(|call| match (call.command, call.answer?.0) {
            (Command::Page { room, which }, Answer::Page { at, items, more }) => Some(Page {
                session: call.session,
                person: call.person,
                room,
                which: *which,
                asked: call.asked,
                at,
                items,
                more: *more,
            }),
            _ => None,
        });
        let joined = self
            .attachments
            .iter()
            .filter(|attachment| attachment.joined.recovered != Some(true) && attachment.joined.history_ready);
        asked.chain(joined.map(|attachment| Page {
            session: attachment.session,
            person: attachment.person,
            room: attachment.room,
            // The newest up to where it joined: what is younger came live.
            which: Which::Before(Seq(attachment.joined.at.seq.0 + 1)),
            asked: attachment.asked,
            at: &attachment.joined.at,
            items: &attachment.joined.events,
            more: attachment.joined.more,
        }))
    }
}

impl Page<'_> {
    /// The sequences that it says everything about, the first and the last included; none if it is about nothing.
    pub fn covers(&self) -> Option<(Seq, Seq)> {
        let first = self.items.first().map(|item| item.seq);
        let last = self.items.last().map(|item| item.seq);
        let from_start = if self.more { first } else { Some(Seq(1)) };
        match self.which {
            Which::Newest => Some((from_start?, self.at.seq)),
            Which::Before(end) => Some((from_start?, Seq(end.0.saturating_sub(1)).min(self.at.seq))),
            Which::After(begin) => Some((Seq(begin.0 + 1), if self.more { last? } else { self.at.seq })),
            Which::Around(_) => Some((first?, last?)),
        }
    }
}
