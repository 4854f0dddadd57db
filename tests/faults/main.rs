//! The fault suite: a whole system of real processes under a seeded schedule of faults, and the recording of each run
//! judged against promises 1 to 6, 8 and 9.
//!
//! ```text
//! schedule  what befalls the system in one round, drawn from a seed
//! fault     one thing that befalls it, and how it ends
//! round     the people, the faults in turn, the reading back and the judging
//! backup, disk, window   what needs a system of its own: a restored stream, a full disk, a retry that comes too late
//! ```
//!
//! `make test-faults` runs it once, in minutes; `make faults-long MINUTES=30 SEED=1` goes on with fresh rounds. The seed
//! and the schedule are printed at the start of each round; `KLATCH_TEST_SEED` repeats its choices. When a round fails,
//! the path of its recording is printed too.

mod backup;
mod disk;
mod fault;
mod round;
mod schedule;
mod window;

use std::time::{Duration, Instant};

use klatch_tests::cluster::seed;

/// For so many minutes further rounds are begun; at least one is.
const MINUTES: &str = "KLATCH_FAULT_MINUTES";

#[tokio::test(flavor = "multi_thread")]
async fn one_server_keeps_the_promises_whatever_befalls_it() {
    rounds(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_keep_the_promises_whatever_befalls_them() {
    rounds(3).await;
}

async fn rounds(nodes: usize) {
    let minutes = std::env::var(MINUTES).ok();
    let minutes: u64 = minutes.map_or(0, |minutes| minutes.parse().expect("KLATCH_FAULT_MINUTES is a number"));
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    let first = seed();
    let mut sums = Vec::new();
    loop {
        let seed = first.wrapping_add(sums.len() as u64);
        sums.push(round::play(nodes, seed).await);
        if Instant::now() >= until {
            break;
        }
    }
    let (acknowledged, faults) = sums.iter().fold((0, 0), |sum, one| (sum.0 + one.acknowledged, sum.1 + one.faults));
    println!(
        "{nodes} servers, from seed {first}: {} rounds, {faults} faults, {acknowledged} acknowledged, 0 violations",
        sums.len()
    );
}
