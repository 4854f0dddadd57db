//! One, the last, a range, the last of many; what was erased; ids that look like subjects.

#[cfg(feature = "faults")]
use std::time::Duration;

use klatch_domain::Seq;
#[cfg(feature = "faults")]
use klatch_eventlog::{Log, Options, ReadError};
#[cfg(feature = "faults")]
use klatch_testkit::eventually;

use crate::ground::*;

over_all!(
    the_last_and_the_one_at_a_sequence,
    a_range_is_complete_or_says_that_it_is_not,
    a_long_range_comes_whole_and_in_order,
    erased_events_leave_holes_and_nothing_else,
    the_last_of_many_rooms_in_one_go,
    ids_that_look_like_subjects_stay_apart,
);

async fn the_last_and_the_one_at_a_sequence(ground: Ground) {
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    assert_eq!(log.last(&timeline(&room)).await.unwrap(), None);
    assert_eq!(log.get(Seq(1)).await.unwrap(), None);
    assert_eq!(log.get(Seq::ZERO).await.unwrap(), None);
    assert_eq!(log.last_seq().await.unwrap(), Seq::ZERO);
    let first = say(log, &room, "one").await;
    let joined = appended(log.append(by(&ada, vec![entry(member(&room, &ada), "joined").under("j1")])).await.unwrap());
    let last = say(log, &room, "two").await;

    let stored = log.last(&timeline(&room)).await.unwrap().unwrap();
    assert_eq!((stored.seq, words(&stored.payload).as_str()), (last, "two"));
    let stored = log.get(joined).await.unwrap().unwrap();
    assert_eq!((stored.address, stored.id), (member(&room, &ada), Some(id("j1"))));
    let age = time::OffsetDateTime::now_utc().unix_timestamp() - stored.at.as_ms() / 1_000;
    assert!((-5..60).contains(&age), "stored {age} s ago");
    assert_eq!(log.get(first).await.unwrap().unwrap().address, timeline(&room));
    assert_eq!(log.last_seq().await.unwrap(), last);
}

async fn a_range_is_complete_or_says_that_it_is_not(ground: Ground) {
    let (log, ours, other) = (&ground.log, room("r"), room("other"));
    for number in 0..10 {
        say(log, &ours, &number.to_string()).await;
        say(log, &other, "noise").await;
    }
    // Ours are 1, 3, 5 … 19.
    let range = async |after: u64, up_to: u64, events_max: usize, bytes_max: usize| {
        let range = log.timeline(&ours, Seq(after), Seq(up_to), events_max, bytes_max).await.unwrap();
        (range.events.iter().map(|stored| stored.seq.0).collect::<Vec<_>>(), range.complete)
    };
    assert_eq!(range(0, u64::MAX, 100, 1 << 20).await, ((1..20).step_by(2).collect(), true));
    assert_eq!(range(5, 11, 100, 1 << 20).await, (vec![7, 9, 11], true));
    assert_eq!(range(4, 12, 100, 1 << 20).await, (vec![5, 7, 9, 11], true));
    assert_eq!(range(19, 1_000, 100, 1 << 20).await, (vec![], true));
    assert_eq!(range(9, 9, 100, 1 << 20).await, (vec![], true));
    assert_eq!(range(0, u64::MAX, 4, 1 << 20).await, (vec![1, 3, 5, 7], false));
    assert_eq!(range(0, 7, 4, 1 << 20).await, (vec![1, 3, 5, 7], true));
    assert_eq!(range(0, 8, 4, 1 << 20).await, (vec![1, 3, 5, 7], true));
    assert_eq!(range(0, u64::MAX, 100, 1).await, (vec![1], false));
    assert_eq!(range(17, u64::MAX, 100, 1).await, (vec![19], true));
    assert_eq!(range(0, u64::MAX, 0, 1 << 20).await, (vec![], false));
    assert_eq!(range(u64::MAX, u64::MAX, 10, 1 << 20).await, (vec![], true));
}

async fn a_long_range_comes_whole_and_in_order(ground: Ground) {
    let (log, room) = (&ground.log, room("r"));
    let people: Vec<_> = (0..40).map(|number| user(&format!("u{number}"))).collect();
    for _ in 0..40 {
        let sends = people.iter().map(|person| log.append(by(person, vec![entry(timeline(&room), "hi")])));
        futures_util::future::try_join_all(sends).await.unwrap();
    }
    let range = log.timeline(&room, Seq(10), Seq(1_590), 5_000, 4 << 20).await.unwrap();
    let seqs: Vec<u64> = range.events.iter().map(|stored| stored.seq.0).collect();
    assert!(range.complete);
    assert_eq!(seqs, (11..=1_590).collect::<Vec<_>>());
}

async fn erased_events_leave_holes_and_nothing_else(ground: Ground) {
    let (log, room) = (&ground.log, room("r"));
    for number in 1..=6 {
        say(log, &room, &number.to_string()).await;
    }
    for seq in [2, 3, 6] {
        log.erase(Seq(seq)).await.unwrap();
    }
    log.erase(Seq(3)).await.expect("one already gone is fine");
    log.erase(Seq(99)).await.expect("one that never was is fine");
    assert_eq!(log.get(Seq(2)).await.unwrap(), None);
    assert_eq!(log.first_after(Seq::ZERO).await.unwrap().unwrap().seq, Seq(1));
    assert_eq!(log.first_after(Seq(1)).await.unwrap().unwrap().seq, Seq(4));
    assert_eq!(log.first_after(Seq(5)).await.unwrap(), None);
    let range = log.timeline(&room, Seq(1), Seq(6), 10, 1 << 20).await.unwrap();
    assert_eq!(range.events.iter().map(|stored| stored.seq.0).collect::<Vec<_>>(), [4, 5]);
    assert!(range.complete);
    assert_eq!(log.last(&timeline(&room)).await.unwrap().unwrap().seq, Seq(5));
    assert_eq!(log.last_seq().await.unwrap(), Seq(6));
    assert_eq!(say(log, &room, "7").await, Seq(7));
}

async fn the_last_of_many_rooms_in_one_go(ground: Ground) {
    let log = &ground.log;
    let rooms: Vec<_> = (0..1_500).map(|number| room(&format!("r{number}"))).collect();
    assert_eq!(log.last_timelines(&rooms[..2]).await.unwrap(), [None, None]);
    assert_eq!(log.last_timelines(&[]).await.unwrap(), []);
    let mut wanted = vec![None; rooms.len()];
    let used: Vec<usize> = (0..rooms.len()).step_by(7).chain([1_499, 7]).collect();
    for index in used {
        wanted[index] = Some(say(log, &rooms[index], "hi").await);
    }
    assert_eq!(log.last_timelines(&rooms).await.unwrap(), wanted);
}

async fn ids_that_look_like_subjects_stay_apart(ground: Ground) {
    let log = &ground.log;
    let rooms: Vec<_> =
        ["room.*", "room.>", "*", ">", "room.x", "room", "a b", "=2E", "🦀", "~x", "A", "a"].map(room).into();
    let odd = user("me.*");
    let mut lives = Vec::new();
    for room in &rooms {
        lives.push(log.live_room(room).await.unwrap());
    }
    for room in &rooms {
        appended(log.append(by(&odd, vec![entry(member(room, &odd), room.as_str())])).await.unwrap());
        say(log, room, room.as_str()).await;
    }
    for (room, live) in rooms.iter().zip(&mut lives) {
        let range = log.timeline(room, Seq::ZERO, Seq(u64::MAX), 10, 1 << 20).await.unwrap();
        let said: Vec<String> = range.events.iter().map(|stored| words(&stored.payload)).collect();
        assert_eq!(said, [room.as_str()]);
        let stored = log.last(&member(room, &odd)).await.unwrap().unwrap();
        assert_eq!((stored.address, words(&stored.payload).as_str()), (member(room, &odd), room.as_str()));
        assert_eq!(next_timeline(live).await.2, room.as_str());
    }
}

/// Pages come from any replica; whether they are all is the leader's to say.
#[tokio::test]
async fn a_replica_that_lags_costs_time_and_no_event() {
    let ground = Ground::memory();
    let (log, room) = (&ground.log, room("r"));
    for number in 1..=3 {
        say(log, &room, &number.to_string()).await;
    }
    ground.faults().lag(3);
    let range = log.timeline(&room, Seq::ZERO, Seq(3), 10, 1 << 20).await.unwrap();
    assert_eq!((range.events.len(), range.complete), (3, true));
}

/// A replica answers all the same, with an end of its own: that is not the log's.
#[cfg(feature = "faults")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_copies_without_a_leader_do_not_know_the_end() {
    let mut ground = Ground::cluster().await;
    let room = room("r");
    say(&ground.log, &room, "1").await;
    ground.cluster_mut().until_current("CHAT_EVENTS").await;
    let impatient = |options| Options { read_deadline: Duration::from_secs(1), ..options };
    let log = Log::open(impatient(options(&ground.url().unwrap()))).await.unwrap();
    for number in [0, 1] {
        ground.cluster_mut().node_mut(number).kill();
    }
    // A leader that is left alone steps down after ten seconds.
    eventually(BOUND, "the end not to be known", || async {
        match log.last_seq().await {
            Err(ReadError::NoLeader) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let range = log.timeline(&room, Seq::ZERO, Seq(1), 10, 1 << 20).await.unwrap();
    assert_eq!(range.events.len(), 1, "what is stored can be read");
    for number in [0, 1] {
        ground.restart(number).await;
    }
    eventually(BOUND, "the end to be known", || async {
        match log.last_seq().await {
            Ok(Seq(1)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
