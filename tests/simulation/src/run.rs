//! One run: people live in a world that faults befall, then all is quiet, is read back, and is judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use klatch_domain::{Address, Seq as LogSeq};
use klatch_eventlog::memory::Weather;
use klatch_projector::simulation::Simulated as ProjectorProcess;
use klatch_tests::checker::history::{Fold, History, Observation, Slot};
use klatch_tests::checker::name::{Epoch, MessageId, Projector, Room, Seq};
use klatch_tests::checker::{Unsound, judge};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::chance;
use crate::fault;
use crate::person::Human;
use crate::schedule::{Schedule, choices};
use crate::trace::Trace;
use crate::world::World;

/// When the weather is fair again, everybody has what they missed within this time: a patrol of the log, a lease, and the
/// pauses between tries.
const QUIET: Duration = Duration::from_secs(20);
/// So long a projector may take for what it has to fold or to erase.
const CATCHES_UP_WITHIN: Duration = Duration::from_secs(120);
/// A run that has not ended by then, in its own time, hangs.
const ENDS_WITHIN: Duration = Duration::from_secs(3_600);
/// Events taken from the log at once when it is read back.
const BATCH_EVENTS: usize = 512;

/// What became of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// What it consisted of.
    pub schedule: Schedule,
    /// Requests and faults.
    pub steps: u64,
    /// How much there was to judge, by promise.
    pub judged: BTreeMap<String, usize>,
    /// What was broken, by promise, in words.
    pub broken: BTreeMap<String, Vec<String>>,
    /// Everything that happened.
    pub trace: Trace,
}

impl Outcome {
    /// Whether no promise was broken.
    pub fn is_kept(&self) -> bool {
        self.broken.is_empty()
    }
}

/// Lets a schedule run from the beginning to the verdict, on a thread of its own. `prepare` is done there first. It is the
/// same again only as the first run of a process: see [`campaign`](crate::campaign).
///
/// # Panics
/// Where something in it panics, or it can't be judged: with the seed.
pub fn run(schedule: &Schedule, prepare: impl FnOnce() + Send) -> Outcome {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(format!("seed-{}", schedule.seed));
        let running = thread.spawn_scoped(scope, || {
            chance::seed(schedule.seed);
            prepare();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let runtime = runtime.expect("a runtime needs no more than memory");
            let (steps, history, beyond, remarks) = runtime.block_on(live(schedule));
            drop(runtime);
            let verdict = judge(&history).unwrap_or_else(|unsound: Unsound| panic!("can't be judged: {unsound}"));
            let mut broken: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for violation in &verdict.violations {
                broken.entry(format!("{:?}", violation.promise())).or_default().push(violation.to_string());
            }
            for (what, words) in beyond {
                broken.entry(what.to_owned()).or_default().push(words);
            }
            let judged = verdict.judged.iter().map(|(promise, count)| (format!("{promise:?}"), *count)).collect();
            Outcome { schedule: schedule.clone(), steps, judged, broken, trace: Trace::of(&history, remarks) }
        });
        let ended = running.expect("a thread can be had").join();
        ended.unwrap_or_else(|_| panic!("seed {} panicked: {schedule:?}", schedule.seed))
    })
}

/// What is broken beyond the checker's promises: its name, and words.
type Beyond = Vec<(&'static str, String)>;

async fn live(schedule: &Schedule) -> (u64, History, Beyond, Vec<(u64, String)>) {
    let world = World::new(schedule.seed, schedule.edges, schedule.projectors).expect("a folder can be made");
    let mut beyond = Vec::new();
    if tokio::time::timeout(ENDS_WITHIN, act(&world, schedule, &mut beyond)).await.is_err() {
        beyond.push(("Progress", "the run did not end within an hour of its own time".to_owned()));
    }
    read_back(&world).await;
    (world.steps(), world.recorder.history(), beyond, world.remarks())
}

async fn act(world: &Arc<World>, schedule: &Schedule, beyond: &mut Beyond) {
    (0..schedule.projectors).for_each(|place| world.start_projector(place));
    (0..schedule.edges).for_each(|place| world.start_edge(place));
    world.faults.weather(schedule.weather);
    let devices = schedule.people + schedule.people / 2;
    let living: Vec<_> = (0..devices)
        .map(|number| {
            let of = choices(schedule.seed, 2 + number as u64);
            let mut human = Human::new(world.clone(), of, number, schedule.people, schedule.pause_ms_max);
            let requests = schedule.requests;
            tokio::spawn(async move {
                human.live(requests).await;
                human
            })
        })
        .collect();
    let striking = fault::strike(world.clone(), choices(schedule.seed, 1), schedule.faults, schedule.wipe);
    let striking = tokio::spawn(striking);
    let mut people = Vec::new();
    for human in living {
        people.push(human.await.expect("a person doesn't panic"));
    }
    striking.await.expect("faults don't panic");

    world.faults.weather(Weather::default());
    for human in &mut people {
        human.present().await;
    }
    tokio::time::sleep(QUIET).await;
    settle(world).await;
    for human in &mut people {
        human.look_around().await;
    }
    drop(people);
    compare_projectors(world, beyond).await;
    look_for_what_was_deleted(world, beyond).await;
    for place in 0..world.edges() {
        world.kill_edge(place).await;
    }
}

/// Notes of each room that all is quiet.
async fn settle(world: &World) {
    let mut ends: BTreeMap<Room, Seq> = BTreeMap::new();
    for stored in stored(world).await {
        if let Address::Timeline(room) = &stored.address {
            ends.insert(Room::from(room.as_str()), Seq(stored.seq.0));
        }
    }
    for (room, seq) in ends {
        world.recorder.note(Observation::Settled { room, seq });
    }
}

/// Everything in the log, oldest first.
async fn stored(world: &World) -> Vec<klatch_eventlog::Stored> {
    // The world's own log may not have heard yet of another epoch.
    world.log.refresh_epoch().await.expect("fair weather");
    let mut events = world.log.follow(LogSeq::ZERO);
    let mut all = Vec::new();
    loop {
        let batch = events.next_batch(BATCH_EVENTS).await.expect("fair weather");
        all.extend(batch.events);
        if batch.caught_up {
            return all;
        }
    }
}

/// Every projector's digest at the log's end, and that of one that begins with nothing; when each has erased what it has to.
async fn compare_projectors(world: &World, beyond: &mut Beyond) {
    let mut projectors = world.take_projectors();
    for (name, projector) in &projectors {
        if !until_erased(projector).await {
            beyond.push(("Erasure", format!("{name} has not erased what it was to erase")));
        }
        note_digest(world, name, projector, Fold::Incremental)
            .await
            .unwrap_or_else(|why| beyond.push(("Progress", why)));
    }
    let (name, anew) = world.fresh_projector();
    note_digest(world, &name, &anew, Fold::Rebuilt).await.unwrap_or_else(|why| beyond.push(("Progress", why)));
    projectors.push((name, anew));
    for (_, projector) in projectors {
        projector.kill(None, &world.spare_folder()).await.expect("its folder can be copied");
    }
}

/// Asks again and again, while the projector says that it is not so far yet.
async fn ask(projector: &ProjectorProcess, query: &str, body: &Value) -> Option<Value> {
    let asked = async {
        loop {
            match projector.ask(query, body.to_string().as_bytes()).await {
                Ok(answer) => return serde_json::from_slice(&answer).ok(),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(CATCHES_UP_WITHIN, asked).await.ok().flatten()
}

async fn until_erased(projector: &ProjectorProcess) -> bool {
    let erased = async {
        while ask(projector, "status", &json!({})).await.is_none_or(|status| status["toErase"] != 0) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(CATCHES_UP_WITHIN, erased).await.is_ok()
}

async fn note_digest(world: &World, name: &Projector, projector: &ProjectorProcess, how: Fold) -> Result<(), String> {
    let end = world.log.last_seq().await.expect("fair weather").0;
    let answer = ask(projector, "digest", &json!({"at": end, "minSeq": end})).await;
    let answer = answer.ok_or_else(|| format!("{name} gives no digest at {end}"))?;
    world.recorder.note(Observation::Folded {
        projector: name.clone(),
        how,
        epoch: Epoch(answer["epoch"].as_str().unwrap_or_default().to_owned()),
        position: Seq(answer["at"].as_u64().unwrap_or_default()),
        digest: answer["digest"].as_str().unwrap_or_default().to_owned(),
    });
    Ok(())
}

/// When the projectors say that nothing is left to be erased, the log holds neither a deleted message nor an edit of it.
async fn look_for_what_was_deleted(world: &World, beyond: &mut Beyond) {
    let stored = stored(world).await;
    let told: Vec<(u64, Room, Value)> = stored
        .iter()
        .filter(|stored| matches!(stored.address, Address::Timeline(_)))
        .filter_map(|stored| {
            let room = Room::from(stored.address.room().as_str());
            Some((stored.seq.0, room, serde_json::from_slice(&stored.payload).ok()?))
        })
        .collect();
    let message = |told: &Value| told["data"]["messageId"].as_str().map(MessageId::from);
    let deleted: Vec<(&Room, MessageId)> = told
        .iter()
        .filter(|(_, _, told)| told["event"] == "chat.messageDeleted")
        .filter_map(|(_, room, told)| Some((room, message(told)?)))
        .collect();
    for (seq, room, told) in &told {
        let says_something = told["event"] == "chat.message" || told["event"] == "chat.messageEdited";
        if says_something && message(told).is_some_and(|message| deleted.contains(&(room, message))) {
            let what = format!("{} at {seq} of {room} was deleted, and is there", told["event"]);
            beyond.push(("Erasure", what));
        }
    }
}

/// Notes the whole log.
async fn read_back(world: &World) {
    let all = stored(world).await;
    let epoch = Epoch(world.log.epoch().to_string());
    for stored in all {
        let mut told: Value = serde_json::from_slice(&stored.payload).unwrap_or_default();
        let slot = match &stored.address {
            Address::Timeline(_) => Slot::Timeline,
            Address::Member(_, user) => Slot::Member(user.as_str().into()),
            Address::Info(_) => Slot::Info,
        };
        let room = Room::from(stored.address.room().as_str());
        let event = told["event"].as_str().unwrap_or_default().to_owned();
        let (epoch, seq, data) = (epoch.clone(), Seq(stored.seq.0), told["data"].take());
        world.recorder.note(Observation::Stored { epoch, seq, room, slot, event, data });
    }
    let last = Seq(world.log.last_seq().await.expect("fair weather").0);
    world.recorder.note(Observation::Replayed { epoch, last });
}
