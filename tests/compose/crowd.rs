//! People who talk through the balancer until they are told to stop, and how often they were acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use klatch_testkit::eventually;
use klatch_tests::checker::history::Answer;
use klatch_tests::checker::name::Room;
use klatch_tests::cluster::choices;
use klatch_tests::talker::Talker;
use rand::RngExt;
use tokio::task::JoinSet;

use crate::system::{BOUND, System};

const TALKERS: u64 = 6;
/// Between two sends of one person, by chance up to twice as long. Without it a test of a minute and a half records several
/// times as much, and reading that back and judging it did not end within four minutes (debug build).
const PAUSE: Duration = Duration::from_millis(60);

/// The people.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    talking: JoinSet<Talker>,
}

impl Crowd {
    /// Begins to talk.
    pub(crate) fn gather(system: &System, room: &Room) -> Crowd {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut talking = JoinSet::new();
        for number in 0..TALKERS {
            let (doors, room, seed) = (system.doors.clone(), room.clone(), system.seed.wrapping_add(number));
            let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
            talking.spawn(async move {
                let person = format!("talker-{number}");
                let mut pauses = choices(seed.wrapping_mul(31));
                let mut talker = Talker::arrive(&doors, choices(seed), &person, &room).await;
                while !stop.load(Ordering::Relaxed) {
                    let said = talker.say().await;
                    assert!(matches!(said, Answer::Stored { .. }), "{person}: {said:?}");
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE.mul_f64(pauses.random_range(0.0..2.0))).await;
                }
                talker
            });
        }
        Crowd { stop, acknowledged, talking }
    }

    /// How many sends were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more sends were acknowledged.
    pub(crate) async fn go_on(&self, more: u64) {
        let enough = self.acknowledged() + more;
        eventually(BOUND, &format!("{more} more sends to be acknowledged"), || async {
            match self.acknowledged() {
                now if now >= enough => Ok(()),
                now => Err(format!("{now} of {enough}")),
            }
        })
        .await;
    }

    /// Everybody finishes what they are about, and stays.
    pub(crate) async fn stop(self) -> Vec<Talker> {
        self.stop.store(true, Ordering::Relaxed);
        self.talking.join_all().await
    }
}
