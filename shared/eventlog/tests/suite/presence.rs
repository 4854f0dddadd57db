//! Entries and leases: who is there, and who is there no more.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use klatch_domain::Seq;
use klatch_eventlog::{EdgeId, LiveLeases, Log, Presence, Renewal};
use klatch_testkit::eventually;

use crate::ground::*;

over_all!(
    who_attached_is_there_until_they_detach,
    an_edges_lease_lives_until_it_lapses_and_everybody_is_told,
    an_edge_that_goes_says_so,
    a_dead_edges_entries_can_be_forgotten,
    many_people_in_a_room_are_all_named,
);

const LONG: Duration = Duration::from_secs(60);

async fn names(log: &Log, id: &str) -> Vec<String> {
    let mut names: Vec<String> =
        log.attached(&room(id)).await.unwrap().into_iter().map(|present| present.username).collect();
    names.sort();
    names
}

async fn next_lease(leases: &mut LiveLeases) -> (EdgeId, bool) {
    let event = tokio::time::timeout(BOUND, leases.next()).await.expect("a lease within the bound").unwrap();
    (event.edge, event.alive)
}

async fn who_attached_is_there_until_they_detach(ground: Ground) {
    let (log, room) = (&ground.log, room("r"));
    let edges = [EdgeId::fresh(), EdgeId::fresh()];
    assert_eq!(log.attached(&room).await.unwrap(), []);
    log.attach(&room, &user("ada"), &edges[0], "Ada").await.unwrap();
    log.attach(&room, &user("ada"), &edges[0], "Ada L.").await.unwrap();
    log.attach(&room, &user("ada"), &edges[1], "Ada").await.unwrap();
    log.attach(&room, &user("b.*"), &edges[1], "Ben \"B\"").await.unwrap();
    assert_eq!(names(log, "r").await, ["Ada", "Ada L.", "Ben \"B\""]);
    log.detach(&room, &user("ada"), &edges[0]).await.unwrap();
    log.detach(&room, &user("ada"), &edges[0]).await.unwrap();
    log.detach(&room, &user("ada"), &edges[1]).await.unwrap();
    let left = Presence { user: user("b.*"), username: "Ben \"B\"".to_owned(), edge: edges[1].clone() };
    assert_eq!(ground.another().await.attached(&room).await.unwrap(), [left]);
}

async fn an_edges_lease_lives_until_it_lapses_and_everybody_is_told(ground: Ground) {
    let (log, edge) = (&ground.log, EdgeId::fresh());
    let mut leases = log.live_leases().await.unwrap();
    let ttl = Duration::from_secs(2);
    assert_eq!(log.renew_lease(&edge, ttl).await.unwrap(), Renewal::Fresh);
    assert_eq!(log.renew_lease(&edge, ttl).await.unwrap(), Renewal::Held);
    let renewed = Instant::now();
    assert_eq!(log.live_edges().await.unwrap(), HashSet::from([edge.clone()]));
    assert_eq!(next_lease(&mut leases).await, (edge.clone(), true));
    assert_eq!(next_lease(&mut leases).await, (edge.clone(), true));
    assert_eq!(next_lease(&mut leases).await, (edge.clone(), false));
    assert!(renewed.elapsed() >= Duration::from_millis(1_900), "lapsed after {:?}", renewed.elapsed());
    assert_eq!(log.live_edges().await.unwrap(), HashSet::new());
    assert_eq!(log.renew_lease(&edge, LONG).await.unwrap(), Renewal::Fresh, "it had lapsed");
    assert_eq!(next_lease(&mut leases).await, (edge, true));
}

async fn an_edge_that_goes_says_so(ground: Ground) {
    let (log, edge) = (&ground.log, EdgeId::fresh());
    let mut leases = log.live_leases().await.unwrap();
    log.renew_lease(&edge, LONG).await.unwrap();
    log.end_lease(&edge).await.unwrap();
    assert_eq!(next_lease(&mut leases).await, (edge.clone(), true));
    assert_eq!(next_lease(&mut leases).await, (edge.clone(), false));
    assert_eq!(log.live_edges().await.unwrap(), HashSet::new());
    assert_eq!(log.renew_lease(&edge, LONG).await.unwrap(), Renewal::Fresh);
}

async fn a_dead_edges_entries_can_be_forgotten(ground: Ground) {
    let log = &ground.log;
    let (dead, living) = (EdgeId::fresh(), EdgeId::fresh());
    for id in ["r", "s.t"] {
        log.attach(&room(id), &user("ada"), &dead, "dead").await.unwrap();
        log.attach(&room(id), &user("ada"), &living, "living").await.unwrap();
    }
    log.forget_edge(&dead).await.unwrap();
    assert_eq!(names(log, "r").await, ["living"]);
    assert_eq!(names(log, "s.t").await, ["living"]);
}

async fn many_people_in_a_room_are_all_named(ground: Ground) {
    let (log, room, edge) = (&ground.log, room("r"), EdgeId::fresh());
    for hundred in 0..13 {
        let people: Vec<_> = (0..100).map(|number| user(&format!("u{}", hundred * 100 + number))).collect();
        let attaching = people.iter().map(|person| log.attach(&room, person, &edge, person.as_str()));
        futures_util::future::try_join_all(attaching).await.unwrap();
    }
    assert_eq!(log.attached(&room).await.unwrap().len(), 1_300);
}

/// Presence is in memory: a restarted broker knows nobody, and the next renewal says that all entries are wanted again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_of_the_broker_everybody_is_asked_again() {
    let mut ground = Ground::jetstream().await;
    let (log, room, edge) = (ground.log.clone(), room("r"), EdgeId::fresh());
    log.renew_lease(&edge, LONG).await.unwrap();
    log.attach(&room, &user("ada"), &edge, "Ada").await.unwrap();
    let said = say(&log, &room, "kept").await;
    ground.server().restart().await;

    eventually(BOUND, "the lease to be fresh", async || match log.renew_lease(&edge, LONG).await {
        Ok(Renewal::Fresh) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(log.attached(&room).await.unwrap(), []);
    log.attach(&room, &user("ada"), &edge, "Ada").await.unwrap();
    assert_eq!(names(&log, "r").await, ["Ada"]);
    assert_eq!(log.renew_lease(&edge, LONG).await.unwrap(), Renewal::Held);
    assert_eq!(log.get(said).await.unwrap().map(|stored| stored.seq), Some(Seq(1)));
}
