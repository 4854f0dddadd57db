//! A retry that comes after the stream has forgotten the first try: it is stored again, and is still one message.

use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::{Answer, Position};
use klatch_tests::checker::name::{Key, MessageId, Room};
use klatch_tests::cluster::{Cluster, seed};
use klatch_tests::device::Device;

const BOUND: Duration = Duration::from_secs(60);
/// The shortest window that a stream takes.
const WINDOW: Duration = Duration::from_millis(100);

async fn send(device: &Device, room: &Room, key: &Key) -> (MessageId, Position) {
    match device.send(room, key, "once").await {
        Answer::Stored { message: Some(message), at } => (message, at),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_past_the_duplicate_window_is_one_message_in_every_history() {
    let cluster = Cluster::start(seed()).await;
    let (room, key) = (Room::from("lobby"), Key("ada-1".to_owned()));
    let (ada, ben) = (cluster.device(0, "ada").await, cluster.device(1, "ben").await);
    ada.joined(&room, None).await;
    ben.joined(&room, None).await;
    let mut config = cluster.stream().await.cached_info().config.clone();
    config.duplicate_window = WINDOW;
    let jetstream = async_nats::jetstream::new(cluster.broker.client().await);
    jetstream.update_stream(config).await.expect("the window can be changed");
    let first = send(&ada, &room, &key).await;
    // Through the other edge, until the stream knows it no more; each retry is acknowledged as the same message.
    let elsewhere = cluster.device(1, "ada").await;
    let second = eventually(BOUND, "the stream to forget the first try", || async {
        let again = send(&elsewhere, &room, &key).await;
        tokio::time::sleep(2 * WINDOW).await;
        if again.1.seq > first.1.seq { Ok(again) } else { Err(again.1.seq) }
    })
    .await;
    assert_eq!(second.0, first.0, "another message");
    ada.say(&room, "after").await;
    cluster.settle(&room, &[&ada, &ben], BOUND).await;
    let shown = ben.walk(&room).await;
    let times = shown.iter().filter(|item| item.data["messageId"] == first.0.0).count();
    assert_eq!(times, 1, "{shown:?}");
    cluster.read_back().await;
    cluster.expect_kept(&[Promise::ExactlyOnce, Promise::OneOrder, Promise::Replay]);
}
