//! One round: people talk, faults befall the system in turn, all comes to rest, and the recording is judged.

use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::{Answer, Fold};
use klatch_tests::checker::name::{Person, Room};
use klatch_tests::cluster::{Cluster, choices, get, query};
use klatch_tests::crowd::{Crowd, Manner};
use klatch_tests::device::Device;
use klatch_tests::talker::Talker;
use rand::RngExt;
use serde_json::json;

use crate::fault::{Aftermath, BOUND};
use crate::schedule::{EDGES, PROJECTORS, Schedule};

/// Between two things that somebody does: enough load to race with, little enough to keep the recording of it.
const PAUSE: Duration = Duration::from_millis(25);

/// What a round came to. Any violation has failed the test.
pub(crate) struct Sum {
    pub(crate) acknowledged: u64,
    pub(crate) faults: usize,
}

/// Plays one round on a broker of so many servers.
pub(crate) async fn play(nodes: usize, seed: u64) -> Sum {
    let mut choices = choices(seed);
    let schedule = Schedule::draw(nodes, &mut choices);
    println!("{nodes} servers, seed {seed}:\n{schedule}");
    let builder = Cluster::builder(seed).nodes(nodes).edges(EDGES).projectors(PROJECTORS).notifier().linked();
    let mut cluster = builder.start().await;
    let rooms = [Room::from("lobby"), Room::from("yard")];
    let mut crowd = gather(&cluster, &rooms).await;
    let mut aftermath = Aftermath::default();
    for fault in &schedule.0 {
        crowd.go_on(choices.random_range(20..60), BOUND).await;
        println!("{}: {fault:?}", cluster.recorder.now());
        fault.befall(&mut cluster, &mut crowd, &rooms[0], &mut choices, &mut aftermath).await;
        cluster.revive().await;
        cluster.until_ready().await;
    }
    crowd.go_on(100, BOUND).await;
    println!("{}: rest", cluster.recorder.now());
    let acknowledged = crowd.acknowledged();
    let mut people = crowd.stop().await;
    judge(&mut cluster, &rooms, &mut people, &aftermath).await;
    Sum { acknowledged, faults: schedule.0.len() }
}

async fn gather(cluster: &Cluster, [lobby, yard]: &[Room; 2]) -> Crowd {
    let mut crowd = Crowd::pausing(PAUSE);
    // Whoever comes first owns the room, and may put others out.
    crowd.add_quarrel(cluster, yard).await;
    crowd.add(cluster, "ada", lobby, Manner::Talks);
    crowd.add(cluster, "ben", lobby, Manner::Talks);
    crowd.add(cluster, "cleo", lobby, Manner::Repeats);
    crowd.add(cluster, "dan", yard, Manner::Repeats);
    crowd.add(cluster, "eve", lobby, Manner::Reads);
    crowd.add(cluster, "flo", yard, Manner::Reads);
    crowd
}

async fn judge(cluster: &mut Cluster, rooms: &[Room; 2], people: &mut [Talker], aftermath: &Aftermath) {
    for person in people.iter_mut() {
        // Whoever was put out last would hear nothing more.
        person.come_again();
        person.present().await;
    }
    for room in rooms {
        let mut there: Vec<&Device> = Vec::new();
        for person in people.iter_mut().filter(|person| person.room() == room) {
            there.push(person.present().await);
        }
        cluster.settle(room, &there, BOUND).await;
        there[0].walk(room).await;
        until_present(there[0], room, &there).await;
    }
    let status = query(&cluster.broker.client().await, "status", &json!({})).await;
    assert_eq!(status["undecodable"], aftermath.poisoned, "{status}");
    agree(cluster).await;
    cluster.read_back().await;
    for edge in 0..EDGES {
        let metrics = get(&cluster.doors().door(edge).address, "/metrics").await;
        assert!(metrics.is_ok_and(|(status, text)| status == 200 && text.contains("klatch_edge_undecodable_events")));
    }
    use Promise::*;
    cluster.expect_kept(&[ExactlyOnce, OneOrder, Replay, Removal, Unread, Visibility, BoundedMemory, Ghosts]);
}

/// Everybody who is there is seen, and nobody who isn't; but for the deaf, who may still be there.
async fn until_present(observer: &Device, room: &Room, there: &[&Device]) {
    let mut expected: Vec<Person> = there.iter().map(|device| device.person().clone()).collect();
    expected.sort();
    eventually(BOUND, &format!("only those who are in {room} to be seen there"), || async {
        let Answer::Present { mut people } = observer.presence(room).await else { return Err("no answer".to_owned()) };
        people.retain(|person| !person.0.starts_with("deaf-"));
        people.sort();
        if people == expected { Ok(()) } else { Err(format!("{people:?}")) }
    })
    .await;
}

/// Both projectors, which lived through it all, and one made anew come to the same.
async fn agree(cluster: &mut Cluster) {
    cluster.kill_projector_number(1);
    let (at, digest) = cluster.note_digest_of(0, Fold::Incremental, None).await;
    cluster.start_projector_number(1);
    cluster.kill_projector_number(0);
    let other = cluster.note_digest_of(1, Fold::Incremental, Some(at)).await;
    assert_eq!(other, (at, digest.clone()), "the two projectors disagree");
    std::fs::remove_dir_all(cluster.views_folder_of(0)).expect("the views are a folder");
    cluster.start_projector_number(0);
    cluster.kill_projector_number(1);
    let rebuilt = cluster.note_digest_of(0, Fold::Rebuilt, Some(at)).await;
    assert_eq!(rebuilt, (at, digest), "a rebuild disagrees");
}
