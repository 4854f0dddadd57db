//! Group commit: what many people say at once goes together, and is judged one by one.

use std::collections::{BTreeSet, HashSet};
use std::pin::pin;

use futures_util::future::join_all;
use futures_util::poll;
use klatch_domain::Seq;
use klatch_eventlog::memory::Weather;
use klatch_eventlog::{AppendError, Grouping, Log, Options, Outcome};
use klatch_service::Metrics;

use crate::appends::kick_against_flood;
use crate::ground::*;

/// Who speaks at once.
const CROWD: usize = 40;

over_all!(
    each_of_a_group_is_told_where_their_own_event_lies,
    what_may_not_be_stored_keeps_nobody_else_out,
    nobody_lands_after_their_kick_in_a_crowd,
);

/// How many events were stored in groups.
fn grouped(metrics: &Metrics) -> f64 {
    let text = metrics.encode();
    let line = text.lines().find(|line| line.starts_with("klatch_log_append_group_events_sum"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

async fn each_of_a_group_is_told_where_their_own_event_lies(ground: Ground) {
    let (log, metrics) = (ground.grouping().await, Metrics::new());
    log.count_into(&metrics);
    let (log, room) = (&log, &room("r"));
    let mut seen = HashSet::new();
    for round in 0..5 {
        let sends = (0..CROWD).map(|n| async move {
            let (who, text) = (user(&format!("u{n}")), format!("{round} of {n}"));
            let key = format!("key-{round}-{n}");
            let seq = appended(log.append(by(&who, vec![entry(timeline(room), &text).under(&key)])).await.unwrap());
            let stored = log.get(seq).await.unwrap().expect("it is stored");
            assert_eq!((words(&stored.payload), stored.id), (text, Some(id(&key))));
            seq
        });
        for seq in join_all(sends).await {
            assert!(seen.insert(seq), "{seq} was told twice");
        }
    }
    let range = log.timeline(room, Seq::ZERO, Seq(u64::MAX), 1_000, 1 << 20).await.unwrap();
    assert_eq!(range.events.iter().map(|stored| stored.seq).collect::<HashSet<_>>(), seen);
    assert!(grouped(&metrics) > 0.0, "nothing went in a group:\n{}", metrics.encode());
}

async fn what_may_not_be_stored_keeps_nobody_else_out(ground: Ground) {
    let (log, metrics) = (&ground.grouping().await, Metrics::new());
    log.count_into(&metrics);
    let (room, standing) = (&room("r"), member(&room("r"), &user("u7")));
    let joined = by(&user("u7"), vec![entry(standing.clone(), "joined").if_own(Seq::ZERO)]);
    let joined = appended(log.append(joined).await.unwrap());
    let known = appended(log.append(by(&user("u3"), vec![entry(timeline(room), "known").under("m1")])).await.unwrap());
    let sends = (0..CROWD).map(|n| {
        let said = entry(timeline(room), &format!("of {n}"));
        let said = match n {
            3 => said.under("m1"),
            7 => said.if_last(standing.clone(), Seq(joined.0 + 1)),
            11 => entry(timeline(room), &"x".repeat(1 << 20)),
            _ => said,
        };
        log.append(by(&user(&format!("u{n}")), vec![said]))
    });
    for (n, outcome) in join_all(sends).await.into_iter().enumerate() {
        match n {
            3 => assert_eq!(outcome, Ok(Outcome::Duplicate { seq: known })),
            7 => assert_eq!(outcome, Ok(Outcome::StandingChanged)),
            11 => assert_eq!(outcome, Err(AppendError::TooLarge)),
            _ => assert!(matches!(outcome, Ok(Outcome::Appended { .. })), "{n}: {outcome:?}"),
        }
    }
    let range = log.timeline(room, Seq::ZERO, Seq(u64::MAX), 1_000, 1 << 20).await.unwrap();
    assert_eq!(range.events.len(), 1 + CROWD - 3);
    assert!(grouped(&metrics) > 0.0, "nothing went in a group:\n{}", metrics.encode());
}

async fn nobody_lands_after_their_kick_in_a_crowd(ground: Ground) {
    let (log, metrics) = (&ground.grouping().await, Metrics::new());
    log.count_into(&metrics);
    for round in 0..5 {
        let kicks = (0..CROWD / 2).map(|n| async move {
            let room = room(&format!("r{round}-{n}"));
            kick_against_flood(log, log, &room).await;
        });
        let others = (0..CROWD).map(|n| async move { say(log, &room(&format!("beside-{n}")), "hi").await });
        tokio::join!(join_all(kicks), join_all(others));
    }
    assert!(grouped(&metrics) > 0.0, "nothing went in a group:\n{}", metrics.encode());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_before_they_were_taken_along_is_not_stored() {
    let log = Log::memory_with(Options { grouping: Grouping::Always, ..options("") });
    log.faults().unwrap().weather(Weather { way_ms_max: 50, ..Weather::default() });
    let room = room("r");
    let said = |who: &str| by(&user(who), vec![entry(timeline(&room), who)]);
    // As many groups as may be are on their way, each of one event.
    let mut ada = pin!(log.append(said("ada")));
    let mut ben = pin!(log.append(said("ben")));
    assert!(poll!(&mut ada).is_pending() && poll!(&mut ben).is_pending());
    let mut cid = Box::pin(log.append(said("cid")));
    assert!(poll!(&mut cid).is_pending());
    drop(cid);
    let dan = log.append(said("dan"));
    let outcomes = tokio::join!(ada, ben, dan);
    assert!(matches!(outcomes, (Ok(_), Ok(_), Ok(_))), "{outcomes:?}");
    let range = log.timeline(&room, Seq::ZERO, Seq(u64::MAX), 10, 1 << 20).await.unwrap();
    let said: BTreeSet<String> = range.events.iter().map(|stored| words(&stored.payload)).collect();
    assert_eq!(said, ["ada", "ben", "dan"].map(str::to_owned).into());
}
