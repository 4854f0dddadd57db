//! Everybody sees the same, in the same order, on whatever edge they are.

use std::time::Duration;

use klatch_tests::checker::Promise;
use klatch_tests::checker::history::Answer;
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{Cluster, choices, seed};
use klatch_tests::talker::Talker;
use rand::RngExt;
use tokio::task::JoinSet;

const BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn two_people_on_two_edges_see_the_same_order_under_load() {
    const TALKERS: u64 = 6;
    const EACH: u64 = 150;
    let seed = seed();
    let cluster = Cluster::start(seed).await;
    let room = Room::from("lobby");
    let (ada, ben) = (cluster.device(0, "ada").await, cluster.device(1, "ben").await);
    ada.joined(&room, None).await;
    ben.joined(&room, None).await;

    let mut talking = JoinSet::new();
    for number in 0..TALKERS {
        let (doors, room) = (cluster.doors(), room.clone());
        talking.spawn(async move {
            let person = format!("talker-{number}");
            let mut talker = Talker::arrive(&doors, choices(seed + number), &person, &room).await;
            for _ in 0..EACH {
                let said = talker.say().await;
                assert!(matches!(said, Answer::Stored { .. }), "{person}: {said:?}");
            }
            talker
        });
    }
    let talkers = talking.join_all().await;
    for device in [&ada, &ben] {
        let page = device.rooms().await;
        assert!(matches!(page, Answer::Rooms { .. }), "{page:?}");
    }
    cluster.settle(&room, &[&ada, &ben], BOUND).await;
    assert_eq!(ada.walk(&room).await.len() as u64, TALKERS * EACH);
    assert_eq!(ben.walk(&room).await.len() as u64, TALKERS * EACH);
    drop(talkers);
    cluster.read_back().await;
    use Promise::*;
    cluster.expect_kept(&[ExactlyOnce, OneOrder, Replay, Unread, Visibility]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_says_in_one_go_keeps_its_order() {
    let seed = seed();
    let mut choices = choices(seed);
    let cluster = Cluster::start(seed).await;
    let room = Room::from("lobby");
    let (ada, ben) = (cluster.device(0, "ada").await, cluster.device(1, "ben").await);
    ada.joined(&room, None).await;
    ben.joined(&room, None).await;
    // Frames of one connection, sent without waiting for answers.
    let count = choices.random_range(50..100);
    let texts: Vec<String> = (0..count).map(|number| format!("line {number}")).collect();
    let answers = futures_util::future::join_all(texts.iter().map(|text| ada.say(&room, text))).await;
    let seqs: Vec<_> = answers.iter().map(|(_, at)| at.seq).collect();
    assert!(seqs.is_sorted(), "stored in another order than said: {seqs:?}");
    cluster.settle(&room, &[&ada, &ben], BOUND).await;
    let said: Vec<_> = ben.walk(&room).await.iter().map(|item| item.data["message"].clone()).collect();
    assert_eq!(said, texts);
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::ExactlyOnce, Promise::OneOrder, Promise::Replay]);
}
