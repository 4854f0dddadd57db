//! One broker of three is lost, then a second: the first is not noticed, the second stops writes and nothing else, and all
//! goes on by itself when they are back.

use klatch_testkit::eventually;
use klatch_tests::checker::Promise::{ExactlyOnce, OneOrder, Replay, Visibility};
use klatch_tests::checker::history::{Answer, Observation, Service, Which};
use klatch_tests::checker::name::{Key, Room};
use klatch_tests::cluster::{choices, get};
use rand::seq::SliceRandom;

use crate::crowd::Crowd;
use crate::system::{BALANCER, BOUND, System};

#[tokio::test(flavor = "multi_thread")]
async fn one_broker_is_lost_then_a_second_and_all_goes_on_by_itself() {
    let system = System::up().await;
    let room = Room::from("lobby");
    let reader = system.doors.connect(0, &"reader".into()).await.expect("the balancer takes them");
    reader.joined(&room, None).await;
    let crowd = Crowd::gather(&system, &room);
    crowd.go_on(100).await;
    let mut brokers = ["broker-1", "broker-2", "broker-3"];
    brokers.shuffle(&mut choices(system.seed));

    system.tell(&format!("{} is killed", brokers[0]));
    system.docker.order(&["kill"], brokers[0]);
    crowd.go_on(200).await;

    system.tell(&format!("{} is killed", brokers[1]));
    system.docker.order(&["kill"], brokers[1]);
    system.recorder.note(Observation::Died { service: Service::Broker });
    writes_are_put_off(&system, &room).await;
    let before = crowd.acknowledged();
    // The reader's connection outlives it, and reads what was said before.
    eventually(BOUND, "history to be read with one broker of three", || async {
        assert!(!reader.is_closed(), "the reader was closed: {:?}", reader.close_code());
        match reader.page(&room, Which::Newest, 50).await {
            Answer::Page { items, .. } if items.len() == 50 => Ok(()),
            other => Err(format!("{other:?} ({:?})", reader.put_off())),
        }
    })
    .await;
    assert_eq!(crowd.acknowledged(), before, "nothing is acknowledged that two brokers don't have");

    system.tell("both are started");
    system.docker.order(&["start"], brokers[1]);
    system.docker.order(&["start"], brokers[0]);
    crowd.go_on(100).await;
    system.until_ready().await;
    system.recorder.note(Observation::Started { service: Service::Broker });
    crowd.go_on(100).await;

    let mut talkers = crowd.stop().await;
    let mut devices = vec![&reader];
    for talker in &mut talkers {
        devices.push(talker.present().await);
    }
    system.settle(&room, &devices).await;
    reader.walk(&room).await;
    system.judge(&[ExactlyOnce, OneOrder, Replay, Visibility]).await;
}

/// A send is answered with `unavailable`, which says "again, under the same id"; and `/readyz` says why.
async fn writes_are_put_off(system: &System, room: &Room) {
    let talks = system.doors.connect(0, &"late".into()).await.expect("edges take connections without a quorum");
    let key = Key("late-1".to_owned());
    eventually(BOUND, "a send to be put off as unavailable", || async {
        match (talks.send(room, &key, "into the gap").await, talks.put_off()) {
            (Answer::Unclear, Some(code)) if code == "unavailable" => Ok(()),
            other => Err(format!("{other:?}, closed: {}", talks.is_closed())),
        }
    })
    .await;
    eventually(BOUND, "/readyz to say why", || async {
        match get(BALANCER, "/readyz").await {
            Ok((503, body)) if body.contains("no leader") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
