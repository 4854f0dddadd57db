//! Many people who go on talking, each in their own way, and how often they were acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use klatch_testkit::eventually;
use rand::RngExt;
use tokio::task::JoinSet;

use crate::checker::history::{Answer, Deed, Which};
use crate::checker::name::{Person, Room};
use crate::cluster::{Cluster, choices};
use crate::talker::Talker;

/// How somebody passes the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Says one thing after the other.
    Talks,
    /// The same, and sends some of it again: after its acknowledgement, or through another edge in the same moment.
    Repeats,
    /// Talks, and is put out of the room time and again by [`Manner::PutsOut`].
    IsPutOut,
    /// Puts whoever [`Manner::IsPutOut`] out, once in a while.
    PutsOut,
    /// Reads: pages, the list of rooms, the mark forward; who is there.
    Reads,
}

/// Readers pause so much longer: each page of theirs is held against the whole log.
const READERS_PAUSE: f64 = 8.0;

/// Who [`Manner::PutsOut`] puts out, and who does it.
const PUT_OUT: &str = "guest";
const WARDEN: &str = "warden";

/// People who go on until they are told to stop.
pub struct Crowd {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    pause: Duration,
    busy: JoinSet<Talker>,
}

impl Crowd {
    /// Nobody yet. Between two things that somebody does they pause, by chance up to twice as long as this.
    pub fn pausing(pause: Duration) -> Self {
        Self { stop: Arc::default(), acknowledged: Arc::default(), pause, busy: JoinSet::new() }
    }

    /// People who only talk, without a pause.
    pub fn of_talkers(cluster: &Cluster, talkers: u64, room: &Room) -> Self {
        let mut crowd = Self::pausing(Duration::ZERO);
        for number in 0..talkers {
            crowd.add(cluster, &format!("talker-{number}"), room, Manner::Talks);
        }
        crowd
    }

    /// Somebody more.
    pub fn add(&mut self, cluster: &Cluster, person: &str, room: &Room, manner: Manner) {
        let (doors, room, person) = (cluster.doors(), room.clone(), person.to_owned());
        let (stop, acknowledged, pause) = (self.stop.clone(), self.acknowledged.clone(), self.pause);
        let seed = cluster.seed().wrapping_add(self.busy.len() as u64);
        self.busy.spawn(async move {
            let mut talker = Talker::arrive(&doors, choices(seed), &person, &room).await;
            let mut pauses = choices(seed.wrapping_mul(31));
            while !stop.load(Ordering::Relaxed) {
                acknowledged.fetch_add(act(&mut talker, manner).await, Ordering::Relaxed);
                let longer = if manner == Manner::Reads { READERS_PAUSE } else { 1.0 };
                tokio::time::sleep(pause.mul_f64(longer * pauses.random_range(0.0..2.0))).await;
            }
            talker
        });
    }

    /// The one who puts out, and the one who is put out. Returns once the first owns the room, which nobody else may have
    /// entered.
    pub async fn add_quarrel(&mut self, cluster: &Cluster, room: &Room) {
        let owner = cluster.device(0, WARDEN).await;
        owner.joined(room, None).await;
        self.add(cluster, WARDEN, room, Manner::PutsOut);
        self.add(cluster, PUT_OUT, room, Manner::IsPutOut);
    }

    /// Sends acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more sends were acknowledged.
    ///
    /// # Panics
    /// When that takes longer than `bound`.
    pub async fn go_on(&mut self, more: u64, bound: Duration) {
        let enough = self.acknowledged() + more;
        eventually(bound, &format!("{more} more sends to be acknowledged"), || async {
            match self.acknowledged() {
                now if now >= enough => Ok(()),
                now => Err(format!("{now} of {enough}")),
            }
        })
        .await;
    }

    /// Everybody finishes what they are about, and stays.
    pub async fn stop(self) -> Vec<Talker> {
        self.stop.store(true, Ordering::Relaxed);
        self.busy.join_all().await
    }
}

/// One thing that somebody does; how many sends were acknowledged by it.
async fn act(talker: &mut Talker, manner: Manner) -> u64 {
    match manner {
        Manner::Talks => say(talker).await,
        Manner::Repeats => talker.say_again_and_again().await,
        Manner::IsPutOut => match talker.say().await {
            Answer::Stored { .. } => 1,
            // Put out: present() joins again.
            Answer::Refused { .. } => {
                talker.come_again();
                0
            }
            other => panic!("{}: {other:?}", talker.person()),
        },
        Manner::PutsOut => {
            if talker.by_chance(1, 10) {
                // Whether it worked, the recording says; a guest who isn't there can't be put out.
                talker.govern(Deed::Kick, &Person::from(PUT_OUT)).await;
            }
            say(talker).await
        }
        Manner::Reads => {
            look_about(talker).await;
            0
        }
    }
}

async fn say(talker: &mut Talker) -> u64 {
    let said = talker.say().await;
    assert!(matches!(said, Answer::Stored { .. }), "{}: {said:?}", talker.person());
    1
}

async fn look_about(talker: &mut Talker) {
    let room = talker.room().clone();
    let device = talker.present().await;
    device.page(&room, Which::Newest, 20).await;
    device.rooms().await;
    device.presence(&room).await;
    if let Some(place) = device.place(&room) {
        device.read(&room, place.seq).await;
        device.page(&room, Which::Before(place.seq), 20).await;
    }
    device.rooms().await;
}
