//! Promise 4: between a person's removal and their return there is nothing of theirs.

use super::history::{Answer, Command, Deed};
use super::ledger::{Log, Standing};
use super::name::{CallId, Person, Room, Seq};
use super::run::Run;

/// How the promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The log holds something of a person who was no member.
    #[error("{event} at {seq} of {room} is by {person}, who stood as {standing:?} then")]
    AfterRemoval {
        /// The room.
        room: Room,
        /// Whose it is.
        person: Person,
        /// Where it lies.
        seq: Seq,
        /// What it is.
        event: String,
        /// How they stood.
        standing: Standing,
    },
    /// A removal was acknowledged, and the log doesn't know of it.
    #[error("{call} put {person} out of {room} at {seq}, and the log doesn't say so")]
    NotRemoved {
        /// The request.
        call: CallId,
        /// The room.
        room: Room,
        /// Who was to be put out.
        person: Person,
        /// The sequence of the acknowledgement.
        seq: Seq,
    },
    /// A client was told that something of theirs was stored after their removal.
    #[error("{call} of {person} was acknowledged at {seq} of {room}, after the removal at {removal}")]
    Acknowledged {
        /// The request.
        call: CallId,
        /// The room.
        room: Room,
        /// Whose.
        person: Person,
        /// The sequence of the acknowledgement.
        seq: Seq,
        /// The sequence of the removal's acknowledgement.
        removal: Seq,
    },
}

/// A removal that was acknowledged.
#[derive(Debug, Clone, Copy)]
struct Removal<'h> {
    call: CallId,
    room: &'h Room,
    person: &'h Person,
    epoch: &'h super::name::Epoch,
    seq: Seq,
}

/// Every break of the promise.
pub fn judge(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (_, life) in run.ledger.lives() {
        for (room, log) in life.rooms() {
            judge_log(room, log, &mut found);
        }
    }
    for removal in removals(run) {
        judge_removal(run, &removal, &mut found);
    }
    found
}

/// How many removals were acknowledged.
pub fn acknowledged(run: &Run<'_>) -> usize {
    removals(run).count()
}

/// Everything in the timeline is by somebody who was a member just before it; the operator is none and needs to be none.
///
/// A removal is a batch of the notice and the member event behind it, so the notice itself is before the removal.
fn judge_log(room: &Room, log: &Log<'_>, found: &mut Vec<Violation>) {
    for (&seq, told) in &log.timeline {
        let Some(person) = told.actor().filter(|person| !person.0.starts_with('~')) else { continue };
        let standing = log.standing_before(&person, seq);
        if standing != Standing::Joined {
            found.push(Violation::AfterRemoval {
                room: room.clone(),
                person,
                seq,
                event: told.event.to_owned(),
                standing,
            });
        }
    }
}

fn judge_removal(run: &Run<'_>, removal: &Removal<'_>, found: &mut Vec<Violation>) {
    if run.ledger.was_wiped(removal.epoch) {
        return;
    }
    let Removal { call, room, person, seq, .. } = *removal;
    let log = run.ledger.log(removal.epoch, room);
    let standing = log.map(|log| log.standing_before(person, Seq(seq.0 + 1)));
    if !matches!(standing, Some(Standing::Removed | Standing::Banned { .. } | Standing::Stranger)) {
        found.push(Violation::NotRemoved { call, room: room.clone(), person: person.clone(), seq });
        return;
    }
    let back = log.and_then(|log| log.return_after(person, seq));
    for sent in run.calls.iter().filter(|sent| sent.person == person) {
        let (Command::Send { room: to, .. } | Command::Edit { room: to, .. } | Command::Delete { room: to, .. }) =
            sent.command
        else {
            continue;
        };
        let Some((Answer::Stored { at, .. }, _)) = sent.answer else { continue };
        let after = at.epoch == *removal.epoch && at.seq > seq && back.is_none_or(|back| at.seq < back);
        if to == room && after {
            found.push(Violation::Acknowledged {
                call: sent.id,
                room: room.clone(),
                person: person.clone(),
                seq: at.seq,
                removal: seq,
            });
        }
    }
}

fn removals<'h>(run: &Run<'h>) -> impl Iterator<Item = Removal<'h>> {
    run.calls.iter().filter_map(|call| {
        let (room, person) = match call.command {
            Command::Govern { room, deed: Deed::Kick | Deed::Ban, target: Some(person) } => (room, person),
            Command::Exit { room } => (room, call.person),
            _ => return None,
        };
        match call.answer {
            Some((Answer::Stored { at, .. }, _)) => {
                Some(Removal { call: call.id, room, person, epoch: &at.epoch, seq: at.seq })
            }
            _ => None,
        }
    })
}
