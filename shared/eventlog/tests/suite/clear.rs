//! What is unclear becomes clear: lost answers, busy subjects, broken connections.

use std::time::Duration;

use futures_util::future::join_all;
use klatch_domain::{RoomId, Seq};
use klatch_eventlog::memory::WriteFault;
use klatch_eventlog::{AppendError, Log, Options, Outcome};

use crate::ground::*;

#[tokio::test]
async fn a_busy_subject_is_tried_again() {
    let ground = Ground::memory();
    ground.faults().write([WriteFault::Busy, WriteFault::Fail, WriteFault::Busy]);
    assert_eq!(say(&ground.log, &room("r"), "hi").await, Seq(1));
}

#[tokio::test]
async fn a_lost_request_is_made_again_and_a_lost_answer_is_found_out() {
    let ground = Ground::memory();
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let send = |key: &str| by(&ada, vec![entry(timeline(&room), "hi").under(key)]);
    ground.faults().write([WriteFault::LoseRequest]);
    assert_eq!(log.append(send("m1")).await, Ok(Outcome::Appended { seq: Seq(1) }));
    ground.faults().write([WriteFault::LoseAnswer]);
    assert_eq!(log.append(send("m2")).await, Ok(Outcome::Duplicate { seq: Seq(2) }));
    assert_eq!(log.last_seq().await.unwrap(), Seq(2));
}

/// Its own first try moved the guard: that is no change of standing.
#[tokio::test]
async fn a_lost_answer_to_a_join_is_no_change_of_standing() {
    let ground = Ground::memory();
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    // Without an id of the caller's, too: the log gives it one to trace it by.
    let join = by(&ada, vec![entry(member(&room, &ada), "joined").if_own(Seq::ZERO)]);
    ground.faults().write([WriteFault::LoseAnswer]);
    assert_eq!(log.append(join).await, Ok(Outcome::Duplicate { seq: Seq(1) }));

    let batch = vec![
        entry(timeline(&room), "kicked").under("k1"),
        entry(info(&room), "info").if_own(Seq::ZERO),
        entry(member(&room, &ada), "removed").if_own(Seq(1)),
    ];
    ground.faults().write([WriteFault::LoseAnswer]);
    assert_eq!(log.append(by(&ada, batch)).await, Ok(Outcome::Duplicate { seq: Seq(4) }));
}

#[tokio::test]
async fn somebody_elses_change_after_a_lost_request_is_one() {
    let ground = Ground::memory();
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    appended(log.append(by(&user("ben"), vec![entry(member(&room, &ada), "banned")])).await.unwrap());
    ground.faults().write([WriteFault::LoseRequest]);
    let join = by(&ada, vec![entry(member(&room, &ada), "joined").if_own(Seq::ZERO)]);
    assert_eq!(log.append(join).await, Ok(Outcome::StandingChanged));
}

#[tokio::test]
async fn past_the_deadline_it_says_whether_it_may_be_stored() {
    let ground = Ground::memory_with(Options { append_deadline: Duration::from_millis(200), ..options("") });
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let send = || by(&ada, vec![entry(timeline(&room), "hi").under("m1")]);
    ground.faults().write([WriteFault::Busy; 1_000]);
    assert_eq!(log.append(send()).await, Err(AppendError::Unavailable("busy".to_owned())));
    let ground = Ground::memory_with(Options { append_deadline: Duration::from_millis(200), ..options("") });
    ground.faults().write(std::iter::once(WriteFault::LoseRequest).chain([WriteFault::Busy; 1_000]));
    assert_eq!(ground.log.append(send()).await, Err(AppendError::Unclear("busy".to_owned())));
}

#[tokio::test]
async fn a_queue_has_a_limit() {
    let ground = Ground::memory_with(Options { appends_waiting_max: 3, ..options("") });
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let sends = (0..6).map(|_| log.append(by(&ada, vec![entry(timeline(&room), "hi")])));
    let outcomes = join_all(sends).await;
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(AppendError::Unavailable(_)))).count();
    assert_eq!(refused, 2, "{outcomes:?}");
    assert_eq!(log.last_seq().await.unwrap(), Seq(4));
}

#[tokio::test]
async fn past_the_duplicate_window_an_id_is_new_again() {
    let ground = Ground::memory();
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let send = || by(&ada, vec![entry(timeline(&room), "hi").under("m1")]);
    appended(log.append(send()).await.unwrap());
    ground.faults().forget_ids();
    assert_eq!(log.append(send()).await, Ok(Outcome::Appended { seq: Seq(2) }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_stores_each_event_once_when_it_goes_on() {
    let patience = Duration::from_millis(100);
    let mut ground = Ground::jetstream_with(|options| Options { append_patience: patience, ..options }).await;
    let (log, room, ada) = (ground.log.clone(), room("r"), user("ada"));
    ground.server().pause();
    // Its threads stop one after the other.
    klatch_testkit::eventually(BOUND, "the broker to be frozen", async || {
        match tokio::time::timeout(patience, log.last_seq()).await {
            Err(_silent) => Ok(()),
            Ok(answer) => Err(format!("{answer:?}")),
        }
    })
    .await;
    let mut appending = Box::pin(log.append(by(&ada, vec![entry(member(&room, &ada), "joined").if_own(Seq::ZERO)])));
    let early = tokio::time::timeout(Duration::from_millis(500), &mut appending).await;
    assert!(early.is_err(), "a frozen broker answered: {early:?}");
    ground.server().resume();
    let outcome = tokio::time::timeout(BOUND, appending).await.unwrap();
    assert!(
        matches!(outcome, Ok(Outcome::Appended { seq: Seq(1) } | Outcome::Duplicate { seq: Seq(1) })),
        "{outcome:?}"
    );
    assert_eq!(log.last_seq().await.unwrap(), Seq(1));
}

/// What many people send at once, each one after the other.
async fn flood(log: &Log, room: &RoomId, people: usize, sends: usize) -> Vec<(String, Seq)> {
    let senders = (0..people).map(|number| async move {
        let person = user(&format!("u{number}"));
        let stored = async |append| match log.append(append).await.unwrap() {
            Outcome::Appended { seq } | Outcome::Duplicate { seq } => seq,
            Outcome::StandingChanged => panic!("nobody changed anything"),
        };
        let joined = stored(by(&person, vec![entry(member(room, &person), "joined").if_own(Seq::ZERO)])).await;
        let mut acknowledged = Vec::with_capacity(sends);
        for number in 0..sends {
            let key = format!("{person}-{number:04}");
            let send = entry(timeline(room), &key).under(&key).if_last(member(room, &person), joined);
            acknowledged.push((key, stored(by(&person, vec![send])).await));
        }
        assert!(acknowledged.is_sorted_by_key(|(_, seq)| *seq), "{person}'s order");
        acknowledged
    });
    join_all(senders).await.concat()
}

/// Kills each server in turn while people send. What was acknowledged is stored, once and at the acknowledged sequence,
/// and was heard live, once and in order; nothing else was.
async fn kill_9_under_load(mut ground: Ground, people: usize, sends: usize) {
    let (log, another, room) = (ground.log.clone(), ground.another().await, room("r"));
    let mut live = another.live_room(&room).await.unwrap();
    let flooding = tokio::spawn({
        let (log, room) = (log.clone(), room.clone());
        async move { flood(&log, &room, people, sends).await }
    });
    let hearing = tokio::spawn(async move {
        let mut heard = Vec::new();
        while heard.len() < people * sends {
            let (seq, _, said) = next_timeline(&mut live).await;
            heard.push((said, seq));
        }
        heard
    });
    for kill in 0..4 {
        let before = log.last_seq().await.unwrap();
        klatch_testkit::eventually(BOUND, "more to be stored", async || {
            let now = log.last_seq().await.map_err(|error| error.to_string())?;
            if now > Seq(before.0 + 50) || flooding.is_finished() { Ok(()) } else { Err(format!("still {now}")) }
        })
        .await;
        ground.restart(kill).await;
    }
    let mut acknowledged = flooding.await.unwrap();
    let mut heard = tokio::time::timeout(BOUND, hearing).await.expect("all to be heard").unwrap();
    assert!(heard.is_sorted_by_key(|(_, seq)| *seq));
    let range = log.timeline(&room, Seq::ZERO, Seq(u64::MAX), usize::MAX, usize::MAX).await.unwrap();
    assert!(range.complete);
    let mut stored: Vec<(String, Seq)> =
        range.events.iter().map(|stored| (words(&stored.payload), stored.seq)).collect();
    for list in [&mut acknowledged, &mut heard, &mut stored] {
        list.sort();
    }
    assert!(stored == acknowledged, "{} stored, {} acknowledged", stored.len(), acknowledged.len());
    assert!(stored == heard, "{} stored, {} heard", stored.len(), heard.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_the_broker_under_load_loses_and_doubles_nothing() {
    kill_9_under_load(Ground::jetstream().await, 8, 400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_each_of_three_servers_under_load_loses_and_doubles_nothing() {
    kill_9_under_load(Ground::cluster().await, 8, 800).await;
}
