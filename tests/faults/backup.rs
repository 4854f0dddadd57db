//! The stream is restored from an older backup: what only the life after it held is gone, and nobody is told that they
//! missed nothing, or given as theirs what somebody else said in its place.

use std::fs;
use std::path::Path;
use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::Observation;
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{Cluster, seed};
use klatch_tests::device::Device;

const BOUND: Duration = Duration::from_secs(90);

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("it is a folder") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("readable").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

async fn talk(device: &Device, room: &Room, what: &str, messages: usize) {
    for number in 0..messages {
        device.say(room, &format!("{what} {number}")).await;
    }
}

/// As the README says: the broker's folder, while nothing runs.
async fn back_up_and_restore_older(cluster: &mut Cluster, room: &Room) -> Vec<Device> {
    let ada = cluster.device(0, "ada").await;
    ada.joined(room, None).await;
    talk(&ada, room, "in the backup", 20).await;
    let store = cluster.broker.node(0).store_dir();
    let backup = cluster.folder().join("backup");
    cluster.kill_broker();
    copy(&store, &backup);
    cluster.revive().await;
    cluster.until_ready().await;

    let devices = vec![cluster.device(0, "ada").await, cluster.device(1, "ben").await];
    for device in &devices {
        device.joined(room, None).await;
    }
    talk(&devices[0], room, "lost with the restore", 30).await;
    cluster.settle(room, &devices.iter().collect::<Vec<_>>(), BOUND).await;
    let epoch = cluster.epoch().await;
    cluster.recorder.note(Observation::Wiped { epoch });
    cluster.kill_broker();
    fs::remove_dir_all(&store).expect("the store is a folder");
    copy(&backup, &store);
    devices
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_of_an_older_backup_nobody_is_told_that_they_missed_nothing() {
    let mut cluster = Cluster::start(seed()).await;
    let room = Room::from("lobby");
    let before = back_up_and_restore_older(&mut cluster, &room).await;
    let places: Vec<_> = before.iter().map(|device| device.place(&room).expect("they were there")).collect();
    let old = places[0].epoch.clone();
    cluster.revive().await;
    eventually(BOUND, "the epoch to be renewed", || async {
        let epoch = cluster.epoch().await;
        if epoch == old { Err(epoch) } else { Ok(()) }
    })
    .await;
    for device in &before {
        eventually(BOUND, "everybody to be sent away, to resume", || async {
            if device.is_closed() { Ok(()) } else { Err("still connected") }
        })
        .await;
    }
    cluster.until_ready().await;

    // The places of the old life lie past what was restored; then, by their number alone, within what came instead.
    let mut after = Vec::new();
    for (person, place) in [("ada", &places[0]), ("ben", &places[1])] {
        let device = cluster.device(after.len(), person).await;
        let joined = device.joined(&room, Some(place.clone())).await;
        assert_eq!(joined.recovered, Some(false), "{person}: {joined:?}");
        talk(&device, &room, "in its place", 40).await;
        after.push(device);
    }
    let again = cluster.device(0, "ada").await;
    let joined = again.joined(&room, Some(places[0].clone())).await;
    assert_eq!(joined.recovered, Some(false), "{joined:?}");
    let shown = again.walk(&room).await;
    assert!(!shown.iter().any(|item| item.data["message"].as_str().is_some_and(|text| text.starts_with("lost"))));
    assert!(shown.iter().any(|item| item.data["message"] == "in the backup 19"));
    cluster.settle(&room, &[&again, &after[0], &after[1]], BOUND).await;
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::ExactlyOnce, Promise::OneOrder, Promise::Replay]);
}
