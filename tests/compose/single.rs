//! One of each, as somebody brings it up who wants to try it.

use klatch_tests::checker::history::{Answer, Which};
use klatch_tests::checker::name::{Key, Room};

use crate::system::System;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_each_takes_messages_and_gives_them_back_after_a_restart() {
    let system = System::single().await;
    let room = Room::from("lobby");
    let talks = system.doors.connect(0, &"ada".into()).await.expect("the edge takes them");
    talks.joined(&room, None).await;
    for number in 0..10 {
        let sent = talks.send(&room, &Key(format!("ada-{number}")), &format!("message {number}")).await;
        assert!(matches!(sent, Answer::Stored { .. }), "{sent:?}");
    }
    for service in ["single-broker", "single-projector", "single"] {
        system.docker.order(&["restart"], service);
    }
    for service in ["single-projector", "single"] {
        system.until_healthy(service).await;
    }
    let reads = system.doors.connect(0, &"ben".into()).await.expect("the edge takes them");
    reads.joined(&room, None).await;
    let page = reads.page(&room, Which::Newest, 50).await;
    let Answer::Page { items, .. } = &page else { panic!("{page:?}: {:?}", reads.put_off()) };
    let said = items.iter().filter(|item| item.event == "chat.message").count();
    assert_eq!(said, 10, "{items:?}");
}
