//! Promise 6: nobody receives, lists, searches or is pushed what they may not read at that moment.

use std::fmt;

use super::attachment::{Attachment, Heard, Stray};
use super::call::Noted;
use super::history::{Answer, Command, Deed};
use super::ledger::{Log, Standing};
use super::name::{Person, Room, Seq, Session};
use super::run::Run;

/// How the promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An event reached somebody who might not read the room when it was stored.
    #[error("{person} was given {seq} of {room} {way}, standing as {standing:?}")]
    NotForThem {
        /// Who.
        person: Person,
        /// Which room.
        room: Room,
        /// The event.
        seq: Seq,
        /// How it reached them.
        way: Way,
        /// How they stood when it was stored.
        standing: Standing,
    },
    /// An event from before the join that began their membership, in a room that shows members nothing older.
    #[error("{person} was given {seq} of {room} {way}, and may read it from {floor} on only")]
    BeforeTheirTime {
        /// Who.
        person: Person,
        /// Which room.
        room: Room,
        /// The event.
        seq: Seq,
        /// How it reached them.
        way: Way,
        /// The join.
        floor: Seq,
    },
    /// A session heard more of a room after the notice that put its person out.
    #[error("{session} of {person} still heard {what} of {room} after the notice of their removal at {removal}")]
    AfterTheNotice {
        /// The connection.
        session: Session,
        /// Who.
        person: Person,
        /// Which room.
        room: Room,
        /// What it heard.
        what: String,
        /// The notice.
        removal: Seq,
    },
    /// A session heard something of a room that it was not attached to.
    #[error("{session} of {person} heard {what} of {room}, unattached")]
    Unattached {
        /// The connection.
        session: Session,
        /// Who.
        person: Person,
        /// Which room.
        room: Room,
        /// What it heard.
        what: String,
    },
    /// A removal had been acknowledged, and what was asked for afterwards was still answered.
    #[error("{person} was answered about {room} after their removal at {removal} had been acknowledged")]
    AnsweredAfterRemoval {
        /// Who.
        person: Person,
        /// Which room.
        room: Room,
        /// The removal.
        removal: Seq,
    },
    /// A private room stands in the list of somebody who is no member.
    #[error("{room}, which is private, is listed for {person}, standing as {standing:?}")]
    Listed {
        /// Who.
        person: Person,
        /// Which room.
        room: Room,
        /// How they stood.
        standing: Standing,
    },
}

/// How something reached somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By itself, while attached.
    Live,
    /// With the answer to a join.
    Resumed,
    /// In a page of history.
    Page,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Live => "live",
            Way::Resumed => "on resume",
            Way::Page => "in a page of history",
        })
    }
}

/// Every break of the promise.
pub fn judge(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    judge_attached(run, &mut found);
    judge_pages(run, &mut found);
    judge_removed(run, &mut found);
    judge_lists(run, &mut found);
    found.extend(run.strays.iter().filter_map(|stray| judge_stray(run, stray)));
    found
}

/// How much was shown to anybody, in events and pages.
pub fn shown(run: &Run<'_>) -> usize {
    run.attachments.iter().map(|attachment| attachment.timeline().count()).sum::<usize>() + run.pages().count()
}

fn judge_attached(run: &Run<'_>, found: &mut Vec<Violation>) {
    for attachment in &run.attachments {
        let Some(log) = run.ledger.log(&attachment.joined.at.epoch, attachment.room) else { continue };
        let (person, room, joined_at) = (attachment.person, attachment.room, attachment.joined.at.seq);
        for frame in attachment.timeline() {
            let (moment, way) = if frame.seq <= joined_at {
                (after(log, person, joined_at), Way::Resumed)
            } else {
                (frame.seq, Way::Live)
            };
            let violation = judge_event(log, person, room, frame.seq, moment, way);
            found.extend(violation.filter(|_| !is_back(run, attachment, log, frame.seq, moment)));
        }
    }
}

/// Who was put out of an open room and comes again is told what was said meanwhile, once they are in again: all of it is
/// open to them then. Listening begins a little before that, so the frame's sequence alone can't tell; but what began
/// before their removal was even asked for is no coming back.
fn is_back(run: &Run<'_>, attachment: &Attachment<'_>, log: &Log<'_>, seq: Seq, moment: Seq) -> bool {
    let (person, room) = (attachment.person, attachment.room);
    let removal = log.members.get(person).and_then(|all| all.range(..moment).next_back());
    let Some((&removal, Standing::Removed)) = removal else { return false };
    let open = log.rules_before(Seq(removal.0 + 1)).is_some_and(|rules| rules.open);
    let floor = log.return_after(person, removal).map(|back| log.floor(person, back));
    let asked = run.calls.iter().filter_map(|call| match (call.command, call.answer) {
        (Command::Govern { room: of, deed: Deed::Kick, target: Some(target) }, answer) => {
            let may_be = match answer {
                Some((Answer::Stored { at, .. }, _)) => at.seq == removal,
                Some((Answer::Unclear, _)) | None => true,
                _ => false,
            };
            (may_be && of == room && target == person).then_some(call.asked)
        }
        _ => None,
    });
    open && floor.is_some_and(|floor| seq >= floor) && asked.min().is_some_and(|asked| asked < attachment.asked)
}

fn judge_pages(run: &Run<'_>, found: &mut Vec<Violation>) {
    for page in run.pages() {
        let Some(log) = run.ledger.log(&page.at.epoch, page.room) else { continue };
        // Newest first: where one item is wrong, the newest says most, and one is enough.
        let wrong = page.items.iter().rev().find_map(|item| {
            let moment = after(log, page.person, item.seq.max(page.at.seq));
            judge_event(log, page.person, page.room, item.seq, moment, Way::Page)
        });
        found.extend(wrong);
    }
}

/// What is shown at a position is shown after everything up to it.
fn after(log: &Log<'_>, person: &Person, position: Seq) -> Seq {
    Seq(log.as_of(person, position).0 + 1)
}

/// `moment`: what a person may read follows from what lies before it.
fn judge_event(log: &Log<'_>, person: &Person, room: &Room, seq: Seq, moment: Seq, way: Way) -> Option<Violation> {
    let (person, room) = (person.clone(), room.clone());
    let standing = log.standing_before(&person, moment);
    if !may_read(log, &standing, moment, way) {
        return Some(Violation::NotForThem { person, room, seq, way, standing });
    }
    let floor = log.floor(&person, Seq(moment.0.saturating_sub(1)));
    (seq < floor).then_some(Violation::BeforeTheirTime { person, room, seq, way, floor })
}

/// Members may. In an open room so may anyone who is not banned; but who was put out hears nothing by itself any more.
fn may_read(log: &Log<'_>, standing: &Standing, moment: Seq, way: Way) -> bool {
    let open = log.rules_before(moment).is_some_and(|rules| rules.open);
    match standing {
        Standing::Joined => true,
        Standing::Stranger => open,
        Standing::Removed => open && way == Way::Page,
        // Past its end a banned person counts as gone by themselves; when that was, the sequence doesn't say.
        Standing::Banned { ends } => *ends && open && way == Way::Page,
    }
}

/// Who was put out, and asks only after that was acknowledged, must not be answered before they are back.
fn judge_removed(run: &Run<'_>, found: &mut Vec<Violation>) {
    for removal in &run.calls {
        let Command::Govern { room, deed: deed @ (Deed::Kick | Deed::Ban), target: Some(person) } = removal.command
        else {
            continue;
        };
        let Some((Answer::Stored { at, .. }, acknowledged)) = removal.answer else { continue };
        let Some(log) = run.ledger.log(&at.epoch, room) else { continue };
        let open = log.rules_before(Seq(at.seq.0 + 1)).is_some_and(|rules| rules.open);
        let ends = matches!(log.standing_before(person, Seq(at.seq.0 + 1)), Standing::Banned { ends: true });
        // Whom a ban was lifted from may read what is open to all.
        let later = log.members.get(person).into_iter().flat_map(|all| all.range(Seq(at.seq.0 + 1)..));
        let lifted = open && later.map(|(_, standing)| standing).any(|one| !matches!(one, Standing::Banned { .. }));
        if log.return_after(person, at.seq).is_some() || ends || lifted || (open && *deed == Deed::Kick) {
            continue;
        }
        let answered = answers_about(run, person, room).any(|asked| asked > acknowledged);
        if answered {
            found.push(Violation::AnsweredAfterRemoval { person: person.clone(), room: room.clone(), removal: at.seq });
        }
    }
}

/// When a person asked what was then answered with something of the room.
fn answers_about<'r>(run: &'r Run<'_>, person: &'r Person, room: &'r Room) -> impl Iterator<Item = Noted> + 'r {
    run.calls.iter().filter(move |call| call.person == person).filter_map(move |call| {
        let of = match call.command {
            Command::Join { room, .. }
            | Command::Page { room, .. }
            | Command::Members { room }
            | Command::Presence { room } => room,
            _ => return None,
        };
        let told = matches!(
            call.answer?.0,
            Answer::Joined(_) | Answer::Page { .. } | Answer::Members { .. } | Answer::Present { .. }
        );
        (of == room && told).then_some(call.asked)
    })
}

fn judge_lists(run: &Run<'_>, found: &mut Vec<Violation>) {
    if run.ledger.is_partly_wiped() {
        // A list of rooms names no epoch.
        return;
    }
    for call in &run.calls {
        let Some((Answer::Rooms { rooms }, _)) = call.answer else { continue };
        for listed in rooms {
            let logs = run.ledger.lives().flat_map(|(_, life)| life.rooms()).filter(|(room, _)| **room == listed.room);
            for (room, log) in logs {
                // Whoever becomes a member while the list is made may stand in it.
                let from = Seq(listed.seq.0 + 1);
                let standing = log.standing_before(call.person, from);
                let invited_or_later =
                    log.members.get(call.person).is_some_and(|all| all.range(from..).next().is_some());
                let open = log.rules_before(from).is_some_and(|rules| rules.open);
                let outside = matches!(standing, Standing::Removed | Standing::Banned { ends: false })
                    || !log.members.contains_key(call.person);
                if outside && !open && !invited_or_later {
                    let (person, room) = (call.person.clone(), room.clone());
                    found.push(Violation::Listed { person, room, standing });
                }
            }
        }
    }
}

fn judge_stray(run: &Run<'_>, stray: &Stray<'_>) -> Option<Violation> {
    let (session, person, room) = (stray.session, stray.person.clone(), stray.room.clone());
    let what = match stray.heard {
        Heard::Frame(frame) if is_about(frame, &person) => return None,
        Heard::Passing("chat.memberChanged", Some(about)) if *about == person => return None,
        // Who was a member of a room that was wiped can't be known any more.
        Heard::Passing("chat.roomCreated", _) if run.ledger.is_partly_wiped() => return None,
        Heard::Passing("chat.roomCreated", _) if was_member(run, &person, &room) => return None,
        Heard::Frame(frame) => format!("{} at {}", frame.event, frame.seq),
        Heard::Passing(event, _) => event.to_owned(),
    };
    Some(match stray.put_out {
        Some(removal) => Violation::AfterTheNotice { session, person, room, what, removal },
        None => Violation::Unattached { session, person, room, what },
    })
}

/// A change of one's own standing reaches one without being attached: an invitation, a ban lifted.
fn is_about(frame: &super::history::Frame, person: &Person) -> bool {
    let about = frame.data.get("userId").and_then(serde_json::Value::as_str);
    frame.event == "chat.memberChanged" && about == Some(person.0.as_str())
}

/// Its members are told of a new room wherever they are.
fn was_member(run: &Run<'_>, person: &Person, room: &Room) -> bool {
    let logs = run.ledger.lives().flat_map(|(_, life)| life.rooms()).filter(|(name, _)| *name == room);
    let mut standings = logs.filter_map(|(_, log)| log.members.get(person));
    standings.any(|standings| standings.values().any(|standing| *standing == Standing::Joined))
}
