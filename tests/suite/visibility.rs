//! Who may not read a room is told nothing of it, by no edge, in no answer.

use std::time::Duration;

use klatch_tests::checker::Promise;
use klatch_tests::checker::history::{Answer, Deed, Which};
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{Cluster, seed};
use klatch_tests::device::Device;
use serde_json::json;

const BOUND: Duration = Duration::from_secs(30);

/// Everything that there is to ask about a room.
async fn answers_to(device: &Device, room: &Room) -> Vec<Answer> {
    vec![
        device.page(room, Which::Newest, 50).await,
        device.members(room).await,
        device.presence(room).await,
        device.join(room, device.place(room)).await,
        device.join(room, None).await,
    ]
}

async fn is_listed(device: &Device, room: &Room) -> bool {
    match device.rooms().await {
        Answer::Rooms { rooms } => rooms.iter().any(|listed| listed.room == *room),
        other => panic!("no rooms but {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_person_is_told_nothing_more_on_any_edge_from_the_acknowledgement_on() {
    let cluster = Cluster::start(seed()).await;
    let room = Room::from("study");
    let ada = cluster.device(0, "ada").await;
    let made = ada.create(&room, json!({"type": "group", "participants": ["ben"]})).await;
    assert!(matches!(made, Answer::Stored { .. }), "{made:?}");
    ada.joined(&room, None).await;
    let ben = [cluster.device(0, "ben").await, cluster.device(1, "ben").await];
    for device in &ben {
        device.joined(&room, None).await;
        assert!(is_listed(device, &room).await);
    }
    ada.say(&room, "for ben, too").await;
    cluster.settle(&room, &[&ada, &ben[0], &ben[1]], BOUND).await;

    let banned = ada.govern(&room, Deed::Ban, &"ben".into()).await;
    assert!(matches!(banned, Answer::Stored { .. }), "{banned:?}");
    for device in [&ben[1], &ben[0]] {
        for answer in answers_to(device, &room).await {
            assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
        }
        assert!(!is_listed(device, &room).await);
    }
    ada.say(&room, "not for ben").await;
    cluster.settle(&room, &[&ada], BOUND).await;
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::OneOrder, Promise::Removal, Promise::Visibility]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_room_is_not_there_for_a_stranger() {
    let cluster = Cluster::start(seed()).await;
    let room = Room::from("study");
    let ada = cluster.device(0, "ada").await;
    let made = ada.create(&room, json!({"type": "group"})).await;
    assert!(matches!(made, Answer::Stored { .. }), "{made:?}");
    ada.joined(&room, None).await;
    ada.say(&room, "between us").await;
    let mallory = cluster.device(1, "mallory").await;
    for (hidden, absent) in answers_to(&mallory, &room).await.iter().zip(answers_to(&mallory, &Room::from("~no")).await)
    {
        assert_eq!(*hidden, Answer::Refused { code: "not_found".into() }, "a room that is not there: {absent:?}");
    }
    assert!(!is_listed(&mallory, &room).await);
    cluster.settle(&room, &[&ada], BOUND).await;
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::Visibility]);
}
