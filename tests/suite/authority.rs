//! Nothing of a person lands after their removal, however hard they try, on whatever edge.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::{Answer, Deed};
use klatch_tests::checker::name::{Key, Person, Room, Seq};
use klatch_tests::cluster::{Cluster, choices, seed};
use klatch_tests::device::Device;
use rand::RngExt;
use tokio::sync::oneshot;

const ROUNDS: u32 = 100;
/// Sends that the flooder keeps under way at once.
const IN_FLIGHT: u32 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kicks_race_a_flood_from_another_edge_and_nothing_comes_after_the_kick() {
    let seed = seed();
    let mut choices = choices(seed);
    let cluster = Cluster::start(seed).await;
    let (ada, ben) = (cluster.device(0, "ada").await, cluster.device(1, "ben").await);
    let ben_id = Person::from("ben");
    for round in 0..ROUNDS {
        let room = Room(format!("room-{round}"));
        ada.joined(&room, None).await;
        ben.joined(&room, None).await;
        let before_the_kick = choices.random_range(1..30);
        let (flowing, flows) = oneshot::channel();
        let (last, kicked) = tokio::join!(flood(&ben, &room, before_the_kick, flowing), async {
            flows.await.expect("the flood begins");
            match ada.govern(&room, Deed::Kick, &ben_id).await {
                Answer::Stored { at, .. } => at.seq,
                other => panic!("round {round}: no kick but {other:?}"),
            }
        });
        assert!(last < kicked, "round {round}: acknowledged at {last}, kicked at {kicked}");
        ada.until_reached(&room, last, Duration::from_secs(10)).await;
    }
    cluster.read_back().await;
    use Promise::*;
    cluster.expect_kept(&[ExactlyOnce, OneOrder, Removal, Visibility]);
}

/// Sends and sends until the first refusal; the last sequence that was acknowledged. Tells once `enough` were.
async fn flood(ben: &Device, room: &Room, enough: u32, flowing: oneshot::Sender<()>) -> Seq {
    let (mut number, mut stored, mut last) = (0, 0, Seq(0));
    let mut flowing = Some(flowing);
    let mut under_way = FuturesUnordered::new();
    let mut refused = false;
    loop {
        while !refused && under_way.len() < IN_FLIGHT as usize {
            number += 1;
            let key = Key(format!("{room}-{number}"));
            under_way.push(async move { ben.send(room, &key, &format!("flood {number}")).await });
        }
        match under_way.next().await {
            Some(Answer::Stored { at, .. }) => {
                stored += 1;
                last = last.max(at.seq);
                if stored >= enough
                    && let Some(flowing) = flowing.take()
                {
                    let _ = flowing.send(());
                }
            }
            Some(Answer::Refused { .. }) => refused = true,
            Some(Answer::Unclear) => {}
            Some(other) => panic!("a send is answered with {other:?}"),
            None => return last,
        }
    }
}
