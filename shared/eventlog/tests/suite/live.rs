//! In order, each once, without a gap: whatever happens to what is delivered.

use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{Address, Seq};
use klatch_eventlog::memory::Delivery;
use klatch_eventlog::{EdgeId, LiveEvent, LostWhy, Marks, Options};

use crate::ground::*;

over_all!(
    a_room_is_heard_in_order_with_each_events_predecessor,
    one_subscription_hears_all_that_concerns_a_room,
    nothing_lies_between_what_was_read_and_what_is_heard,
    an_erased_event_breaks_no_chain,
    what_commands_are_decided_by_is_heard_for_all_rooms,
    a_renewed_epoch_ends_a_live_room,
);

async fn a_room_is_heard_in_order_with_each_events_predecessor(ground: Ground) {
    let (log, ours) = (&ground.log, room("r"));
    say(log, &ours, "before").await;
    let mut live = ground.another().await.live_room(&ours).await.unwrap();
    assert_eq!(live.position(), Seq(1));
    let two = say(log, &ours, "two").await;
    say(log, &room("other"), "noise").await;
    let four = say(log, &ours, "four").await;
    assert_eq!(next_timeline(&mut live).await, (two, Seq(1), "two".to_owned()));
    assert_eq!(live.position(), two);
    assert_eq!(next_timeline(&mut live).await, (four, two, "four".to_owned()));
    assert_eq!(live.position(), four);
}

async fn one_subscription_hears_all_that_concerns_a_room(ground: Ground) {
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let mut live = ground.another().await.live_room(&room).await.unwrap();
    let edge = EdgeId::fresh();

    appended(
        log.append(by(&ada, vec![entry(info(&room), "info"), entry(member(&room, &ada), "joined")])).await.unwrap(),
    );
    match next(&mut live).await {
        LiveEvent::Info(stored) => assert_eq!((stored.seq, stored.address), (Seq(1), info(&room))),
        other => panic!("{other:?}"),
    }
    match next(&mut live).await {
        LiveEvent::Member(stored) => assert_eq!((stored.seq, stored.address), (Seq(2), member(&room, &ada))),
        other => panic!("{other:?}"),
    }
    log.attach(&room, &ada, &edge, "Ada").await.unwrap();
    match next(&mut live).await {
        LiveEvent::Attached { user, username, edge: through } => {
            assert_eq!((user, username.as_str(), through), (ada.clone(), "Ada", edge.clone()));
        }
        other => panic!("{other:?}"),
    }
    log.typing(&room, &ada, Bytes::from_static(b"{\"isTyping\":true}")).await;
    match next(&mut live).await {
        LiveEvent::Typing { user, payload } => {
            assert_eq!((user, &payload[..]), (ada.clone(), &b"{\"isTyping\":true}"[..]))
        }
        other => panic!("{other:?}"),
    }
    log.mark(&room, &ada, Marks { delivered: Seq(2), read: Seq(1) }).await.unwrap();
    match next(&mut live).await {
        LiveEvent::Marked { user, marks } => {
            assert_eq!((user, marks), (ada.clone(), Marks { delivered: Seq(2), read: Seq(1) }));
        }
        other => panic!("{other:?}"),
    }
    log.detach(&room, &ada, &edge).await.unwrap();
    match next(&mut live).await {
        LiveEvent::Detached { user, edge: from } => assert_eq!((user, from), (ada.clone(), edge)),
        other => panic!("{other:?}"),
    }
    let notice = entry(timeline(&room), "kicked");
    log.append(by(&ada, vec![notice, entry(member(&room, &ada), "removed")])).await.unwrap();
    assert!(matches!(next(&mut live).await, LiveEvent::Timeline { seq: Seq(3), prev: Seq::ZERO, .. }));
    assert!(matches!(next(&mut live).await, LiveEvent::Member(stored) if stored.seq == Seq(4)));
}

async fn nothing_lies_between_what_was_read_and_what_is_heard(ground: Ground) {
    let (log, room) = (ground.log.clone(), room("r"));
    let another = ground.another().await;
    let sending = tokio::spawn({
        let room = room.clone();
        async move {
            for number in 0..400 {
                say(&log, &room, &number.to_string()).await;
            }
        }
    });
    for _ in 0..20 {
        let mut live = another.live_room(&room).await.unwrap();
        let read = another.timeline(&room, Seq::ZERO, live.position(), 1_000, 1 << 20).await.unwrap();
        assert!(read.complete);
        let mut seqs: Vec<Seq> = read.events.iter().map(|stored| stored.seq).collect();
        if live.position() < Seq(395) {
            for _ in 0..5 {
                seqs.push(next_timeline(&mut live).await.0);
            }
        }
        assert_eq!(seqs, (1..=seqs.len() as u64).map(Seq).collect::<Vec<_>>());
    }
    sending.await.unwrap();
}

async fn an_erased_event_breaks_no_chain(ground: Ground) {
    let (log, room) = (&ground.log, room("r"));
    let mut live = log.live_room(&room).await.unwrap();
    say(log, &room, "one").await;
    let two = say(log, &room, "two").await;
    next_timeline(&mut live).await;
    next_timeline(&mut live).await;
    log.erase(two).await.unwrap();
    let three = say(log, &room, "three").await;
    let (seq, _, said) = next_timeline(&mut live).await;
    assert_eq!((seq, said.as_str()), (three, "three"));
}

async fn what_commands_are_decided_by_is_heard_for_all_rooms(ground: Ground) {
    let log = &ground.log;
    let mut facts = ground.another().await.live_facts().await.unwrap();
    for name in ["a.b", "c"] {
        say(log, &room(name), "noise").await;
        for address in [Address::Info(room(name)), member(&room(name), &user("ada"))] {
            log.append(by(&user("ada"), vec![entry(address.clone(), "changed")])).await.unwrap();
            let stored = tokio::time::timeout(BOUND, facts.next()).await.unwrap().unwrap();
            assert_eq!(stored.address, address);
        }
    }
}

async fn a_renewed_epoch_ends_a_live_room(ground: Ground) {
    let (log, room) = (&ground.log, room("r"));
    let mut live = log.live_room(&room).await.unwrap();
    let before = log.epoch();
    let after = ground.another().await.renew_epoch().await.unwrap();
    assert_ne!(before, after);
    assert!(matches!(next(&mut live).await, LiveEvent::Lost(LostWhy::EpochChanged)));
    assert!(matches!(next(&mut live).await, LiveEvent::Lost(LostWhy::EpochChanged)));
    assert_eq!(log.epoch(), after);
    assert_eq!(log.live_room(&room).await.unwrap().epoch(), after);
}

/// A hundred events under every kind of mishap, seeded by nothing: the pattern meets all pairs of them.
#[tokio::test]
async fn dropped_repeated_and_late_deliveries_are_mended() {
    let ground = Ground::memory();
    let (log, room) = (&ground.log, room("r"));
    let mut live = log.live_room(&room).await.unwrap();
    use Delivery::{Drop, Late, Once, Repeat};
    let kinds = [Once, Drop, Repeat, Late];
    let pairs = kinds.iter().flat_map(|one| kinds.iter().flat_map(move |other| [*one, *other]));
    let plan: Vec<Delivery> = pairs.clone().chain(pairs.clone().map(|_| Drop)).chain(pairs).collect();
    ground.faults().deliver(plan.clone());
    for number in 1..=plan.len() + 1 {
        say(log, &room, &number.to_string()).await;
    }
    let mut last = Seq::ZERO;
    for number in 1..=plan.len() + 1 {
        let (seq, prev, said) = next_timeline(&mut live).await;
        assert_eq!((seq, prev, said), (last.next(), last, number.to_string()));
        last = seq;
    }
}

#[tokio::test]
async fn a_dropped_last_event_is_found_by_the_next_comparison() {
    let ground = Ground::memory();
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let mut live = log.live_room(&room).await.unwrap();
    ground.faults().deliver([Delivery::Drop, Delivery::Drop]);
    say(log, &room, "lost").await;
    log.append(by(&ada, vec![entry(Address::Info(room.clone()), "info")])).await.unwrap();
    assert_eq!(next_timeline(&mut live).await.2, "lost");
    assert!(matches!(next(&mut live).await, LiveEvent::Info(stored) if words(&stored.payload) == "info"));
}

/// What was neither heard nor, when it was looked for, there any more is nobody's predecessor.
#[tokio::test]
async fn an_event_that_was_erased_unheard_is_not_named_by_the_next_one() {
    let ground = Ground::memory_with(Options { live_check_every: Duration::from_millis(50), ..options("") });
    let (log, room) = (&ground.log, room("r"));
    let mut live = log.live_room(&room).await.unwrap();
    let first = say(log, &room, "heard").await;
    let (seq, prev, _) = next_timeline(&mut live).await;
    assert_eq!((seq, prev), (first, Seq::ZERO));
    ground.faults().deliver([Delivery::Drop]);
    let unheard = say(log, &room, "not heard").await;
    log.erase(unheard).await.unwrap();
    ground.faults().deliver([Delivery::Drop]);
    let second = say(log, &room, "not heard either, but there").await;
    let (seq, prev, _) = next_timeline(&mut live).await;
    assert_eq!((seq, prev), (second, first));
    let third = say(log, &room, "heard again").await;
    let (seq, prev, _) = next_timeline(&mut live).await;
    assert_eq!((seq, prev), (third, second));
}

#[tokio::test]
async fn after_a_disruption_rooms_are_compared_at_once() {
    let ground = Ground::memory_with(Options { live_check_every: Duration::from_secs(3_600), ..options("") });
    let (log, room) = (&ground.log, room("r"));
    let mut live = log.live_room(&room).await.unwrap();
    ground.faults().deliver([Delivery::Drop]);
    say(log, &room, "lost").await;
    ground.faults().disrupt();
    assert_eq!(next_timeline(&mut live).await.2, "lost");
}

/// A reader that falls behind loses what its buffer can't hold, and gets it all the same.
async fn a_full_buffer_costs_nothing_but_time(ground: Ground) {
    let (log, room) = (&ground.log, room("r"));
    let mut live = log.live_room(&room).await.unwrap();
    let mut disruptions = log.disruptions();
    for number in 1..=200 {
        say(log, &room, &number.to_string()).await;
    }
    tokio::time::timeout(BOUND, disruptions.changed()).await.expect("it is told").unwrap();
    for number in 1..=200 {
        assert_eq!(next_timeline(&mut live).await.2, number.to_string());
    }
}

#[tokio::test]
async fn a_full_buffer_costs_nothing_but_time_in_memory() {
    a_full_buffer_costs_nothing_but_time(Ground::memory_with(Options { live_buffered_max: 16, ..options("") })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_buffer_costs_nothing_but_time_over_jetstream() {
    let ground = Ground::jetstream_with(|options| Options { live_buffered_max: 16, ..options }).await;
    a_full_buffer_costs_nothing_but_time(ground).await;
}

#[tokio::test]
async fn a_late_standing_never_undoes_a_newer_one() {
    let ground = Ground::memory();
    let (log, room, ada) = (&ground.log, room("r"), user("ada"));
    let mut live = log.live_room(&room).await.unwrap();
    ground.faults().deliver([Delivery::Late, Delivery::Repeat]);
    for standing in ["joined", "banned"] {
        log.append(by(&ada, vec![entry(member(&room, &ada), standing)])).await.unwrap();
    }
    say(log, &room, "end").await;
    assert!(matches!(next(&mut live).await, LiveEvent::Member(stored) if words(&stored.payload) == "banned"));
    assert!(matches!(next(&mut live).await, LiveEvent::Timeline { .. }));
}

#[tokio::test]
async fn a_gap_that_cannot_be_filled_is_lost() {
    let ground = Ground::memory_with(Options {
        fill_deadline: Duration::from_millis(200),
        read_deadline: Duration::from_millis(100),
        ..options("")
    });
    let (log, room) = (&ground.log, room("r"));
    let mut live = log.live_room(&room).await.unwrap();
    ground.faults().deliver([Delivery::Drop]);
    ground.faults().fail_reads(usize::MAX);
    say(log, &room, "lost").await;
    say(log, &room, "heard").await;
    assert!(matches!(next(&mut live).await, LiveEvent::Lost(LostWhy::Unreadable)));
}

/// Its sequences look like a continuation, and its first event like one after an erased one.
#[tokio::test]
async fn a_recreated_stream_is_never_taken_for_a_continuation() {
    let ground = Ground::memory_with(Options { live_check_every: Duration::from_secs(3_600), ..options("") });
    let (log, ours) = (&ground.log, room("r"));
    for number in 0..3 {
        say(log, &ours, &number.to_string()).await;
    }
    let mut live = log.live_room(&ours).await.unwrap();
    ground.faults().recreate();
    for number in 0..5 {
        say(log, &room("other"), &number.to_string()).await;
    }
    say(log, &ours, "in another life").await;
    assert!(matches!(next(&mut live).await, LiveEvent::Lost(LostWhy::EpochChanged)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_broker_leaves_no_gap() {
    let mut ground = Ground::jetstream().await;
    let (log, room) = (ground.log.clone(), room("r"));
    let mut live = ground.another().await.live_room(&room).await.unwrap();
    let sending = tokio::spawn({
        let room = room.clone();
        async move {
            for number in 1..=300 {
                let key = number.to_string();
                log.append(by(&user("ada"), vec![entry(timeline(&room), &key).under(&key)])).await.unwrap();
            }
        }
    });
    let mut last = Seq::ZERO;
    for number in 1..=300 {
        let (seq, _, said) = next_timeline(&mut live).await;
        assert_eq!((seq, said), (last.next(), number.to_string()));
        last = seq;
        if number % 75 == 0 && number < 300 {
            ground.server().restart().await;
        }
    }
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_deleted_and_made_anew_is_lost() {
    let ground = Ground::jetstream().await;
    let (log, room) = (&ground.log, room("r"));
    say(log, &room, "one").await;
    let mut live = log.live_room(&room).await.unwrap();
    let jetstream = async_nats::jetstream::new(log.client().unwrap().clone());
    jetstream.delete_stream("CHAT_EVENTS").await.unwrap();
    let fresh = ground.another().await;
    say(&fresh, &room, "one").await;
    assert!(matches!(next(&mut live).await, LiveEvent::Lost(LostWhy::EpochChanged)));
}
