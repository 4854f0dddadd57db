//! Whoever was away gets all that they missed, in order, or is told that they don't; never a part of it.

use std::time::Duration;

use futures_util::future::join_all;
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::{Joined, Observation, Position};
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{Cluster, seed};
use klatch_tests::device::Device;

const BOUND: Duration = Duration::from_secs(60);
/// `resume_events_max` of shared/wire's limits.
const LIMIT: u64 = 5_000;

/// Somebody joins, leaves, and comes back after `missed` messages, to another edge.
async fn come_back_after(missed: u64) -> (Cluster, Joined) {
    let cluster = Cluster::start(seed()).await;
    let room = Room::from("lobby");
    let ada = cluster.device(0, "ada").await;
    ada.joined(&room, None).await;
    ada.say(&room, "before").await;
    cluster.settle(&room, &[&ada], BOUND).await;
    let since = ada.place(&room).expect("ada was there");
    ada.close().await;
    talk(&cluster, &room, missed).await;

    let ada = cluster.device(1, "ada").await;
    let joined = ada.joined(&room, Some(since)).await;
    // And what comes next comes live, without a gap.
    ada.say(&room, "after").await;
    cluster.settle(&room, &[&ada], BOUND).await;
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::ExactlyOnce, Promise::OneOrder]);
    (cluster, joined)
}

/// Ten people say so many things between them.
async fn talk(cluster: &Cluster, room: &Room, messages: u64) {
    const PEOPLE: u64 = 10;
    let people: Vec<Device> = join_all((0..PEOPLE).map(|number| async move {
        let device = cluster.device(0, &format!("person-{number}")).await;
        device.joined(room, None).await;
        device
    }))
    .await;
    join_all(people.iter().enumerate().map(|(number, device)| async move {
        let share = messages / PEOPLE + u64::from((number as u64) < messages % PEOPLE);
        for line in 0..share {
            device.say(room, &format!("line {line}")).await;
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_missed_message_comes_on_return() {
    let (_cluster, joined) = come_back_after(1).await;
    assert_eq!((joined.recovered, joined.events.len()), (Some(true), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_hundred_and_ninety_nine_missed_messages_come_on_return() {
    let (_cluster, joined) = come_back_after(999).await;
    assert_eq!((joined.recovered, joined.events.len()), (Some(true), 999));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_limit_is_not_recovered_and_the_newest_page_comes_instead() {
    let (_cluster, joined) = come_back_after(LIMIT + 1).await;
    assert_eq!(joined.recovered, Some(false));
    assert!(joined.more && joined.history_ready && !joined.events.is_empty(), "{joined:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_in_a_stream_that_was_made_anew_is_not_recovered() {
    let mut cluster = Cluster::start(seed()).await;
    let room = Room::from("lobby");
    let ada = cluster.device(0, "ada").await;
    ada.joined(&room, None).await;
    ada.say(&room, "in the first life").await;
    cluster.settle(&room, &[&ada], BOUND).await;
    let since = ada.place(&room).expect("ada was there");
    ada.close().await;

    for edge in 0..2 {
        cluster.kill_edge(edge);
    }
    cluster.kill_projector();
    let jetstream = async_nats::jetstream::new(cluster.broker.client().await);
    jetstream.delete_stream("CHAT_EVENTS").await.expect("the operator may delete it");
    cluster.recorder.note(Observation::Wiped { epoch: since.epoch.clone() });
    cluster.revive().await;
    cluster.until_ready().await;

    let ben = cluster.device(1, "ben").await;
    ben.joined(&room, None).await;
    // So that the old position, by its number alone, lies within the new stream.
    talk(&cluster, &room, since.seq.0 + 5).await;
    let ada = cluster.device(0, "ada").await;
    let joined = ada.joined(&room, Some(since.clone())).await;
    assert_ne!(joined.at.epoch, since.epoch);
    assert_eq!(joined.recovered, Some(false));

    // The same for one that lies past the end of the present life.
    let beyond = Position { epoch: joined.at.epoch.clone(), seq: klatch_tests::checker::name::Seq(1_000_000) };
    ada.leave(&room).await;
    assert_eq!(ada.joined(&room, Some(beyond)).await.recovered, Some(false));
    cluster.settle(&room, &[&ada, &ben], BOUND).await;
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::ExactlyOnce, Promise::OneOrder]);
}
