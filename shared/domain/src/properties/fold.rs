//! The fold: total; the same however the log is cut up; unmoved by what comes twice; and the same from a deletion
//! on whether the deleted is still in the log or not.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// A stored event: its sequence, and the id that it was stored under.
type Stored = (Seq, Event, Option<MessageId>);

fn stored(log: Log) -> Vec<Stored> {
    let id = |seq: u64, event: &Event| match event {
        Event::MessageSent(sent) | Event::SystemSaid(sent) => Some(sent.message_id.clone()),
        Event::MessageEdited(_) | Event::MessageDeleted(_) => Some(MessageId::parse(format!("k{seq}")).unwrap()),
        _ => None,
    };
    log.0.into_iter().zip(1..).map(|(event, seq)| (Seq(seq), event.clone(), id(seq, &event))).collect()
}

fn fold<'a>(into: Room, events: impl IntoIterator<Item = &'a Stored>) -> Room {
    events.into_iter().fold(into, |mut room, (seq, event, id)| {
        room.evolve(*seq, event, id.as_ref());
        room
    })
}

fn logs() -> impl Strategy<Value = Vec<Stored>> {
    attempts(0).prop_map(|attempts| stored(play(&attempts, |_, _, _| {})))
}

/// The message that an event is part of.
fn part_of(event: &Event) -> Option<&MessageId> {
    match event {
        Event::MessageSent(e) | Event::SystemSaid(e) => Some(&e.message_id),
        Event::MessageEdited(e) => Some(&e.message_id),
        _ => None,
    }
}

fn deleted(log: &[Stored]) -> Vec<MessageId> {
    let deletions = log.iter().filter_map(|(_, event, _)| match event {
        Event::MessageDeleted(deletion) => Some(deletion.message_id.clone()),
        _ => None,
    });
    deletions.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_rebuild_equals_the_fold_that_went_on_and_on(log in logs(), cut in any::<prop::sample::Index>()) {
        let (first, then) = log.split_at(cut.index(log.len() + 1));
        prop_assert_eq!(fold(fold(Room::default(), first), then), fold(Room::default(), &log));
    }

    #[test]
    fn the_three_kinds_of_subject_fold_apart(log in logs()) {
        let of = |kind: fn(&Address) -> bool| log.iter().filter(move |(_, event, _)| kind(&event.address()));
        let members = fold(Room::default(), of(|a| matches!(a, Address::Member(..))));
        let timeline = fold(members, of(|a| matches!(a, Address::Timeline(_))));
        let info = fold(timeline, of(|a| matches!(a, Address::Info(_))));
        prop_assert_eq!(info, fold(Room::default(), &log));
    }

    #[test]
    fn what_comes_again_changes_nothing(log in logs(), again in prop::collection::vec(any::<prop::sample::Index>(), 1..20)) {
        let whole = fold(Room::default(), &log);
        prop_assume!(!log.is_empty());
        let again: Vec<Stored> = again.iter().map(|index| index.get(&log).clone()).collect();
        prop_assert_eq!(&fold(whole.clone(), &again), &whole);
        // In between, too: each event followed at once by one that came before.
        let mut between = Room::default();
        for (at, (seq, event, id)) in log.iter().enumerate() {
            between.evolve(*seq, event, id.as_ref());
            let (seq, event, id) = &log[again.len() * 7 % (at + 1)];
            between.evolve(*seq, event, id.as_ref());
        }
        prop_assert_eq!(between, whole);
    }

    #[test]
    fn a_retry_past_the_streams_window_is_no_second_message(log in logs(), again in prop::collection::vec(any::<prop::sample::Index>(), 1..20)) {
        let whole = fold(Room::default(), &log);
        let keyed: Vec<&Stored> = log.iter().filter(|(_, _, id)| id.is_some()).collect();
        prop_assume!(!keyed.is_empty());
        let late = again.iter().zip(log.len() as u64 + 1..).map(|(index, seq)| {
            let (_, event, id) = index.get(&keyed);
            (Seq(seq), event.clone(), id.clone())
        });
        let late: Vec<Stored> = late.collect();
        prop_assert_eq!(fold(whole.clone(), &late), whole);
    }

    #[test]
    fn the_fold_without_the_erased_equals_the_fold_of_the_whole(log in logs(), spare in any::<prop::sample::Index>()) {
        let whole = fold(Room::default(), &log);
        let mut erased: HashSet<MessageId> = deleted(&log).into_iter().collect();
        let gone = |erased: &HashSet<MessageId>| -> Vec<Stored> {
            let kept = |(_, event, _): &&Stored| part_of(event).is_none_or(|id| !erased.contains(id));
            log.iter().filter(kept).cloned().collect()
        };
        prop_assert_eq!(&fold(Room::default(), &gone(&erased)), &whole);
        // The eraser is not done yet: some are still there.
        if !erased.is_empty() {
            let spared = erased.iter().nth(spare.index(erased.len())).cloned().unwrap();
            erased.remove(&spared);
            prop_assert_eq!(&fold(Room::default(), &gone(&erased)), &whole);
        }
    }

    #[test]
    fn it_is_total(logs in prop::collection::vec(logs(), 1..4), order in prop::collection::vec(any::<prop::sample::Index>(), 0..200)) {
        // Events of several histories of the room in one, in no order, under any sequence.
        let events: Vec<Stored> = logs.into_iter().flatten().collect();
        prop_assume!(!events.is_empty());
        let mut room = Room::default();
        for (at, index) in order.iter().enumerate() {
            let (_, event, id) = index.get(&events);
            room.evolve(Seq((at * 7 % 31) as u64), event, id.as_ref());
            for person in PEOPLE.map(user) {
                room.timeline.unread(&person, Seq(3), Seq::ZERO);
            }
        }
    }

    #[test]
    fn unread_is_what_others_said_after_the_mark_and_still_stands(log in logs(), mark in 0..60u64) {
        let room = fold(Room::default(), &log);
        let gone: HashSet<MessageId> = deleted(&log).into_iter().collect();
        for reader in PEOPLE.map(user) {
            let said = |event: &Event| match event {
                Event::MessageSent(e) | Event::SystemSaid(e) => Some((e.user_id.clone(), e.message_id.clone())),
                _ => None,
            };
            let own = log.iter().filter(|(_, event, _)| said(event).is_some_and(|(by, _)| by == reader));
            let after = own.map(|(seq, ..)| *seq).max().unwrap_or(Seq::ZERO).max(Seq(mark));
            let expected = log
                .iter()
                .filter(|(seq, event, _)| *seq > after && said(event).is_some_and(|(_, id)| !gone.contains(&id)))
                .count();
            prop_assert_eq!(room.timeline.unread(&reader, Seq(mark), Seq::ZERO), expected);
        }
    }

    #[test]
    fn an_event_is_what_it_was_after_it_was_stored(log in logs()) {
        for (_, event, _) in log {
            prop_assert_eq!(Event::decode(&event.encode()).unwrap(), event);
        }
    }
}
