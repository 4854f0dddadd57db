//! A bounded number of runs, some from seeds that stay and some from fresh ones; and that a seed is a run.

use std::path::Path;

use klatch_simulation::Schedule;
use klatch_simulation::campaign::{Program, campaign};
use klatch_tests::checker::Promise;

/// Runs from the seeds that stay.
const FIXED: u64 = 40;
/// Seeds in which something was found once that is mended now.
const FOUND: [u64; 22] = [
    8,
    9,
    12,
    22,
    33,
    52,
    100_083,
    200_254,
    200_289,
    200_351,
    200_461,
    200_529,
    601_472,
    601_553,
    601_580,
    602_231,
    603_652,
    606_136,
    606_292,
    606_709,
    607_659,
    1_277_249_584,
];
/// Runs of one seed that are compared.
const ALIKE: usize = 6;
/// Runs from fresh seeds.
const FRESH: u64 = 40;

fn program() -> Program<'static> {
    Program { path: Path::new(env!("CARGO_BIN_EXE_klatch-simulation")), sabotage: None }
}

#[test]
fn one_seed_is_one_run_byte_for_byte() {
    let trace = |seed| program().run(&Schedule::of(seed)).trace;
    for seed in 1..=10 {
        // Side by side, so that they are in each other's way: nothing may hang on who is how fast.
        let traces: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..ALIKE).map(|_| scope.spawn(|| trace(seed))).collect();
            running.into_iter().map(|running| running.join().expect("a run ends")).collect()
        });
        let (one, others) = traces.split_first().expect("more than one");
        assert!(!one.lines().is_empty(), "seed {seed}");
        for other in others {
            let differs = one.lines().iter().zip(other.lines()).find(|(one, other)| one != other);
            assert_eq!(differs, None, "seed {seed}");
            assert_eq!(one, other, "seed {seed}");
        }
    }
    assert_ne!(trace(1), trace(2));
}

fn keeps_all(first: u64, runs: u64) {
    let summary = campaign(&program(), first, runs, 2, |outcome, _| {
        if !outcome.is_kept() {
            println!("{outcome}");
        }
    });
    println!("seeds {first} to {}: {summary}", first + runs - 1);
    assert!(summary.broken.is_empty(), "{:?}", summary.broken);
    // A simulated process has no memory of its own to judge.
    let memory = format!("{:?}", Promise::BoundedMemory);
    let mut judged = summary.judged.iter().filter(|(promise, _)| **promise != memory);
    assert!(judged.all(|(_, judged)| *judged > 0), "not all was judged: {summary}");
}

#[test]
fn the_seeds_that_stay_keep_every_promise() {
    keeps_all(1, FIXED);
}

#[test]
fn what_was_found_once_is_not_found_again() {
    FOUND.into_iter().for_each(|seed| {
        let outcome = program().run(&Schedule::of(seed));
        assert!(outcome.is_kept(), "{outcome}");
    });
}

#[test]
fn fresh_seeds_keep_every_promise() {
    keeps_all(u64::from(rand::random::<u32>()), FRESH);
}
