//! Ways to break a promise, one each: done to a sound recording, with what the checker must then say.
//!
//! A breakage looks for a place where it is certain to be a breakage, whatever else the recording holds; where there is
//! none it doesn't apply.

use serde_json::json;

use super::tape::{Tape, ends_or_begins};
use crate::checker::history::*;
use crate::checker::name::*;
use crate::checker::{Violation, bounded_memory, exactly_once, ghosts, one_order, removal, replay, unread, visibility};

/// A way to break a promise.
pub(super) struct Breakage {
    /// What goes wrong.
    pub(super) name: &'static str,
    /// Does it; none where there is nothing to break.
    how: fn(&mut Tape) -> Option<()>,
    /// Whether a violation is what must be found.
    pub(super) shows: fn(&Violation) -> bool,
}

impl Breakage {
    /// The recording with the promise broken.
    pub(super) fn apply(&self, history: &History) -> Option<History> {
        let mut tape = Tape { entries: history.entries.clone() };
        (self.how)(&mut tape)?;
        Some(History { entries: tape.entries })
    }
}

macro_rules! breakages {
    ($($name:literal: $how:path => $shows:pat,)+) => {
        /// All of them.
        pub(super) const BREAKAGES: &[Breakage] = &[$(
            Breakage { name: $name, how: $how, shows: |violation| matches!(violation, $shows) },
        )+];
    };
}

breakages! {
    "an acknowledged message is lost": lose => Violation::ExactlyOnce(exactly_once::Violation::Lost { .. }),
    "a stored message says something else": alter => Violation::ExactlyOnce(exactly_once::Violation::Altered { .. }),
    "one send is stored twice": double => Violation::ExactlyOnce(exactly_once::Violation::Twice { .. }),
    "a retry becomes another message": answer_twice => Violation::ExactlyOnce(exactly_once::Violation::TwoAnswers { .. }),
    "a refused message is stored": store_refused => Violation::ExactlyOnce(exactly_once::Violation::RefusedButStored { .. }),
    "a message that nobody sent": invent => Violation::ExactlyOnce(exactly_once::Violation::NeverSent { .. }),
    "history leaves an acknowledged message out": leave_out => Violation::ExactlyOnce(exactly_once::Violation::NotOnceInHistory { times: 0, .. }),
    "history shows a message twice": show_twice => Violation::ExactlyOnce(exactly_once::Violation::NotOnceInHistory { times: 2, .. }),
    "an acknowledged deletion is not there": unback => Violation::ExactlyOnce(exactly_once::Violation::Unbacked { .. }),

    "two frames change places": swap_frames => Violation::OneOrder(one_order::Violation::OutOfOrder { .. }),
    "a frame comes twice": repeat_frame => Violation::OneOrder(one_order::Violation::OutOfOrder { .. }),
    "a frame is lost on the wire": drop_frame => Violation::OneOrder(one_order::Violation::Gap { .. }),
    "a resume leaves something out": cut_resume => Violation::OneOrder(one_order::Violation::Missed { .. }),
    "a frame says something else than the log": forge_frame => Violation::OneOrder(one_order::Violation::Altered { .. }),
    "two clients are told different things": disagree => Violation::OneOrder(one_order::Violation::Disagree { .. }),
    "a frame that was never stored": invent_frame => Violation::OneOrder(one_order::Violation::NotInLog { .. }),
    "a client is given half a frame": garble => Violation::OneOrder(one_order::Violation::Garbled { .. }),
    "a client isn't told the last": fall_silent => Violation::OneOrder(one_order::Violation::Behind { .. }),
    "a resume from another life of the stream": resume_elsewhere => Violation::OneOrder(one_order::Violation::RecoveredFromElsewhere { .. }),
    "a resume that doesn't say whether it is whole": unsay_recovery => Violation::OneOrder(one_order::Violation::RecoveryUnsaid { .. }),

    "history shows a text that never was": forge_item => Violation::Replay(replay::Violation::Page { why: replay::Wrong::Differs(..), .. }),
    "history shows a deleted text": resurrect => Violation::Replay(replay::Violation::Page { why: replay::Wrong::Differs(..), .. }),
    "history is out of order": swap_items => Violation::Replay(replay::Violation::Page { why: replay::Wrong::Order(..), .. }),
    "history has a hole": leave_out => Violation::Replay(replay::Violation::Page { why: replay::Wrong::LeftOut(..), .. }),
    "history doesn't say truly whether there is more": flip_more => Violation::Replay(replay::Violation::Page { why: replay::Wrong::More(..), .. }),
    "a rebuild comes to another state": forge_digest => Violation::Replay(replay::Violation::Digest { .. }),
    "a checkpoint lies past the stream's end": pass_the_end => Violation::Replay(replay::Violation::PastTheEnd { .. }),

    "a message is stored after its author's removal": speak_after_removal => Violation::Removal(removal::Violation::AfterRemoval { .. }),
    "a send is acknowledged after a removal": acknowledge_after_removal => Violation::Removal(removal::Violation::Acknowledged { .. }),
    "an acknowledged removal is not there": unremove => Violation::Removal(removal::Violation::NotRemoved { .. }),

    "one unread too many": count_one_more => Violation::Unread(unread::Violation::Wrong { .. }),
    "one unread too few": count_one_less => Violation::Unread(unread::Violation::Wrong { .. }),
    "less than nothing unread": count_negative => Violation::Unread(unread::Violation::Negative { .. }),
    "two devices count differently": count_differently => Violation::Unread(unread::Violation::DevicesDisagree { .. }),

    "a frame follows the notice of the removal": hear_after_notice => Violation::Visibility(visibility::Violation::AfterTheNotice { .. }),
    "a session hears a room that it left": hear_unattached => Violation::Visibility(visibility::Violation::Unattached { .. }),
    "a removed person is still told": tell_the_removed => Violation::Visibility(visibility::Violation::NotForThem { .. }),
    "a banned person still reads": read_after_ban => Violation::Visibility(visibility::Violation::AnsweredAfterRemoval { .. }),
    "a private room is listed for a banned person": list_private => Violation::Visibility(visibility::Violation::Listed { .. }),

    "a process holds more than it may": hold_too_much => Violation::BoundedMemory(bounded_memory::Violation::Over { .. }),

    "nobody is told that the dead left": hide_leaving => Violation::Ghosts(ghosts::Violation::Ghost { .. }),
    "the dead are still listed": list_the_dead => Violation::Ghosts(ghosts::Violation::Ghost { .. }),
}

const NEW_CALL: CallId = CallId(1_000_000);
const NEW_SESSION: Session = Session(1_000_001);

fn lobby() -> Room {
    Room::from("lobby")
}

fn lose(tape: &mut Tape) -> Option<()> {
    let kept = tape.kept()?;
    tape.entries.remove(kept.stored);
    Some(())
}

fn alter(tape: &mut Tape) -> Option<()> {
    let kept = tape.kept()?;
    let Observation::Stored { data, .. } = &mut tape.entries[kept.stored].what else { return None };
    data["message"] = json!("something else");
    Some(())
}

fn double(tape: &mut Tape) -> Option<()> {
    let kept = tape.kept()?;
    let Observation::Stored { mut data, .. } = tape.entries[kept.stored].what.clone() else { return None };
    data["messageId"] = json!("another");
    tape.append_stored(Slot::Timeline, "chat.message", data)
}

fn answer_twice(tape: &mut Tape) -> Option<()> {
    let kept = tape.kept()?;
    let Observation::Asked { session, command, .. } = tape.entries[kept.asked].what.clone() else { return None };
    let Observation::Answered { answer: Answer::Stored { at, .. }, .. } = tape.entries[kept.answered].what.clone()
    else {
        return None;
    };
    tape.insert(kept.answered + 1, Observation::Asked { call: NEW_CALL, session, command });
    let answer = Answer::Stored { message: Some("another".into()), at };
    tape.insert(kept.answered + 2, Observation::Answered { call: NEW_CALL, answer });
    Some(())
}

fn store_refused(tape: &mut Tape) -> Option<()> {
    let (person, text) = tape.find(|_, what| {
        let Observation::Answered { call, answer: Answer::Refused { .. } } = what else { return None };
        let (_, session, Command::Send { text, .. }) = tape.asked(*call)? else { return None };
        Some((tape.person_of(session)?, text))
    })?;
    let data = json!({"messageId": "another", "userId": person, "message": text});
    tape.append_stored(Slot::Timeline, "chat.message", data)
}

fn invent(tape: &mut Tape) -> Option<()> {
    let Observation::Asked { session, .. } = tape.entries[tape.kept()?.asked].what else { return None };
    let person = tape.person_of(session)?;
    let data = json!({"messageId": "another", "userId": person, "message": "never said"});
    tape.append_stored(Slot::Timeline, "chat.message", data)
}

fn leave_out(tape: &mut Tape) -> Option<()> {
    let (index, item) = tape.item(|index, items, item| {
        let inner = item > 0 && item + 1 < items.len();
        inner && tape.acknowledged_before(index, &items[item].data["messageId"])
    })?;
    tape.items_mut(index)?.remove(item);
    Some(())
}

fn show_twice(tape: &mut Tape) -> Option<()> {
    let (index, item) =
        tape.item(|index, items, item| tape.acknowledged_before(index, &items[item].data["messageId"]))?;
    let items = tape.items_mut(index)?;
    items.insert(item, items[item].clone());
    Some(())
}

fn unback(tape: &mut Tape) -> Option<()> {
    let index = tape.find(|index, what| match what {
        Observation::Answered { call, answer: Answer::Stored { .. } } => {
            matches!(tape.asked(*call)?.2, Command::Delete { .. }).then_some(index)
        }
        _ => None,
    })?;
    let Observation::Answered { answer: Answer::Stored { at, .. }, .. } = &mut tape.entries[index].what else {
        return None;
    };
    at.seq.0 += 100_000;
    Some(())
}

fn swap_frames(tape: &mut Tape) -> Option<()> {
    let (first, session, frame) = tape.live(|index, session, frame| tape.next_live(index, session, frame).is_some())?;
    let second = tape.next_live(first, session, &frame)?;
    *tape.frame_mut(first)? = std::mem::replace(tape.frame_mut(second)?, frame);
    Some(())
}

fn repeat_frame(tape: &mut Tape) -> Option<()> {
    let (index, ..) = tape.live(|_, _, _| true)?;
    tape.insert(index + 1, tape.entries[index].what.clone());
    Some(())
}

fn drop_frame(tape: &mut Tape) -> Option<()> {
    let (index, ..) = tape.live(|index, session, frame| tape.next_live(index, session, frame).is_some())?;
    tape.entries.remove(index);
    Some(())
}

fn cut_resume(tape: &mut Tape) -> Option<()> {
    let (index, event) = tape.find(|index, what| {
        let Observation::Answered { answer: Answer::Joined(joined), .. } = what else { return None };
        let event = joined.events.iter().position(|event| tape.stored(event.seq).is_some())?;
        joined.recovered?.then_some((index, event))
    })?;
    tape.joined_mut(index)?.events.remove(event);
    Some(())
}

fn forge_frame(tape: &mut Tape) -> Option<()> {
    let (index, ..) = tape.live(|_, _, frame| tape.stored(frame.seq).is_some())?;
    tape.frame_mut(index)?.data["message"] = json!("something else");
    Some(())
}

fn disagree(tape: &mut Tape) -> Option<()> {
    let (index, ..) =
        tape.live(|_, session, frame| tape.live(|_, other, same| other != session && same.seq == frame.seq).is_some())?;
    tape.frame_mut(index)?.data["message"] = json!("something else");
    Some(())
}

fn invent_frame(tape: &mut Tape) -> Option<()> {
    let (index, session, frame) = tape.live(|_, _, _| true)?;
    let data = json!({"messageId": "another", "userId": "ada", "message": "never stored"});
    let frame = Frame { event: "chat.message".into(), seq: Seq(100_000), prev: Some(frame.seq), data };
    tape.insert(index + 1, Observation::Live { session, room: lobby(), frame });
    Some(())
}

fn garble(tape: &mut Tape) -> Option<()> {
    let (index, session, _) = tape.live(|_, _, _| true)?;
    tape.insert(index + 1, Observation::Garbled { session, text: "{\"seq\":7,\"prev\":".into() });
    Some(())
}

fn fall_silent(tape: &mut Tape) -> Option<()> {
    let index = tape.find(|settled, what| {
        let Observation::Settled { seq, .. } = what else { return None };
        let (index, session, _) = tape.live(|index, _, frame| index < settled && frame.seq == *seq)?;
        let moved = tape.entries[index..settled].iter().any(|entry| ends_or_begins(&entry.what, session));
        (!moved).then_some(index)
    })?;
    tape.entries.remove(index);
    Some(())
}

fn resume_elsewhere(tape: &mut Tape) -> Option<()> {
    let (asked, _) = tape.resume()?;
    let Observation::Asked { command: Command::Join { since: Some(since), .. }, .. } = &mut tape.entries[asked].what
    else {
        return None;
    };
    since.epoch = "another-life".into();
    Some(())
}

fn unsay_recovery(tape: &mut Tape) -> Option<()> {
    let (_, answered) = tape.resume()?;
    tape.joined_mut(answered)?.recovered = None;
    Some(())
}

fn forge_item(tape: &mut Tape) -> Option<()> {
    let (index, item) = tape.item(|_, items, item| {
        let said = items[item].event == "chat.message" && items[item].data["deleted"] != true;
        said && tape.stored(items[item].seq).is_some()
    })?;
    tape.items_mut(index)?[item].data["message"] = json!("never said");
    Some(())
}

fn resurrect(tape: &mut Tape) -> Option<()> {
    let (index, item) = tape.item(|_, items, item| items[item].data["deleted"] == true)?;
    tape.items_mut(index)?[item].data["message"] = json!("what was taken away");
    Some(())
}

fn swap_items(tape: &mut Tape) -> Option<()> {
    let (index, _) = tape.item(|_, items, item| item == 1 && items.len() > 1)?;
    tape.items_mut(index)?.swap(0, 1);
    Some(())
}

fn flip_more(tape: &mut Tape) -> Option<()> {
    let index = tape.find(|index, what| {
        let Observation::Answered { call, answer: Answer::Page { items, .. } } = what else { return None };
        // A page after a position may come to have more behind it; one before it or of the newest may not.
        let steady = !matches!(tape.asked(*call)?.2, Command::Page { which: Which::After(_), .. });
        (steady && !items.is_empty()).then_some(index)
    })?;
    let Observation::Answered { answer: Answer::Page { more, .. }, .. } = &mut tape.entries[index].what else {
        return None;
    };
    *more = !*more;
    Some(())
}

fn forge_digest(tape: &mut Tape) -> Option<()> {
    // The last state is later than any deletion.
    let index = tape.entries.iter().rposition(|entry| matches!(entry.what, Observation::Folded { .. }))?;
    let Observation::Folded { digest, .. } = &mut tape.entries[index].what else { return None };
    digest.push('!');
    Some(())
}

fn pass_the_end(tape: &mut Tape) -> Option<()> {
    let index = tape.find(|index, what| matches!(what, Observation::Folded { .. }).then_some(index))?;
    let Observation::Folded { position, .. } = &mut tape.entries[index].what else { return None };
    position.0 += 100_000;
    Some(())
}

fn speak_after_removal(tape: &mut Tape) -> Option<()> {
    let (_, person, _) = tape.removal(&[Deed::Kick, Deed::Ban])?;
    let data = json!({"messageId": "another", "userId": person, "message": "still here"});
    tape.append_stored(Slot::Timeline, "chat.message", data)
}

fn acknowledge_after_removal(tape: &mut Tape) -> Option<()> {
    let (index, person, seq) = tape.removal(&[Deed::Kick, Deed::Ban])?;
    let session = tape.session_of(&person)?;
    let command = Command::Send { room: lobby(), key: "late".into(), text: "still here".into() };
    tape.insert(index + 1, Observation::Asked { call: NEW_CALL, session, command });
    let at = Position { epoch: "first-life".into(), seq: Seq(seq.0 + 1) };
    let answer = Answer::Stored { message: Some("another".into()), at };
    tape.insert(index + 2, Observation::Answered { call: NEW_CALL, answer });
    Some(())
}

fn unremove(tape: &mut Tape) -> Option<()> {
    let (_, _, seq) = tape.removal(&[Deed::Kick, Deed::Ban])?;
    let (index, ..) = tape.stored(seq)?;
    tape.entries.remove(index);
    Some(())
}

fn count_one_more(tape: &mut Tape) -> Option<()> {
    let index = tape.sure_count(0)?;
    *tape.count_mut(index)? += 1;
    Some(())
}

fn count_one_less(tape: &mut Tape) -> Option<()> {
    let index = tape.sure_count(1)?;
    *tape.count_mut(index)? -= 1;
    Some(())
}

fn count_negative(tape: &mut Tape) -> Option<()> {
    let index = tape.sure_count(0)?;
    *tape.count_mut(index)? = -1;
    Some(())
}

fn count_differently(tape: &mut Tape) -> Option<()> {
    let index = tape.sure_count(0)?;
    let Observation::Answered { call, answer: Answer::Rooms { mut rooms } } = tape.entries[index].what.clone() else {
        return None;
    };
    let person = tape.person_of(tape.asked(call)?.1)?;
    rooms.first_mut()?.unread += 1;
    tape.insert(index + 1, Observation::Opened { session: NEW_SESSION, person, edge: "north".into() });
    tape.insert(index + 2, Observation::Asked { call: NEW_CALL, session: NEW_SESSION, command: Command::Rooms });
    tape.insert(index + 3, Observation::Answered { call: NEW_CALL, answer: Answer::Rooms { rooms } });
    Some(())
}

/// Where a session hears that its own person was put out.
fn notice(tape: &Tape) -> Option<(usize, Session, Person, Frame)> {
    tape.find(|index, what| {
        let Observation::Live { session, frame, .. } = what else { return None };
        let person = tape.person_of(*session)?;
        let removed = matches!(frame.data["change"].as_str(), Some("kicked" | "banned"));
        (removed && frame.data["userId"] == person.0).then(|| (index, *session, person, frame.clone()))
    })
}

fn hear_after_notice(tape: &mut Tape) -> Option<()> {
    let (index, session, _, notice) = notice(tape)?;
    let data = json!({"messageId": "another", "userId": "ada", "message": "not for you"});
    let seq = Seq(notice.seq.0 + 2);
    let frame = Frame { event: "chat.message".into(), seq, prev: Some(notice.seq), data };
    tape.insert(index + 1, Observation::Live { session, room: lobby(), frame });
    Some(())
}

fn hear_unattached(tape: &mut Tape) -> Option<()> {
    let (index, session) = tape.find(|index, what| {
        let Observation::Answered { call, answer: Answer::Done } = what else { return None };
        let (_, session, command) = tape.asked(*call)?;
        matches!(command, Command::Leave { .. }).then_some((index, session))
    })?;
    let heard = Observation::Heard { session, room: lobby(), event: "chat.typing".into(), person: Some("ada".into()) };
    tape.insert(index + 1, heard);
    Some(())
}

fn tell_the_removed(tape: &mut Tape) -> Option<()> {
    let (index, _, person, notice) = notice(tape)?;
    let returned = tape.entries.iter().any(|entry| match &entry.what {
        Observation::Stored { seq, slot: Slot::Member(who), .. } => *who == person && seq.0 > notice.seq.0 + 1,
        _ => false,
    });
    let later = tape.find(|_, what| match what {
        Observation::Stored { seq, slot: Slot::Timeline, event, data, .. } if seq.0 > notice.seq.0 + 1 => {
            Some(Frame { event: event.clone(), seq: *seq, prev: Some(notice.seq), data: data.clone() })
        }
        _ => None,
    })?;
    if returned {
        return None;
    }
    *tape.frame_mut(index)? = later;
    Some(())
}

fn read_after_ban(tape: &mut Tape) -> Option<()> {
    let (index, person, seq) = tape.removal(&[Deed::Ban])?;
    let session = tape.session_of(&person)?;
    let command = Command::Page { room: lobby(), which: Which::Newest };
    tape.insert(index + 1, Observation::Asked { call: NEW_CALL, session, command });
    let at = Position { epoch: "first-life".into(), seq };
    tape.insert(
        index + 2,
        Observation::Answered { call: NEW_CALL, answer: Answer::Page { at, items: vec![], more: true } },
    );
    Some(())
}

fn list_private(tape: &mut Tape) -> Option<()> {
    let (index, person, seq) = tape.removal(&[Deed::Ban])?;
    let private = tape.find(|_, what| match what {
        Observation::Stored { slot: Slot::Info, data, .. } => Some(data["settings"]["access"] == "private"),
        _ => None,
    })?;
    let session = tape.session_of(&person)?;
    if !private {
        return None;
    }
    let rooms = vec![Listed { room: lobby(), seq, unread: 0, capped: true }];
    tape.insert(index + 1, Observation::Asked { call: NEW_CALL, session, command: Command::Rooms });
    tape.insert(index + 2, Observation::Answered { call: NEW_CALL, answer: Answer::Rooms { rooms } });
    Some(())
}

fn hold_too_much(tape: &mut Tape) -> Option<()> {
    let index = tape.find(|index, what| matches!(what, Observation::Held { .. }).then_some(index))?;
    let Observation::Held { rss_bytes, limit_bytes, .. } = &mut tape.entries[index].what else { return None };
    *rss_bytes = *limit_bytes + 1;
    Some(())
}

fn hide_leaving(tape: &mut Tape) -> Option<()> {
    let (index, ..) = tape.leaving()?;
    tape.entries.remove(index);
    Some(())
}

fn list_the_dead(tape: &mut Tape) -> Option<()> {
    let (_, session, person, back) = tape.leaving()?;
    let command = Command::Presence { room: lobby() };
    tape.insert(back + 1, Observation::Asked { call: NEW_CALL, session, command });
    let answer = Answer::Present { people: vec![person] };
    tape.insert(back + 2, Observation::Answered { call: NEW_CALL, answer });
    Some(())
}
