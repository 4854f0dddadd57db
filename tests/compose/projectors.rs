//! One of two projectors is killed and loses its volume: the other answers, and the views are made anew.

use klatch_tests::checker::Promise::{ExactlyOnce, OneOrder, Replay};
use klatch_tests::checker::history::{Answer, Fold, Which};
use klatch_tests::checker::name::Room;

use crate::crowd::Crowd;
use crate::system::System;

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_without_its_volume_rebuilds_while_the_other_answers() {
    let system = System::up().await;
    let room = Room::from("lobby");
    let crowd = Crowd::gather(&system, &room);
    crowd.go_on(300).await;
    let reader = system.doors.connect(0, &"reader".into()).await.expect("the balancer takes them");
    reader.joined(&room, None).await;
    system.docker.order(&["kill"], "projector-2");
    system.docker.wipe("projector-2");
    system.tell("projector-2 is killed and its volume gone");
    for _ in 0..20 {
        let page = reader.page(&room, Which::Newest, 50).await;
        assert!(matches!(&page, Answer::Page { items, .. } if items.len() == 50), "{page:?} {:?}", reader.put_off());
    }
    system.docker.compose(&["up", "--detach", "--no-build", "projector-2"]);
    system.until_projectors(2).await;
    crowd.go_on(50).await;
    let mut talkers = crowd.stop().await;
    let mut devices = vec![&reader];
    for talker in &mut talkers {
        devices.push(talker.present().await);
    }
    system.settle(&room, &devices).await;
    let (at, digest) = system.note_digest_of("projector-2", Fold::Rebuilt, None).await;
    assert_eq!(system.note_digest_of("projector-1", Fold::Incremental, Some(at)).await, (at, digest));
    reader.walk(&room).await;
    system.judge(&[ExactlyOnce, OneOrder, Replay]).await;
}
