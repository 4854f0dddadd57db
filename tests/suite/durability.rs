//! Processes die (-9) while people talk; nothing that was acknowledged is lost, and everybody finds together again.

use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::Promise;
use klatch_tests::checker::history::{Answer, Fold};
use klatch_tests::checker::name::{Person, Room};
use klatch_tests::cluster::{Cluster, choices, seed};
use klatch_tests::crowd::Crowd;
use klatch_tests::device::Device;
use klatch_tests::talker::Talker;
use rand::RngExt;
use rand::rngs::StdRng;

const BOUND: Duration = Duration::from_secs(120);
const TALKERS: u64 = 6;

/// What dies.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Edge(usize),
    Projector,
    Broker,
    Everything,
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_killed_in_turn_under_load_and_nothing_acknowledged_is_lost() {
    let seed = seed();
    let mut choices = choices(seed);
    let mut cluster = Cluster::start(seed).await;
    let room = Room::from("lobby");
    // They don't come back: nobody may see them once their edge is dead for two lease periods.
    let visitors = [cluster.device(0, "visitor-0").await, cluster.device(1, "visitor-1").await];
    for visitor in &visitors {
        visitor.joined(&room, None).await;
    }
    let mut crowd = Crowd::of_talkers(&cluster, TALKERS, &room);
    let mut victims = vec![Victim::Edge(0), Victim::Projector, Victim::Broker, Victim::Edge(1), Victim::Everything];
    while !victims.is_empty() {
        let victim = victims.swap_remove(choices.random_range(0..victims.len()));
        crowd.go_on(choices.random_range(50..150), BOUND).await;
        println!("{}: {victim:?} dies", cluster.recorder.now());
        kill(&mut cluster, victim, &mut choices);
        cluster.revive().await;
        cluster.until_ready().await;
    }
    crowd.go_on(100, BOUND).await;
    let mut talkers = crowd.stop().await;
    judge(&mut cluster, &room, &mut talkers).await;
    drop(visitors);
}

fn kill(cluster: &mut Cluster, victim: Victim, choices: &mut StdRng) {
    match victim {
        Victim::Edge(edge) => cluster.kill_edge(edge),
        Victim::Projector => cluster.kill_projector(),
        Victim::Broker => cluster.kill_broker(),
        Victim::Everything => {
            let mut all = vec![Victim::Edge(0), Victim::Edge(1), Victim::Projector, Victim::Broker];
            while !all.is_empty() {
                let next = all.swap_remove(choices.random_range(0..all.len()));
                kill(cluster, next, choices);
            }
        }
    }
}

async fn judge(cluster: &mut Cluster, room: &Room, talkers: &mut [Talker]) {
    let mut devices: Vec<&Device> = Vec::new();
    for talker in talkers.iter_mut() {
        devices.push(talker.present().await);
    }
    cluster.settle(room, &devices, BOUND).await;
    let reader = devices[0];
    reader.walk(room).await;
    let still = eventually(BOUND, "the visitors to be gone", || async {
        match reader.presence(room).await {
            Answer::Present { people } if people.contains(&"visitor-0".into()) => Err("visitor-0 is there"),
            Answer::Present { people } if people.contains(&"visitor-1".into()) => Err("visitor-1 is there"),
            Answer::Present { people } => Ok(people),
            _ => Err("no answer"),
        }
    })
    .await;
    let mut present: Vec<Person> = still;
    present.sort();
    let mut expected: Vec<Person> = devices.iter().map(|device| device.person().clone()).collect();
    expected.sort();
    assert_eq!(present, expected);
    let (at, digest) = cluster.note_digest(Fold::Incremental, None).await;
    cluster.read_back().await;
    cluster.kill_projector();
    std::fs::remove_dir_all(cluster.views_folder()).expect("the views are a folder");
    cluster.start_projector();
    assert_eq!(cluster.note_digest(Fold::Rebuilt, Some(at)).await, (at, digest));
    use Promise::*;
    cluster.expect_kept(&[ExactlyOnce, OneOrder, Replay, Visibility, Ghosts]);
}
