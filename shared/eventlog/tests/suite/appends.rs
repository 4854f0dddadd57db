//! Guards, batches, duplicates, order, races.

use std::collections::HashSet;

use futures_util::future::join_all;
use klatch_domain::{RoomId, Seq};
use klatch_eventlog::{AppendError, Log, Outcome};

use crate::ground::*;

over_all!(
    a_guard_lets_in_only_what_stood_on_the_last_sequence,
    a_repeat_is_answered_with_the_first_sequence,
    a_repeat_is_known_even_after_the_standing_changed,
    a_join_repeated_is_a_repeat_and_a_second_join_is_not,
    a_batch_is_stored_whole_or_not_at_all,
    a_repeated_batch_is_answered_with_its_last_sequence,
    one_persons_appends_keep_their_order,
    what_can_never_be_stored_is_refused_at_once,
    of_three_creators_one_wins,
    nobody_lands_after_their_kick,
    of_two_moderators_one_wins,
);

async fn a_guard_lets_in_only_what_stood_on_the_last_sequence(ground: Ground) {
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let send = |seq| by(&ada, vec![entry(timeline(&room), "hi").if_last(member(&room, &ada), seq)]);
    let joined = by(&ada, vec![entry(member(&room, &ada), "joined").if_own(Seq::ZERO)]);
    let joined = appended(log.append(joined).await.unwrap());
    let sent = appended(log.append(send(joined)).await.unwrap());
    assert_eq!(sent, joined.next());
    let muted = by(&ada, vec![entry(member(&room, &ada), "muted").if_own(joined)]);
    let muted = appended(log.append(muted).await.unwrap());

    assert_eq!(log.append(send(joined)).await, Ok(Outcome::StandingChanged));
    assert_eq!(log.append(send(Seq::ZERO)).await, Ok(Outcome::StandingChanged));
    assert_eq!(log.last(&timeline(&room)).await.unwrap().unwrap().seq, sent);
    assert_eq!(log.last_seq().await.unwrap(), muted);
}

async fn a_repeat_is_answered_with_the_first_sequence(ground: Ground) {
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let send = || by(&ada, vec![entry(timeline(&room), "hi").under("m1")]);
    let first = appended(log.append(send()).await.unwrap());
    say(log, &room, "between").await;
    assert_eq!(log.append(send()).await, Ok(Outcome::Duplicate { seq: first }));
    assert_eq!(ground.another().await.append(send()).await, Ok(Outcome::Duplicate { seq: first }));
    assert_eq!(log.last_seq().await.unwrap(), first.next());
    assert_eq!(log.get(first).await.unwrap().unwrap().id, Some(id("m1")));
}

/// R1 looks at the guard before it looks at the id, R3 the other way round: the answer must not depend on it.
async fn a_repeat_is_known_even_after_the_standing_changed(ground: Ground) {
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let standing = member(&room, &ada);
    let joined = by(&ada, vec![entry(standing.clone(), "joined").if_own(Seq::ZERO)]);
    let joined = appended(log.append(joined).await.unwrap());
    let send = |key: &str| by(&ada, vec![entry(timeline(&room), "hi").if_last(standing.clone(), joined).under(key)]);
    let sent = appended(log.append(send("m1")).await.unwrap());
    let muted = by(&ada, vec![entry(standing.clone(), "muted").if_own(joined)]);
    let muted = appended(log.append(muted).await.unwrap());

    assert_eq!(log.append(send("m1")).await, Ok(Outcome::Duplicate { seq: sent }));
    assert_eq!(log.append(send("m2")).await, Ok(Outcome::StandingChanged));
    assert_eq!(log.last_seq().await.unwrap(), muted, "asking for an id stored something");
}

async fn a_join_repeated_is_a_repeat_and_a_second_join_is_not(ground: Ground) {
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let join = |key: &str| by(&ada, vec![entry(member(&room, &ada), "joined").if_own(Seq::ZERO).under(key)]);
    let seq = appended(log.append(join("j1")).await.unwrap());
    assert_eq!(log.append(join("j1")).await, Ok(Outcome::Duplicate { seq }));
    assert_eq!(log.append(join("j2")).await, Ok(Outcome::StandingChanged));
}

async fn a_batch_is_stored_whole_or_not_at_all(ground: Ground) {
    let (log, room, ada, ben) = (&ground.log, room("r"), user("ada"), user("ben"));
    let batch = |expected| {
        let notice = entry(timeline(&room), "kicked").under("k1");
        by(&ada, vec![notice, entry(member(&room, &ben), "removed").if_own(expected)])
    };
    assert_eq!(log.append(batch(Seq(7))).await, Ok(Outcome::StandingChanged));
    assert_eq!(log.last_seq().await.unwrap(), Seq::ZERO);

    let seq = appended(log.append(batch(Seq::ZERO)).await.unwrap());
    assert_eq!(seq, Seq(2));
    assert_eq!(words(&log.get(Seq(1)).await.unwrap().unwrap().payload), "kicked");
    let standing = log.last(&member(&room, &ben)).await.unwrap().unwrap();
    assert_eq!((standing.seq, words(&standing.payload)), (seq, "removed".to_owned()));
}

async fn a_repeated_batch_is_answered_with_its_last_sequence(ground: Ground) {
    let (log, room, ada, ben) = (&ground.log, room("r"), user("ada"), user("ben"));
    let batch = || {
        let notice = entry(timeline(&room), "kicked").under("k1");
        by(&ada, vec![notice, entry(info(&room), "info"), entry(member(&room, &ben), "removed").if_own(Seq::ZERO)])
    };
    let seq = appended(log.append(batch()).await.unwrap());
    assert_eq!(seq, Seq(3));
    say(log, &room, "between").await;
    assert_eq!(log.append(batch()).await, Ok(Outcome::Duplicate { seq }));
    assert_eq!(ground.another().await.append(batch()).await, Ok(Outcome::Duplicate { seq }));
    assert_eq!(log.last_seq().await.unwrap(), Seq(4));
}

async fn one_persons_appends_keep_their_order(ground: Ground) {
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let sends = (0..100).map(|number| log.append(by(&ada, vec![entry(timeline(&room), &number.to_string())])));
    let seqs: Vec<Seq> = join_all(sends).await.into_iter().map(|outcome| appended(outcome.unwrap())).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    let range = log.timeline(&room, Seq::ZERO, Seq(u64::MAX), 1_000, 1 << 20).await.unwrap();
    let said: Vec<String> = range.events.iter().map(|stored| words(&stored.payload)).collect();
    assert_eq!(said, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
}

async fn what_can_never_be_stored_is_refused_at_once(ground: Ground) {
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let refused = |outcome: Result<Outcome, AppendError>| matches!(outcome, Err(AppendError::Refused(_)));
    assert!(refused(log.append(by(&ada, Vec::new())).await));
    // nats-server would say "busy" to this, for ever.
    let own_foot = vec![
        entry(member(&room, &ada), "joined"),
        entry(timeline(&room), "hi").if_last(member(&room, &ada), Seq::ZERO),
    ];
    assert!(refused(log.append(by(&ada, own_foot)).await));
    let huge = entry(timeline(&room), &"x".repeat(1 << 20));
    assert_eq!(log.append(by(&ada, vec![huge.clone()])).await, Err(AppendError::TooLarge));
    assert_eq!(log.append(by(&ada, vec![entry(timeline(&room), "hi"), huge])).await, Err(AppendError::TooLarge));
    assert_eq!(log.last_seq().await.unwrap(), Seq::ZERO);
}

async fn of_three_creators_one_wins(ground: Ground) {
    let logs = [ground.log.clone(), ground.another().await, ground.another().await];
    for round in 0..30 {
        let room = room(&format!("r{round}"));
        let creations = logs.iter().zip(["ada", "ben", "cid"]).map(|(log, name)| {
            let person = user(name);
            let room = &room;
            async move {
                let created = entry(info(room), name).if_own(Seq::ZERO).under(&format!("{round}-{name}"));
                let joined = entry(member(room, &person), "joined").if_own(Seq::ZERO);
                log.append(by(&person, vec![created, joined])).await.unwrap()
            }
        });
        let outcomes = join_all(creations).await;
        let won = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Appended { .. })).count();
        let lost = outcomes.iter().filter(|outcome| **outcome == Outcome::StandingChanged).count();
        assert_eq!((won, lost), (1, 2), "{outcomes:?}");
        assert_eq!(ground.log.last_seq().await.unwrap(), Seq(2 * (round + 1)));
    }
}

async fn nobody_lands_after_their_kick(ground: Ground) {
    let (flooder, moderator) = (ground.log.clone(), ground.another().await);
    for round in 0..100 {
        kick_against_flood(&flooder, &moderator, &room(&format!("r{round}"))).await;
    }
}

pub(crate) async fn kick_against_flood(flooder: &Log, moderator: &Log, room: &RoomId) {
    let (ada, ben) = (user("ada"), user("ben"));
    let join = |person| by(person, vec![entry(member(room, person), "joined").if_own(Seq::ZERO)]);
    let ada_at = appended(moderator.append(join(&ada)).await.unwrap());
    let ben_at = appended(flooder.append(join(&ben)).await.unwrap());

    let flood = async {
        let mut landed = Vec::new();
        loop {
            let send = entry(timeline(room), "spam").if_last(member(room, &ben), ben_at);
            match flooder.append(by(&ben, vec![send])).await.unwrap() {
                Outcome::Appended { seq } => landed.push(seq),
                Outcome::StandingChanged => return landed,
                Outcome::Duplicate { .. } => panic!("nothing was sent twice"),
            }
        }
    };
    let kick = async {
        let notice = entry(timeline(room), "kicked").if_last(member(room, &ada), ada_at);
        let removed = entry(member(room, &ben), "removed").if_own(ben_at);
        tokio::task::yield_now().await;
        appended(moderator.append(by(&ada, vec![notice, removed])).await.unwrap())
    };
    let (landed, kicked) = tokio::join!(flood, kick);

    assert!(landed.iter().all(|seq| *seq < kicked), "{landed:?} against {kicked}");
    let after = moderator.timeline(room, kicked, Seq(u64::MAX), 10, 1 << 20).await.unwrap();
    assert!(after.events.is_empty() && after.complete);
}

async fn of_two_moderators_one_wins(ground: Ground) {
    let logs = [ground.log.clone(), ground.another().await];
    let ben = user("ben");
    for round in 0..30 {
        let room = room(&format!("r{round}"));
        let joined = by(&ben, vec![entry(member(&room, &ben), "joined").if_own(Seq::ZERO)]);
        let ben_at = appended(ground.log.append(joined).await.unwrap());
        let actions = logs.iter().zip(["ada", "cid"]).map(|(log, name)| {
            let notice = entry(timeline(&room), name).if_last(member(&room, &user(name)), Seq::ZERO);
            let change = entry(member(&room, &ben), name).if_own(ben_at);
            log.append(by(&user(name), vec![notice, change]))
        });
        let outcomes: Vec<Outcome> = join_all(actions).await.into_iter().map(Result::unwrap).collect();
        let won = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Appended { .. })).count();
        assert_eq!(won, 1, "{outcomes:?}");
        let stored = ground.log.timeline(&room, Seq::ZERO, Seq(u64::MAX), 10, 1 << 20).await.unwrap().events;
        let notices: HashSet<String> = stored.iter().map(|stored| words(&stored.payload)).collect();
        let standing = ground.log.last(&member(&room, &ben)).await.unwrap().unwrap();
        assert_eq!(notices, HashSet::from([words(&standing.payload)]));
    }
}

/// Three copies answer in another order of checks, and may be busy: the outcomes must be the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_copies_answer_as_one_does() {
    let ground = Ground::cluster().await;
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let another = ground.another().await;

    let join = |key: &str| by(&ada, vec![entry(member(&room, &ada), "joined").if_own(Seq::ZERO).under(key)]);
    let joined = appended(log.append(join("j1")).await.unwrap());
    assert_eq!(another.append(join("j1")).await, Ok(Outcome::Duplicate { seq: joined }));
    assert_eq!(another.append(join("j2")).await, Ok(Outcome::StandingChanged));

    let notice = || entry(timeline(&room), "muted").if_last(member(&room, &ada), joined).under("k1");
    let batch = || by(&ada, vec![notice(), entry(info(&room), "info").if_own(Seq::ZERO)]);
    let seq = appended(log.append(batch()).await.unwrap());
    assert_eq!(another.append(batch()).await, Ok(Outcome::Duplicate { seq }));
    assert_eq!(log.last_seq().await.unwrap(), Seq(3));

    let sends =
        (0..50).map(|_| log.append(by(&ada, vec![entry(timeline(&room), "x").if_last(member(&room, &ada), joined)])));
    let seqs: Vec<Seq> = join_all(sends).await.into_iter().map(|outcome| appended(outcome.unwrap())).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    let range = another.timeline(&room, Seq::ZERO, Seq(u64::MAX), 100, 1 << 20).await.unwrap();
    assert_eq!((range.events.len(), range.complete), (51, true));
    for round in 0..20 {
        kick_against_flood(log, &another, &crate::ground::room(&format!("r{round}"))).await;
    }
}
