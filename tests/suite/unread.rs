//! What is unread is what others said after the mark, on every device alike.

use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::Answer;
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{Cluster, seed};
use klatch_tests::device::Device;

const BOUND: Duration = Duration::from_secs(30);

async fn unread(device: &Device, room: &Room) -> i64 {
    match device.rooms().await {
        Answer::Rooms { rooms } => rooms.iter().find(|listed| listed.room == *room).expect("it is listed").unread,
        other => panic!("no rooms but {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_counts_what_others_said_after_the_mark_without_what_was_deleted_on_every_device() {
    let cluster = Cluster::start(seed()).await;
    let room = Room::from("lobby");
    let ada = cluster.device(0, "ada").await;
    let ben = [cluster.device(0, "ben").await, cluster.device(1, "ben").await];
    ada.joined(&room, None).await;
    ben[0].joined(&room, None).await;
    ben[0].say(&room, "my own").await;
    let mut said = Vec::new();
    for number in 0..20 {
        said.push(ada.say(&room, &format!("line {number}")).await);
    }
    for number in [3, 12, 17] {
        let (message, at) = &said[number];
        let deleted = ada.delete(&room, message, at.seq).await;
        assert!(matches!(deleted, Answer::Stored { .. }), "{deleted:?}");
    }
    let everywhere = |expected: i64| {
        let (ben, room) = (&ben, &room);
        eventually(BOUND, "both devices to count alike", move || async move {
            match (unread(&ben[0], room).await, unread(&ben[1], room).await) {
                (one, other) if one == expected && other == expected => Ok(()),
                counts => Err(format!("{counts:?} instead of {expected}")),
            }
        })
    };
    everywhere(17).await;
    // The mark moves forward only, on whatever device.
    for (device, line, expected) in [(&ben[0], 9, 8), (&ben[1], 13, 5), (&ben[0], 2, 5), (&ben[1], 19, 0)] {
        let read = device.read(&room, said[line].1.seq).await;
        assert!(matches!(read, Answer::Done | Answer::Stored { .. }), "{read:?}");
        everywhere(expected).await;
        cluster.settle(&room, &[&ada, &ben[0]], BOUND).await;
        everywhere(expected).await;
    }
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::ExactlyOnce, Promise::OneOrder, Promise::Unread]);
}
