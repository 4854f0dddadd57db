//! What is unclear becomes clear: lost answers, busy subjects, broken connections.

use std::time::Duration;

use futures_util::future::join_all;
use klatch_domain::Seq;
use klatch_eventlog::memory::WriteFault;
use klatch_eventlog::{AppendError, Options, Outcome};

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

/// Every send is acknowledged or not; what is acknowledged is stored once, at the acknowledged sequence; nothing is stored
/// twice, and the order is the order of sending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_the_broker_under_load_loses_and_doubles_nothing() {
    let mut ground = Ground::jetstream().await;
    let (log, room) = (ground.log.clone(), room("r"));
    let people: Vec<_> = (0..8).map(|number| user(&format!("u{number}"))).collect();
    let sending = tokio::spawn({
        let room = room.clone();
        async move {
            let senders = people.into_iter().map(|person| {
                let (log, room) = (log.clone(), room.clone());
                async move {
                    let mut seqs = Vec::new();
                    for number in 0..150 {
                        let key = format!("{person}-{number:03}");
                        let send = by(&person, vec![entry(timeline(&room), &key).under(&key)]);
                        match log.append(send).await {
                            Ok(Outcome::Appended { seq } | Outcome::Duplicate { seq }) => seqs.push((key, seq)),
                            other => panic!("{key}: {other:?}"),
                        }
                    }
                    assert!(seqs.is_sorted_by_key(|(_, seq)| *seq));
                    seqs
                }
            });
            join_all(senders).await.concat()
        }
    });
    for _ in 0..3 {
        let before = ground.log.last_seq().await.unwrap();
        klatch_testkit::eventually(BOUND, "more to be stored", async || {
            let now = ground.log.last_seq().await.map_err(|error| error.to_string())?;
            if now > Seq(before.0 + 50) { Ok(()) } else { Err(format!("{now} after {before}")) }
        })
        .await;
        ground.server().restart().await;
    }
    let acknowledged = sending.await.unwrap();
    let range = ground.log.timeline(&room, Seq::ZERO, Seq(u64::MAX), 10_000, 16 << 20).await.unwrap();
    assert!(range.complete);
    let mut stored: Vec<(String, Seq)> =
        range.events.iter().map(|stored| (words(&stored.payload), stored.seq)).collect();
    let mut acknowledged: Vec<(String, Seq)> = acknowledged;
    stored.sort();
    acknowledged.sort();
    assert_eq!(stored, acknowledged);
}
