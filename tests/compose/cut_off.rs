//! An edge freezes, and then loses its network, for longer than its lease: nobody sees its people any more, and they go on
//! at the other one.

use klatch_testkit::eventually;
use klatch_tests::checker::Promise::{ExactlyOnce, Ghosts, OneOrder, Replay, Visibility};
use klatch_tests::checker::history::Answer;
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::choices;
use klatch_tests::device::Device;

use crate::crowd::Crowd;
use crate::system::{BOUND, System};

/// The balancer sends who comes to the edge with fewer connections, so some of them are at the first: both have as many at
/// the start, and an edge that comes back has none.
const VISITORS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_is_frozen_or_cut_off_leaves_no_ghost() {
    let system = System::up().await;
    let room = Room::from("lobby");
    let crowd = Crowd::gather(&system, &room);

    let visitors = visit(&system, &room, "frozen").await;
    crowd.go_on(50).await;
    system.tell("edge-1 is paused");
    system.docker.order(&["pause"], "edge-1");
    gone_from_one_edge(&system, &room, visitors).await;
    crowd.go_on(50).await;
    system.docker.order(&["unpause"], "edge-1");
    system.tell("edge-1 goes on");
    system.until_ready().await;

    let visitors = visit(&system, &room, "cut").await;
    crowd.go_on(50).await;
    system.tell("edge-1 is cut off");
    system.docker.cut_off("edge-1");
    gone_from_one_edge(&system, &room, visitors).await;
    crowd.go_on(50).await;
    system.docker.reconnect("edge-1");
    system.tell("edge-1 is back");
    system.until_ready().await;
    crowd.go_on(50).await;

    let mut talkers = crowd.stop().await;
    let mut devices = Vec::new();
    for talker in &mut talkers {
        devices.push(talker.present().await);
    }
    system.settle(&room, &devices).await;
    devices[0].walk(&room).await;
    devices[0].presence(&room).await;
    system.judge(&[ExactlyOnce, OneOrder, Replay, Visibility, Ghosts]).await;
}

async fn visit(system: &System, room: &Room, name: &str) -> Vec<Device> {
    let mut visitors = Vec::new();
    for number in 0..VISITORS {
        let visitor = system.doors.connect(0, &format!("{name}-{number}").as_str().into()).await;
        let visitor = visitor.expect("the balancer takes them");
        visitor.joined(room, None).await;
        visitors.push(visitor);
    }
    visitors
}

/// The visitors of the edge that went silent are closed by the balancer and don't come back; who comes to the other one
/// sees that they are gone. Then the rest goes, too.
async fn gone_from_one_edge(system: &System, room: &Room, visitors: Vec<Device>) {
    eventually(BOUND, "the balancer to close the silent edge's connections", || async {
        let closed = visitors.iter().filter(|visitor| visitor.is_closed()).count();
        if closed > 0 { Ok(()) } else { Err("none is closed") }
    })
    .await;
    let observer = system.doors.connect_anywhere(&mut choices(system.seed), &"observer".into()).await;
    observer.joined(room, None).await;
    let closed: Vec<_> = visitors.iter().filter(|visitor| visitor.is_closed()).collect();
    eventually(BOUND, "the silent edge's people to be gone", || async {
        match observer.presence(room).await {
            Answer::Present { people } => match closed.iter().find(|visitor| people.contains(visitor.person())) {
                Some(ghost) => Err(format!("{} is there", ghost.person())),
                None => Ok(()),
            },
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    system.tell(&format!("{} of {} are gone", closed.len(), visitors.len()));
}
