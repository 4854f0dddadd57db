//! Decisions on old facts, in any interleaving, over guards alone: no central decider, and still nothing of
//! somebody's lands after their removal.

use proptest::prelude::*;

use super::*;

/// By whose authority a timeline event is there; none for the operator's and for an owner's own exit.
fn by(event: &Event) -> Option<&UserId> {
    let by = match event {
        Event::MessageSent(e) => &e.user_id,
        Event::MessageEdited(e) => &e.user_id,
        Event::MessageDeleted(e) => &e.user_id,
        Event::MemberChanged(e) => e.by.as_ref()?,
        Event::RoomUpdated(e) => &e.by,
        Event::SystemSaid(_) | Event::Member(_) | Event::Room(_) => return None,
    };
    (*by != UserId::system()).then_some(by)
}

fn writes(event: &Event) -> bool {
    matches!(event, Event::MessageSent(_) | Event::MessageEdited(_))
}

fn owners_told(log: &[Event]) -> Option<Vec<UserId>> {
    log.iter().rev().find_map(|event| match event {
        Event::Room(info) => Some(sorted(info.owners.clone())),
        _ => None,
    })
}

fn owners_by_standing(log: &[Event]) -> Vec<UserId> {
    let people = PEOPLE.iter().map(|id| user(id));
    people.filter(|user| standing_of(log, user).is_some_and(|own| own.is_joined() && own.role == Role::Owner)).collect()
}

fn sorted(mut users: Vec<UserId>) -> Vec<UserId> {
    users.sort();
    users
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_of_theirs_lands_between_a_removal_and_a_return(attempts in attempts(6)) {
        play(&attempts, |before, batch, _| {
            for author in batch.iter().filter_map(by) {
                let standing = standing_of(before, author);
                assert!(standing.is_some_and(Membership::is_joined), "{author} acted as {standing:?}");
            }
        });
    }

    #[test]
    fn no_word_of_the_muted_is_stored(attempts in attempts(6)) {
        play(&attempts, |before, batch, now| {
            for author in batch.iter().filter(|event| writes(event)).filter_map(by) {
                assert!(!standing_of(before, author).unwrap().is_muted(now), "{author} spoke, muted");
            }
        });
    }

    #[test]
    fn nobody_comes_in_past_a_ban(attempts in attempts(6)) {
        play(&attempts, |before, batch, now| {
            for event in batch {
                let Event::Member(member) = event else { continue };
                let banned = standing_of(before, &member.user_id).is_some_and(|before| before.is_banned(now));
                assert!(!(banned && member.is_joined()), "{} walked in", member.user_id);
            }
        });
    }

    #[test]
    fn the_room_always_has_an_owner_and_its_list_of_them_is_true(attempts in attempts(6)) {
        play(&attempts, |before, batch, _| {
            let log = [before, batch].concat();
            let owners = owners_by_standing(&log);
            assert_eq!(owners_told(&log).as_ref(), Some(&owners));
            assert!(!owners.is_empty());
        });
    }

    #[test]
    fn a_batch_is_notice_then_info_then_standing(attempts in attempts(0)) {
        play(&attempts, |before, batch, _| {
            let order = |event: &Event| match event.address() {
                Address::Timeline(_) => 0,
                Address::Info(_) => 1,
                Address::Member(..) => 2,
            };
            assert!(batch.is_sorted_by_key(order), "{batch:?}");
            let members = batch.iter().filter(|event| matches!(event, Event::Member(_))).count();
            assert!(members <= 1 || before.is_empty(), "only a founding changes several standings");
        });
    }

    #[test]
    fn who_repeats_what_was_stored_hears_that_it_stands_or_may_not(attempts in attempts(0)) {
        // Of those commands that change a standing or the room, none changes it twice.
        let mut log = Log::default();
        let mut now = time("2026-01-01T00:00:00Z");
        for attempt in &attempts {
            now = Timestamp::from_ms(now.as_ms() + attempt.ms_later);
            let (actor, command) = (attempt.actor(), attempt.command(&log, now));
            let decide = |log: &Log| command.decide(&log.facts_as_of(log.0.len(), &actor, &command), now);
            let Ok(Decision::Append(drafts)) = decide(&log) else { continue };
            log.append(drafts).unwrap();
            if !matches!(command, Command::Send(_) | Command::Edit(_) | Command::Delete(_)) {
                prop_assert!(!matches!(decide(&log), Ok(Decision::Append(_))), "{command:?}");
            }
        }
    }
}
