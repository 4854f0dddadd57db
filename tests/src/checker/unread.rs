//! Promise 5: unread = messages of others after the read mark, deleted ones not counted; never negative; the same on every
//! device.

use std::collections::BTreeMap;

use super::call::{Call, Noted};
use super::history::{Answer, Command, Listed, Observation};
use super::ledger::Log;
use super::name::{Epoch, Person, Room, Seq, Session};
use super::present::{Body, Item, items};
use super::run::Run;

/// How the promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The count is below nothing.
    #[error("{person} has {unread} unread in {room}")]
    Negative {
        /// Whose count.
        person: Person,
        /// Of which room.
        room: Room,
        /// The count.
        unread: i64,
    },
    /// The count is not what the log and the mark come to.
    #[error("{person} has {unread} unread in {room} at {at}; it should be {least} to {most}")]
    Wrong {
        /// Whose count.
        person: Person,
        /// Of which room.
        room: Room,
        /// The position that the count is of.
        at: Seq,
        /// The count.
        unread: i64,
        /// What it is with every mark that may have counted already.
        least: i64,
        /// What it is with those marks only that must have counted.
        most: i64,
    },
    /// Two devices of one person show different counts of the same.
    #[error("{person} has {one_unread} unread in {room} at {at} on {one}, and {other_unread} on {other}")]
    DevicesDisagree {
        /// Whose count.
        person: Person,
        /// Of which room.
        room: Room,
        /// The position that both counts are of.
        at: Seq,
        /// One device.
        one: Session,
        /// Its count.
        one_unread: i64,
        /// Another.
        other: Session,
        /// Its count.
        other_unread: i64,
    },
}

/// A count that somebody was shown.
#[derive(Debug, Clone, Copy)]
struct Shown<'h> {
    session: Session,
    person: &'h Person,
    asked: Noted,
    answered: Noted,
    listed: &'h Listed,
}

/// Every break of the promise.
pub fn judge(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut sure: BTreeMap<(&Person, &Room, Seq, Seq), Shown<'_>> = BTreeMap::new();
    for shown in shown(run) {
        let Listed { room, seq: at, unread, capped } = shown.listed;
        if *unread < 0 {
            found.push(Violation::Negative { person: shown.person.clone(), room: room.clone(), unread: *unread });
            continue;
        }
        if run.ledger.is_partly_wiped() {
            continue;
        }
        let marks = Marks::of(run, &shown);
        if marks.least == marks.most {
            let place = (shown.person, room, *at, marks.least);
            let one = *sure.entry(place).or_insert(shown);
            if one.listed != shown.listed {
                found.push(Violation::DevicesDisagree {
                    person: shown.person.clone(),
                    room: room.clone(),
                    at: *at,
                    one: one.session,
                    one_unread: one.listed.unread,
                    other: shown.session,
                    other_unread: *unread,
                });
            }
        }
        let Some((_, log)) = log_of(run, room) else { continue };
        let (least, most) = count(log, &shown, &marks);
        let right = if *capped { *unread <= most } else { (least..=most).contains(unread) };
        if !right {
            let (person, room) = (shown.person.clone(), room.clone());
            found.push(Violation::Wrong { person, room, at: *at, unread: *unread, least, most });
        }
    }
    found
}

/// How many counts there were to judge.
pub fn counted(run: &Run<'_>) -> usize {
    shown(run).count()
}

fn shown<'h>(run: &Run<'h>) -> impl Iterator<Item = Shown<'h>> {
    run.calls.iter().flat_map(|call| {
        let listed = match call.answer {
            Some((Answer::Rooms { rooms }, answered)) => Some((rooms, answered)),
            _ => None,
        };
        listed.into_iter().flat_map(move |(rooms, answered)| {
            let Call { session, person, asked, .. } = *call;
            rooms.iter().map(move |listed| Shown { session, person, asked, answered, listed })
        })
    })
}

/// Where a person's own read mark can have been when a count was made.
#[derive(Debug, Clone, Copy)]
struct Marks {
    /// At least there: acknowledged to the same session before the question, or to any before all was quiet.
    least: Seq,
    /// At most there: asked for by anybody before the answer.
    most: Seq,
}

impl Marks {
    fn of(run: &Run<'_>, shown: &Shown<'_>) -> Self {
        let room = &shown.listed.room;
        let quiet = run.history.entries[..shown.asked.index]
            .iter()
            .rposition(|entry| matches!(&entry.what, Observation::Settled { room: settled, .. } if settled == room));
        let (mut least, mut most) = (Seq(0), Seq(0));
        for call in run.calls.iter().filter(|call| call.person == shown.person && call.asked < shown.answered) {
            let Command::Read { room: marked, seq } = call.command else { continue };
            if marked != room || matches!(call.answer, Some((Answer::Refused { .. }, _))) {
                continue;
            }
            most = most.max(*seq);
            let done = call.answer.filter(|(answer, _)| matches!(answer, Answer::Done | Answer::Stored { .. }));
            let counts = done.is_some_and(|(_, noted)| {
                let own = call.session == shown.session && noted < shown.asked;
                own || quiet.is_some_and(|quiet| noted.index < quiet)
            });
            if counts {
                least = least.max(*seq);
            }
        }
        Self { least, most }
    }
}

/// The least and the greatest count that the log and the marks allow. A message of one's own moves one's mark.
fn count(log: &Log<'_>, shown: &Shown<'_>, marks: &Marks) -> (i64, i64) {
    let at = shown.listed.seq;
    let floor = log.floor(shown.person, at);
    let items = items(log, at);
    let own = |erased: bool| {
        let own = items.iter().filter(|item| item.is_by(shown.person));
        own.filter(|item| erased || !matches!(item.body, Body::Erased { .. })).map(|item| item.seq).max()
    };
    let unread_after = |mark: Seq| {
        let unread =
            |item: &&Item<'_>| item.seq > mark && item.seq >= floor && item.readable_by_others_than(shown.person);
        i64::try_from(items.iter().filter(unread).count()).unwrap_or(i64::MAX)
    };
    // A rebuild from a log without an erased message of one's own can't know that it had moved the mark.
    let most = unread_after(marks.least.max(own(false).unwrap_or_default()));
    let least = unread_after(marks.most.max(own(true).unwrap_or_default()));
    (least, most)
}

/// The room's log in the one life of the stream that holds it. A list of rooms names no epoch: over a wiped stream nothing
/// is judged.
fn log_of<'r, 'h>(run: &'r Run<'h>, room: &Room) -> Option<(&'h Epoch, &'r Log<'h>)> {
    if run.ledger.is_partly_wiped() {
        return None;
    }
    let mut logs = run
        .ledger
        .lives()
        .flat_map(|(epoch, life)| life.rooms().filter(|(name, _)| *name == room).map(move |(_, log)| (epoch, log)));
    let only = logs.next()?;
    logs.next().is_none().then_some(only)
}
