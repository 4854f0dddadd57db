//! Each fault that is built in on purpose is found, and by the promise that it breaks: what the simulation is silent about
//! was looked at.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use klatch_eventlog::Sabotage;
use klatch_simulation::Schedule;
use klatch_simulation::campaign::Program;

/// A fault that is not found in so many runs is not found.
const RUNS_MAX: u64 = 400;
const FIRST_SEED: u64 = 1;

/// The first seed in which something is broken, and what.
fn found(sabotage: Option<Sabotage>, runs: u64) -> Option<(u64, BTreeMap<String, Vec<String>>)> {
    let path = Path::new(env!("CARGO_BIN_EXE_klatch-simulation"));
    let program = Program { path, sabotage: sabotage.map(Sabotage::name) };
    (FIRST_SEED..FIRST_SEED + runs).find_map(|seed| {
        let outcome = program.run(&Schedule::of(seed));
        (!outcome.is_kept()).then_some((seed, outcome.broken))
    })
}

#[test]
fn each_fault_that_is_built_in_is_found() {
    let promises = |sabotage| match sabotage {
        Sabotage::NoGapFill => ["OneOrder"].as_slice(),
        Sabotage::UnguardedAppend => &["Removal"],
        Sabotage::MarkGoesBack => &["Unread"],
        Sabotage::CheckpointOutsideBatch => &["Replay", "ExactlyOnce"],
        Sabotage::EraserMissesEdits => &["Erasure"],
    };
    let all_found = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for sabotage in Sabotage::ALL {
            let all_found = &all_found;
            scope.spawn(move || match found(Some(sabotage), RUNS_MAX) {
                None => {
                    println!("{sabotage:?}: not found in {RUNS_MAX} runs");
                    all_found.store(false, Ordering::Relaxed);
                }
                Some((seed, broken)) => {
                    let promises = promises(sabotage);
                    println!("{sabotage:?}: found by seed {seed}: {:?}", broken.keys());
                    if !promises.iter().any(|promise| broken.contains_key(*promise)) {
                        println!("… and not by {promises:?}, but: {broken:?}");
                        all_found.store(false, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(all_found.into_inner());
}

#[test]
fn with_none_of_them_nothing_is_found() {
    assert_eq!(found(None, 40), None);
}
