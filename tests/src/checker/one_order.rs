//! Promise 2: what a client saw live, plus what it got on resume, is a gapless, ordered slice of the room's history; any
//! two clients agree.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::attachment::{Attachment, Heard};
use super::history::{Frame, Observation};
use super::ledger::{Log, Told};
use super::name::{Epoch, Room, Seq, Session};
use super::run::Run;

/// How the promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An event came after a later one, or again.
    #[error("{session} in {room}: {seq} came after {after}")]
    OutOfOrder {
        /// Who was given it.
        session: Session,
        /// Of which room.
        room: Room,
        /// What came.
        seq: Seq,
        /// What had come before.
        after: Seq,
    },
    /// A frame says that something lies between it and the last one.
    #[error("{session} in {room}: {seq} follows {prev}, but {last} was the last that came")]
    Gap {
        /// Who was given it.
        session: Session,
        /// Of which room.
        room: Room,
        /// The frame.
        seq: Seq,
        /// What it says comes before it.
        prev: Seq,
        /// What came before it.
        last: Seq,
    },
    /// The log holds an event within the slice that never came.
    #[error("{session} in {room} was given what lies after {seq}, and never {seq}")]
    Missed {
        /// Who was not given it.
        session: Session,
        /// Of which room.
        room: Room,
        /// The event.
        seq: Seq,
    },
    /// An event came that is not in the log and that no deletion erased.
    #[error("{session} in {room} was given {event} at {seq}, which the log doesn't hold")]
    NotInLog {
        /// Who was given it.
        session: Session,
        /// Of which room.
        room: Room,
        /// The event's sequence.
        seq: Seq,
        /// Its name.
        event: String,
    },
    /// An event came with other content than the log's.
    #[error("{session} in {room} was given another {seq} than the log holds: {given} instead of {stored}")]
    Altered {
        /// Who was given it.
        session: Session,
        /// Of which room.
        room: Room,
        /// The event's sequence.
        seq: Seq,
        /// What was given.
        given: String,
        /// What is stored.
        stored: String,
    },
    /// Two clients were given different events under one sequence.
    #[error("{one} and {other} in {room} were given different events as {seq}")]
    Disagree {
        /// One of them.
        one: Session,
        /// The other.
        other: Session,
        /// The room.
        room: Room,
        /// The sequence.
        seq: Seq,
    },
    /// A client was given what is no frame.
    #[error("{session} was given what is no frame: {text:?}")]
    Garbled {
        /// Who was given it.
        session: Session,
        /// Its beginning.
        text: String,
    },
    /// All was quiet and an attached client still had not been given the last.
    #[error("{session} in {room} got to {reached}, not to {seq}, where all was quiet")]
    Behind {
        /// Who.
        session: Session,
        /// The room.
        room: Room,
        /// How far it got.
        reached: Seq,
        /// The room's last.
        seq: Seq,
    },
    /// An answer says `recovered: true` and can't know.
    #[error("{session} in {room} recovered from a position that is not of this stream, or past its end")]
    RecoveredFromElsewhere {
        /// Who.
        session: Session,
        /// The room.
        room: Room,
    },
    /// An answer to a join with a position doesn't say whether it recovered; or one to a join without says that it did.
    #[error("{session} in {room}: `recovered` is {said:?}, with a position given: {asked}")]
    RecoveryUnsaid {
        /// Who.
        session: Session,
        /// The room.
        room: Room,
        /// What was said.
        said: Option<bool>,
        /// Whether a position was given.
        asked: bool,
    },
}

/// Every break of the promise.
pub fn judge(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for attachment in &run.attachments {
        judge_recovery(attachment, &mut found);
        judge_sequence(attachment, &mut found);
        if !run.ledger.was_wiped(&attachment.joined.at.epoch) {
            judge_against_log(run, attachment, &mut found);
        }
    }
    judge_agreement(run, &mut found);
    judge_quiet(run, &mut found);
    found.extend(run.history.entries.iter().filter_map(|entry| match &entry.what {
        Observation::Garbled { session, text } => Some(Violation::Garbled { session: *session, text: text.clone() }),
        _ => None,
    }));
    found
}

/// How many events were given to clients.
pub fn given(run: &Run<'_>) -> usize {
    run.attachments.iter().map(|attachment| attachment.timeline().count()).sum()
}

fn judge_recovery(attachment: &Attachment<'_>, found: &mut Vec<Violation>) {
    let (session, room) = (attachment.session, attachment.room.clone());
    match (attachment.since, attachment.joined.recovered) {
        (Some(since), Some(true)) => {
            let at = &attachment.joined.at;
            let beyond = attachment.joined.events.iter().any(|event| event.seq > at.seq);
            if since.epoch != at.epoch || since.seq > at.seq || beyond {
                found.push(Violation::RecoveredFromElsewhere { session, room });
            }
        }
        (Some(_), Some(false)) | (None, None | Some(false)) => {}
        (since, said) => found.push(Violation::RecoveryUnsaid { session, room, said, asked: since.is_some() }),
    }
}

fn judge_sequence(attachment: &Attachment<'_>, found: &mut Vec<Violation>) {
    let mut last = attachment.from();
    let joined_at = attachment.joined.at.seq;
    for frame in attachment.timeline() {
        let (session, room, seq) = (attachment.session, attachment.room.clone(), frame.seq);
        if seq > joined_at {
            // What was last of the missed may have been erased: the answer's position stands for it.
            last = last.max(joined_at);
        }
        if seq <= last {
            found.push(Violation::OutOfOrder { session, room, seq, after: last });
            continue;
        }
        if let Some(prev) = frame.prev.filter(|prev| *prev > last) {
            found.push(Violation::Gap { session, room, seq, prev, last });
        }
        last = seq;
    }
}

fn judge_against_log(run: &Run<'_>, attachment: &Attachment<'_>, found: &mut Vec<Violation>) {
    let (session, room) = (attachment.session, attachment.room);
    let Some(log) = run.ledger.log(&attachment.joined.at.epoch, room) else { return };
    let given: BTreeMap<Seq, &Frame> = attachment.timeline().map(|frame| (frame.seq, frame)).collect();
    let (from, to) = (attachment.from(), attachment.reached(usize::MAX));
    if from < to {
        for (&seq, told) in log.timeline.range((Bound::Excluded(from), Bound::Included(to))) {
            if !given.contains_key(&seq) && !is_left_out(attachment, log, seq, told) {
                found.push(Violation::Missed { session, room: room.clone(), seq });
            }
        }
    }
    for (&seq, frame) in &given {
        let told = Told::by(frame);
        match log.timeline.get(&seq) {
            Some(stored) if *stored == told => {}
            Some(stored) => found.push(Violation::Altered {
                session,
                room: room.clone(),
                seq,
                given: format!("{} {}", told.event, told.data),
                stored: format!("{} {}", stored.event, stored.data),
            }),
            None if told.message().is_some_and(|message| log.is_erased(&message)) => {}
            None => {
                found.push(Violation::NotInLog { session, room: room.clone(), seq, event: frame.event.clone() });
            }
        }
    }
    for frame in attachment.heard.iter().filter_map(|(_, heard)| match heard {
        Heard::Frame(frame) if frame.prev.is_none() => Some(frame),
        _ => None,
    }) {
        if !log.members.values().any(|standings| standings.contains_key(&frame.seq)) {
            let (room, event) = (room.clone(), frame.event.clone());
            found.push(Violation::NotInLog { session, room, seq: frame.seq, event });
        }
    }
}

/// A resume leaves out what was deleted by then, whether or not the log still holds it.
fn is_left_out(attachment: &Attachment<'_>, log: &Log<'_>, seq: Seq, told: &Told<'_>) -> bool {
    let joined_at = attachment.joined.at.seq;
    let deletion = told.message().and_then(|message| log.deletions.get(&message));
    seq <= joined_at && deletion.is_some_and(|deletion| seq < deletion.seq && deletion.seq <= joined_at)
}

fn judge_agreement(run: &Run<'_>, found: &mut Vec<Violation>) {
    let mut first: BTreeMap<(&Epoch, &Room, Seq), (Session, &Frame)> = BTreeMap::new();
    // An edge that has not noticed yet that the stream was wiped can't know that what follows is of another life.
    for attachment in run.attachments.iter().filter(|one| !run.ledger.was_wiped(&one.joined.at.epoch)) {
        for frame in attachment.timeline() {
            let place = (&attachment.joined.at.epoch, attachment.room, frame.seq);
            let (one, known) = first.entry(place).or_insert((attachment.session, frame));
            if Told::by(known) != Told::by(frame) {
                found.push(Violation::Disagree {
                    one: *one,
                    other: attachment.session,
                    room: attachment.room.clone(),
                    seq: frame.seq,
                });
            }
        }
    }
}

fn judge_quiet(run: &Run<'_>, found: &mut Vec<Violation>) {
    for (index, entry) in run.history.entries.iter().enumerate() {
        let Observation::Settled { room, seq } = &entry.what else { continue };
        for attachment in run.attachments.iter().filter(|one| one.room == room && one.lasts_at(index)) {
            let reached = attachment.reached(index);
            if reached < *seq {
                let session = attachment.session;
                found.push(Violation::Behind { session, room: room.clone(), reached, seq: *seq });
            }
        }
    }
}
