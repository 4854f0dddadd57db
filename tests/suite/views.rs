//! The projector's folder may be lost or damaged in any way: it is made anew by itself, and says the same.

use std::time::Duration;

use klatch_tests::checker::Promise;
use klatch_tests::checker::history::{Answer, Deed, Fold};
use klatch_tests::checker::name::{Room, Seq};
use klatch_tests::cluster::{Cluster, choices, query, seed};
use klatch_tests::damage::Damage;
use klatch_tests::device::Device;
use klatch_tests::program;
use serde_json::json;

const BOUND: Duration = Duration::from_secs(60);

/// Two rooms with messages, edits, deletions, announcements and notices.
async fn furnish(cluster: &Cluster, ada: &Device, ben: &Device) -> Vec<Room> {
    let rooms = vec![Room::from("lobby"), Room::from("kitchen")];
    for room in &rooms {
        ada.joined(room, None).await;
        ben.joined(room, None).await;
        for number in 0..60 {
            let (message, at) = ada.say(room, &format!("ada {number}")).await;
            ben.say(room, &format!("ben {number}")).await;
            let done = match number % 10 {
                3 => ada.edit(room, &message, at.seq, &format!("ada edited {number}")).await,
                7 => ada.delete(room, &message, at.seq).await,
                9 => ada.govern(room, Deed::Mute, &"cleo".into()).await,
                _ => continue,
            };
            assert!(matches!(done, Answer::Stored { .. }), "{done:?}");
        }
        cluster.announce(room, "maintenance at noon").await;
    }
    rooms
}

#[tokio::test(flavor = "multi_thread")]
async fn views_deleted_truncated_or_bit_flipped_are_rebuilt_by_themselves_with_the_same_digest() {
    let seed = seed();
    let mut choices = choices(seed);
    let mut cluster = Cluster::start(seed).await;
    let (ada, ben) = (cluster.device(0, "ada").await, cluster.device(1, "ben").await);
    let rooms = furnish(&cluster, &ada, &ben).await;
    let (at, digest) = cluster.note_digest(Fold::Incremental, None).await;
    for damage in Damage::ALL {
        cluster.kill_projector();
        damage.befall(&cluster.views_folder(), &mut choices);
        cluster.start_projector();
        let rebuilt = cluster.note_digest(Fold::Rebuilt, Some(at)).await;
        assert_eq!(rebuilt, (at, digest.clone()), "{damage:?}");
        for room in &rooms {
            ada.walk(room).await;
        }
        println!("{damage:?}: rebuilt");
    }
    for room in &rooms {
        cluster.settle(room, &[&ada, &ben], BOUND).await;
    }
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::ExactlyOnce, Promise::OneOrder, Promise::Replay]);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_the_projector_and_the_log_in_agreement() {
    let cluster = Cluster::start(seed()).await;
    let (ada, ben) = (cluster.device(0, "ada").await, cluster.device(1, "ben").await);
    furnish(&cluster, &ada, &ben).await;
    let end = Seq(cluster.stream().await.cached_info().state.last_sequence);
    let status = query(&cluster.broker.client().await, "status", &json!({})).await;
    assert_eq!(status["undecodable"], 0, "{status}");
    cluster.note_digest(Fold::Incremental, Some(end)).await;
    let url = cluster.broker.url();
    let verdict =
        tokio::task::spawn_blocking(move || program::run(&["verify", "--nats", &url])).await.expect("it runs");
    let (said, failed) = (String::from_utf8_lossy(&verdict.stdout), String::from_utf8_lossy(&verdict.stderr));
    assert!(verdict.status.success(), "{said}{failed}");
    assert!(said.contains("agrees with the log"), "{said}");
}
