//! One thing that befalls the system, and how it ends. When it has ended, everything runs again; nobody has waited for
//! the people to find together.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::{Cluster, get};
use klatch_tests::crowd::Crowd;
use klatch_tests::damage::Damage;
use klatch_tests::link::Weather;
use klatch_tests::trouble::{Deaf, Frozen};
use rand::RngExt;
use rand::rngs::StdRng;

/// Anything that takes longer has failed.
pub(crate) const BOUND: Duration = Duration::from_secs(180);
/// A frozen process stays so for this long: longer than the two pings after which a connection counts as dead, and than
/// any lease.
const FROZEN_FOR: Duration = Duration::from_secs(11);
/// Bad weather lasts so long.
const WEATHER_FOR: Duration = Duration::from_secs(6);
/// A process that stutters stops for this long, and goes on for as long.
const STUTTER: Duration = Duration::from_millis(250);
const STUTTERS: u32 = 16;
/// Where Debian and its kin put libfaketime. It can bend the clock of what asks libc for it: ours does; nats-server, in
/// Go, asks the kernel.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

/// What befalls the system.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// It is killed (-9), at whatever it is about, and started again.
    Kill(Victim),
    /// It is frozen for more than ten seconds.
    Freeze(Frozen),
    /// An edge stops and goes on, time and again.
    Stutter(usize),
    /// The network between an edge and the broker.
    Weather(usize, Weather),
    /// An edge's machine has a clock ten minutes off.
    Clock(usize),
    /// Somebody asks an edge for much and reads nothing, until the end of the round.
    Deaf(usize),
    /// A projector's files are damaged while it is down.
    Damage(usize, Damage),
    /// Somebody writes into the log what nobody can read.
    Poison(&'static [u8]),
    /// A stream's leader steps down, three times.
    StepDown(&'static str),
    /// One of three servers is lost, then another; then both come back.
    LoseTwo(usize, usize),
    /// Each server in turn is stopped in good order and started again.
    RollingRestart,
}

/// What is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Victim {
    Edge(usize),
    Projector(usize),
    Notifier,
    Node(usize),
    /// The server that leads the events.
    Leader,
    Everything,
}

/// What stays of the faults until the end of a round.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// They still read nothing.
    pub(crate) deaf: Vec<Deaf>,
    /// So many events nobody can read.
    pub(crate) poisoned: u64,
}

impl fmt::Debug for Fault {
    /// In the words of a schedule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill(victim) => write!(f, "kill -9 of {victim:?}"),
            Fault::Freeze(who) => write!(f, "{who:?} is frozen"),
            Fault::Stutter(edge) => write!(f, "Edge({edge}) stutters"),
            Fault::Weather(edge, weather) => write!(f, "between Edge({edge}) and the broker: {weather:?}"),
            Fault::Clock(edge) => write!(f, "the clock of Edge({edge}) is ten minutes off"),
            Fault::Deaf(edge) => write!(f, "somebody at Edge({edge}) reads nothing"),
            Fault::Damage(projector, damage) => write!(f, "the files of Projector({projector}): {damage:?}"),
            Fault::Poison(poison) => write!(f, "poison: {:?}", String::from_utf8_lossy(poison)),
            Fault::StepDown(stream) => write!(f, "the leader of {stream} steps down, three times"),
            Fault::LoseTwo(first, second) => {
                write!(f, "Node({first}) is lost, then Node({second}), then both are back")
            }
            Fault::RollingRestart => f.write_str("rolling restart of the broker"),
        }
    }
}

impl Fault {
    /// Befalls the system, while people talk, and ends.
    pub(crate) async fn befall(
        self,
        cluster: &mut Cluster,
        crowd: &mut Crowd,
        room: &Room,
        choices: &mut StdRng,
        aftermath: &mut Aftermath,
    ) {
        match self {
            Fault::Kill(victim) => kill(cluster, victim, choices).await,
            Fault::Freeze(who) => {
                cluster.freeze(who);
                tokio::time::sleep(FROZEN_FOR).await;
                cluster.thaw(who);
            }
            Fault::Stutter(edge) => {
                for _ in 0..STUTTERS {
                    cluster.freeze(Frozen::Edge(edge));
                    tokio::time::sleep(STUTTER).await;
                    cluster.thaw(Frozen::Edge(edge));
                    tokio::time::sleep(STUTTER).await;
                }
            }
            Fault::Weather(edge, weather) => {
                cluster.turn_weather(edge, weather);
                tokio::time::sleep(WEATHER_FOR).await;
                cluster.turn_weather(edge, Weather::Clear);
            }
            Fault::Clock(edge) => bend_clock(cluster, crowd, edge, choices).await,
            Fault::Deaf(edge) => match cluster.deaf(edge, &format!("deaf-{edge}"), room).await {
                Ok(deaf) => aftermath.deaf.push(deaf),
                Err(why) => println!("nobody deaf there: {why}"),
            },
            Fault::Damage(projector, damage) => {
                cluster.kill_projector_number(projector);
                damage.befall(&cluster.views_folder_of(projector), choices);
            }
            Fault::Poison(poison) => {
                cluster.poison(room, poison).await;
                aftermath.poisoned += 1;
            }
            Fault::StepDown(stream) => {
                for _ in 0..3 {
                    cluster.step_down(stream).await;
                    crowd.go_on(10, BOUND).await;
                }
            }
            Fault::LoseTwo(first, second) => lose_two(cluster, crowd, first, second).await,
            Fault::RollingRestart => {
                for node in 0..cluster.broker.size() {
                    cluster.stop_node(node).await;
                    cluster.restart_broker().await;
                    cluster.broker.until_current("CHAT_EVENTS").await;
                }
            }
        }
    }
}

async fn kill(cluster: &mut Cluster, victim: Victim, choices: &mut StdRng) {
    match victim {
        Victim::Edge(edge) => cluster.kill_edge(edge),
        Victim::Projector(number) => cluster.kill_projector_number(number),
        Victim::Notifier => cluster.kill_notifier(),
        Victim::Node(node) => cluster.kill_node(node),
        Victim::Leader => {
            if let Some(leader) = cluster.broker.leader_of("CHAT_EVENTS").await {
                cluster.kill_node(leader);
            }
        }
        Victim::Everything => {
            let mut all = vec![Victim::Edge(0), Victim::Edge(1), Victim::Projector(0), Victim::Projector(1)];
            all.extend((0..cluster.broker.size()).map(Victim::Node));
            all.push(Victim::Notifier);
            while !all.is_empty() {
                let next = all.swap_remove(choices.random_range(0..all.len()));
                Box::pin(kill(cluster, next, choices)).await;
            }
        }
    }
}

/// With two of three, everything goes on; with one, nothing is acknowledged that could be lost.
async fn lose_two(cluster: &mut Cluster, crowd: &mut Crowd, first: usize, second: usize) {
    cluster.kill_node(first);
    crowd.go_on(30, BOUND).await;
    cluster.kill_node(second);
    eventually(BOUND, "the events to be without a leader", || async {
        match cluster.broker.leader_of("CHAT_EVENTS").await {
            None => Ok(()),
            Some(leader) => Err(format!("server {leader} leads")),
        }
    })
    .await;
    cluster.restart_broker().await;
}

/// The edge says that it is not fit for clients; whoever comes to it all the same is served, and nobody is the worse.
async fn bend_clock(cluster: &mut Cluster, crowd: &mut Crowd, edge: usize, choices: &mut StdRng) {
    let Some(library) = faketime() else {
        println!("SKIPPED: no clock is bent, for there is no libfaketime here (apt install libfaketime)");
        return;
    };
    let library = library.to_str().expect("libraries have plain names");
    let off = if choices.random() { "+10m" } else { "-10m" };
    let variables = [("LD_PRELOAD", library), ("FAKETIME", off), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    cluster.kill_edge(edge);
    cluster.start_edge_with(edge, &variables);
    let address = cluster.doors().door(edge).address;
    eventually(BOUND, "an edge whose clock is off to say so", || async {
        match get(&address, "/readyz").await {
            Ok((503, why)) if why.contains("clock") && why.contains("differ") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    crowd.go_on(30, BOUND).await;
    cluster.kill_edge(edge);
}

fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    folders.iter().map(|folder| Path::new(folder).join(FAKETIME)).find(|library| library.is_file())
}
