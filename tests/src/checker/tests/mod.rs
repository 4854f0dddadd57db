//! The checker checked: recordings of a sound system pass; each way to break a promise is found, and as what it is.

mod breakage;
mod specimen;
mod tape;
mod world;

use proptest::prelude::*;

use super::history::{Entry, History, Observation, Service, Which};
use super::name::{Moment, Seq};
use super::{Promise, judge};
use breakage::BREAKAGES;
use specimen::{Fate, Step};
use world::World;

/// A long evening, in which everything happens that can be broken.
fn evening() -> History {
    use Step::*;
    let newest = Page(0, Which::Newest, 50);
    let steps = [
        Join(0),
        Join(1),
        Join(2),
        Join(3),
        Presence(0),
        Send(0, Fate::Acknowledged),
        Send(1, Fate::Acknowledged),
        Send(2, Fate::AnswerLost),
        Retry(2),
        Send(1, Fate::FrameLost),
        Retry(1),
        Send(3, Fate::Refused),
        Send(3, Fate::Acknowledged),
        Edit(1),
        newest,
        Page(1, Which::Before(Seq(9)), 2),
        Page(2, Which::After(Seq(4)), 2),
        Rooms(0),
        Read(1),
        Rooms(1),
        Rooms(0),
        Close(2),
        Send(0, Fate::Acknowledged),
        Send(0, Fate::Acknowledged),
        Delete(1),
        Join(2),
        Settle,
        Send(2, Fate::Acknowledged),
        PutOut(3, true),
        Send(0, Fate::Acknowledged),
        newest,
        Rooms(1),
        Leave(2),
        Send(1, Fate::Acknowledged),
        Send(0, Fate::Acknowledged),
        Settle,
        Die(1),
        Presence(0),
        Send(0, Fate::Acknowledged),
        Join(1),
        newest,
        Rooms(1),
        Page(3, Which::Newest, 5),
    ];
    World::play(&steps, false, true)
}

#[test]
fn a_sound_recording_passes_and_has_something_to_say_about_every_promise() {
    let verdict = judge(&evening()).expect("sound");
    assert!(verdict.violations.is_empty(), "{verdict}");
    assert!(verdict.judged.values().all(|judged| *judged > 0), "{verdict}");
}

#[test]
fn every_breakage_is_found_as_what_it_is() {
    let evening = evening();
    for breakage in BREAKAGES {
        let broken = breakage.apply(&evening).unwrap_or_else(|| panic!("{}: nothing to break", breakage.name));
        let verdict = judge(&broken).expect("broken, but sound");
        assert!(verdict.violations.iter().any(breakage.shows), "{}: not found\n{verdict}", breakage.name);
    }
}

/// A ghost is none while nobody could be told of it; afterwards it is one again.
#[test]
fn a_trouble_excuses_ghosts_for_two_lease_periods_beyond_it_and_no_longer() {
    let breakage = BREAKAGES.iter().find(|one| one.name == "the dead are still listed").expect("there is one");
    let broken = breakage.apply(&evening()).expect("applies");
    let is_ghost = |freed_at: u64| {
        let mut history = broken.clone();
        let died =
            history.entries.iter().position(|entry| matches!(entry.what, Observation::Died { .. })).expect("dies");
        let at = history.entries[died].at;
        let service = Service::Edge("south".into());
        history.entries.insert(died, Entry { at, what: Observation::Hindered { service: service.clone() } });
        let freed = Moment(at.0 + freed_at);
        let place = history.entries.iter().position(|entry| entry.at > freed).expect("the evening goes on");
        history.entries.insert(place, Entry { at: freed, what: Observation::Freed { service } });
        !judge(&history).expect("sound").violations.is_empty()
    };
    assert!(is_ghost(1), "an edge that was frozen for a moment may keep its ghosts for ever");
    assert!(!is_ghost(3 * world::LEASE_MS), "a ghost that nobody can know of");
}

#[test]
fn every_promise_has_a_breakage() {
    let evening = evening();
    let mut broken = std::collections::BTreeSet::new();
    for breakage in BREAKAGES {
        let verdict = judge(&breakage.apply(&evening).expect("applies")).expect("sound");
        broken.extend(verdict.violations.iter().filter(|one| (breakage.shows)(one)).map(|one| one.promise()));
    }
    use Promise::*;
    assert_eq!(broken, [ExactlyOnce, OneOrder, Replay, Removal, Unread, Visibility, BoundedMemory, Ghosts].into());
}

#[test]
fn a_recording_that_was_not_read_back_or_has_no_beginning_is_not_judged() {
    let mut evening = evening();
    evening.entries.pop();
    assert_eq!(judge(&evening), Err(super::Unsound::NoReplay));
    assert_eq!(judge(&History::default()), Err(super::Unsound::NoBeginning));
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..4_usize;
    let fate = prop_oneof![
        4 => Just(Fate::Acknowledged),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::FrameLost),
        1 => Just(Fate::Refused),
    ];
    let which = prop_oneof![
        Just(Which::Newest),
        (1..60_u64).prop_map(|seq| Which::Before(Seq(seq))),
        (0..60_u64).prop_map(|seq| Which::After(Seq(seq))),
    ];
    prop_oneof![
        4 => who.clone().prop_map(Step::Join),
        1 => who.clone().prop_map(Step::Leave),
        1 => who.clone().prop_map(Step::Close),
        8 => (who.clone(), fate).prop_map(|(who, fate)| Step::Send(who, fate)),
        2 => who.clone().prop_map(Step::Retry),
        1 => who.clone().prop_map(Step::StoreAgain),
        2 => who.clone().prop_map(Step::Edit),
        2 => who.clone().prop_map(Step::Delete),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, for_good)| Step::PutOut(who, for_good)),
        1 => who.clone().prop_map(Step::Unban),
        1 => who.clone().prop_map(Step::Read),
        2 => who.clone().prop_map(Step::Rooms),
        2 => (who.clone(), which, 1..20_usize).prop_map(|(who, which, limit)| Step::Page(who, which, limit)),
        1 => who.prop_map(Step::Presence),
        1 => (0..2_usize).prop_map(Step::Die),
        1 => Just(Step::Settle),
    ]
}

proptest! {
    #[test]
    fn whatever_a_sound_system_does_passes(
        steps in prop::collection::vec(step(), 1..80), open in any::<bool>(), erases in any::<bool>(),
    ) {
        let history = World::play(&steps, open, erases);
        let verdict = judge(&history).expect("sound");
        prop_assert!(verdict.violations.is_empty(), "{verdict}\n{steps:?}");
    }

    #[test]
    fn whatever_is_broken_is_found(
        steps in prop::collection::vec(step(), 20..80),
        open in any::<bool>(),
        erases in any::<bool>(),
        which in any::<prop::sample::Index>(),
    ) {
        let breakage = which.get(BREAKAGES);
        if let Some(broken) = breakage.apply(&World::play(&steps, open, erases)) {
            let verdict = judge(&broken).expect("sound");
            prop_assert!(verdict.violations.iter().any(breakage.shows), "{}: {verdict}\n{steps:?}", breakage.name);
        }
    }

    #[test]
    fn a_recording_survives_being_written_down(steps in prop::collection::vec(step(), 1..40)) {
        let history = World::play(&steps, true, false);
        let mut lines = Vec::new();
        history.write(&mut lines).expect("memory takes all");
        prop_assert_eq!(History::read(lines.as_slice()).expect("its own lines"), history);
    }
}
