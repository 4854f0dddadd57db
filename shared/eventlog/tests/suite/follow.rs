//! Everything from a sequence on.

use futures_util::FutureExt;
use klatch_domain::Seq;
use klatch_eventlog::{Follow, FollowBatch, FollowError, Marks};

use crate::ground::*;

over_all!(
    events_come_in_order_from_the_position_on,
    at_the_end_it_says_so_and_goes_on,
    a_position_past_the_end_is_of_another_stream,
    a_renewed_epoch_ends_it,
    marks_merge_by_maximum_and_are_followed,
    two_edges_that_mark_at_once_undo_nothing,
);

async fn next_batch(follow: &mut Follow, max: usize) -> FollowBatch {
    tokio::time::timeout(BOUND, follow.next_batch(max)).await.expect("a batch within the bound").unwrap()
}

/// All events up to a sequence, and whether the last batch said that it had caught up.
async fn up_to(follow: &mut Follow, seq: Seq) -> (Vec<(Seq, String)>, bool) {
    let mut events = Vec::new();
    let mut caught_up = false;
    while follow.position() < seq {
        let batch = next_batch(follow, 64).await;
        assert!(batch.events.len() <= 64);
        assert_eq!(batch.position, follow.position());
        events.extend(batch.events.iter().map(|stored| (stored.seq, words(&stored.payload))));
        caught_up = batch.caught_up;
    }
    (events, caught_up)
}

async fn events_come_in_order_from_the_position_on(ground: Ground) {
    let log = &ground.log;
    let mut said = Vec::new();
    for number in 1..=200 {
        let words = number.to_string();
        said.push((say(log, &room(&format!("r{}", number % 5)), &words).await, words));
    }
    let (events, caught_up) = up_to(&mut log.follow(Seq::ZERO), Seq(200)).await;
    assert_eq!(events, said);
    assert!(caught_up);
    let (events, _) = up_to(&mut log.follow(Seq(150)), Seq(200)).await;
    assert_eq!(events, said[150..]);
}

async fn at_the_end_it_says_so_and_goes_on(ground: Ground) {
    let (log, room) = (&ground.log, room("r"));
    let mut follow = log.follow(Seq::ZERO);
    let batch = next_batch(&mut follow, 10).await;
    assert!(batch.events.is_empty() && batch.caught_up && batch.position == Seq::ZERO);
    assert!(follow.next_batch(10).now_or_never().is_none(), "dropped in the middle: nothing may be lost");
    let one = say(log, &room, "one").await;
    let batch = next_batch(&mut follow, 10).await;
    assert_eq!((batch.events[0].seq, batch.position, batch.caught_up), (one, one, true));
    assert_eq!(batch.events[0].address, timeline(&room));
}

async fn a_position_past_the_end_is_of_another_stream(ground: Ground) {
    say(&ground.log, &room("r"), "one").await;
    let mut follow = ground.log.follow(Seq(2));
    let ended = tokio::time::timeout(BOUND, follow.next_batch(10)).await.unwrap();
    assert_eq!(ended.unwrap_err(), FollowError::EpochChanged);
    let mut at_the_end = ground.log.follow(Seq(1));
    assert!(next_batch(&mut at_the_end, 10).await.caught_up);
}

async fn a_renewed_epoch_ends_it(ground: Ground) {
    let mut follow = ground.log.follow(Seq::ZERO);
    next_batch(&mut follow, 10).await;
    ground.another().await.renew_epoch().await.unwrap();
    let ended = tokio::time::timeout(BOUND, follow.next_batch(10)).await.unwrap();
    assert_eq!(ended.unwrap_err(), FollowError::EpochChanged);
}

async fn marks_merge_by_maximum_and_are_followed(ground: Ground) {
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let marks = |delivered, read| Marks { delivered: Seq(delivered), read: Seq(read) };
    assert_eq!(log.marks(&room, &ada).await.unwrap(), Marks::default());
    assert_eq!(log.mark(&room, &ada, marks(5, 2)).await.unwrap().marks, marks(5, 2));
    assert_eq!(log.mark(&room, &ada, marks(3, 4)).await.unwrap().marks, marks(5, 4));
    assert_eq!(log.mark(&room, &ada, marks(1, 1)).await.unwrap().marks, marks(5, 4));
    assert_eq!(log.mark(&room, &ada, marks(0, 9)).await.unwrap().marks, marks(9, 9));
    assert_eq!(log.marks(&room, &ada).await.unwrap(), marks(9, 9));
    assert_eq!(log.marks(&room, &user("ben")).await.unwrap(), Marks::default());

    let mut follow = log.follow_marks(Seq::ZERO);
    let batch = tokio::time::timeout(BOUND, follow.next_batch(10)).await.unwrap().unwrap();
    // Only the newest is stored, and what changed nothing was not written.
    assert_eq!(batch.marks.len(), 1);
    let marked = &batch.marks[0];
    assert_eq!((&marked.room, &marked.user, marked.marks, marked.seq), (&room, &ada, marks(9, 9), Seq(3)));
}

async fn two_edges_that_mark_at_once_undo_nothing(ground: Ground) {
    let logs = [ground.log.clone(), ground.another().await];
    let (room, ada) = (room("r"), user("ada"));
    let marking = logs.iter().enumerate().map(|(index, log)| {
        let (room, ada) = (&room, &ada);
        async move {
            for number in 1..=40 {
                let seq = Seq(2 * number + index as u64);
                let marks = if index == 0 {
                    Marks { delivered: seq, read: Seq::ZERO }
                } else {
                    Marks { delivered: Seq::ZERO, read: seq }
                };
                log.mark(room, ada, marks).await.unwrap();
                let now = log.marks(room, ada).await.unwrap();
                assert_eq!(now.merge(marks), now, "{marks:?} was undone");
            }
        }
    });
    futures_util::future::join_all(marking).await;
    assert_eq!(logs[0].marks(&room, &ada).await.unwrap(), Marks { delivered: Seq(81), read: Seq(81) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_broker_leaves_no_gap() {
    let mut ground = Ground::jetstream().await;
    let (log, room) = (ground.log.clone(), room("r"));
    let mut follow = ground.another().await.follow(Seq::ZERO);
    let sending = tokio::spawn({
        let room = room.clone();
        async move {
            for number in 1..=300 {
                say(&log, &room, &number.to_string()).await;
            }
        }
    });
    let mut said = Vec::new();
    for seq in [75, 150, 225, 300] {
        let (events, _) = up_to(&mut follow, Seq(seq)).await;
        said.extend(events);
        if seq < 300 {
            ground.server().restart().await;
        }
    }
    sending.await.unwrap();
    assert_eq!(said, (1..=300).map(|number| (Seq(number), number.to_string())).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_deleted_and_made_anew_ends_it() {
    let ground = Ground::jetstream().await;
    let (log, room) = (&ground.log, room("r"));
    let mut follow = log.follow(Seq::ZERO);
    say(log, &room, "one").await;
    up_to(&mut follow, Seq(1)).await;
    let jetstream = async_nats::jetstream::new(log.client().unwrap().clone());
    jetstream.delete_stream("CHAT_EVENTS").await.unwrap();
    let fresh = ground.another().await;
    for number in 0..5 {
        say(&fresh, &room, &number.to_string()).await;
    }
    let ended = tokio::time::timeout(BOUND, follow.next_batch(10)).await.unwrap();
    assert_eq!(ended.unwrap_err(), FollowError::EpochChanged);
}
