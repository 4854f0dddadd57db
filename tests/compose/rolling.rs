//! Every container is restarted, one after the other, while people talk: as an upgrade does it.

use klatch_tests::checker::Promise::{ExactlyOnce, Ghosts, OneOrder, Replay, Visibility};
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{choices, get};
use rand::seq::SliceRandom;

use crate::crowd::Crowd;
use crate::system::{BALANCER, SERVICES, System};

/// 4000 to 4099 are "reconnect and resume"; none is a connection that broke, with the balancer itself.
fn is_resumable(close: Option<u16>) -> bool {
    close.is_none_or(|code| (4000..=4099).contains(&code))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_container_is_restarted_in_turn_and_nobody_loses_a_word() {
    let system = System::up().await;
    let room = Room::from("lobby");
    let crowd = Crowd::gather(&system, &room);
    let mut services = SERVICES;
    services.shuffle(&mut choices(system.seed));
    for service in services {
        crowd.go_on(50).await;
        system.tell(&format!("{service} is restarted"));
        system.docker.order(&["restart"], service);
        system.until_ready().await;
    }
    crowd.go_on(50).await;
    let mut talkers = crowd.stop().await;
    let closes: Vec<Option<u16>> = talkers.iter().flat_map(|talker| talker.closes().to_vec()).collect();
    println!("closes: {closes:?}");
    assert!(closes.contains(&Some(4000)), "an edge that stops says so: {closes:?}");
    assert!(closes.iter().all(|close| is_resumable(*close)), "{closes:?}");

    let mut devices = Vec::new();
    for talker in &mut talkers {
        devices.push(talker.present().await);
    }
    system.settle(&room, &devices).await;
    devices[0].walk(&room).await;
    devices[0].presence(&room).await;
    for edge in ["edge-1", "edge-2", "broker-1", "balancer"] {
        let hardened =
            "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.Config.User}}";
        assert_eq!(system.docker.inspect(edge, hardened), "true [ALL] [no-new-privileges:true] 65532:65532", "{edge}");
    }
    let metrics = get(BALANCER, "/livez").await;
    assert!(matches!(metrics, Ok((200, _))), "{metrics:?}");
    system.judge(&[ExactlyOnce, OneOrder, Replay, Visibility, Ghosts]).await;
}
