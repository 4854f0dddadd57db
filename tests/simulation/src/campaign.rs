//! Many runs, each in a process of its own, side by side; and what is said of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::run::Outcome;
use crate::schedule::Schedule;

/// Tries to make a failing run smaller.
const SMALLER_TRIES_MAX: usize = 60;
/// What the name of a run that came to no outcome is.
const PANIC: &str = "Panic";

/// The program that runs a schedule: `klatch-simulation`, with an argument or two.
#[derive(Debug, Clone)]
pub struct Program<'a> {
    /// Where it lies.
    pub path: &'a Path,
    /// The fault that is built in, if one is.
    pub sabotage: Option<String>,
}

impl Program<'_> {
    /// Lets a schedule run in a process of its own. One that comes to no outcome is an outcome, too.
    ///
    /// # Panics
    /// Where the program can't be started.
    pub fn run(&self, schedule: &Schedule) -> Outcome {
        let mut command = Command::new(self.path);
        command.arg("--schedule").arg(serde_json::to_string(schedule).expect("numbers under names"));
        if let Some(sabotage) = &self.sabotage {
            command.arg("--sabotage").arg(sabotage);
        }
        let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            Outcome {
                schedule: schedule.clone(),
                steps: 0,
                judged: BTreeMap::new(),
                broken: BTreeMap::from([(PANIC.to_owned(), vec![words])]),
                trace: Default::default(),
            }
        })
    }
}

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Requests and faults in them.
    pub steps: u64,
    /// Lines of their traces: what was asked, answered, delivered, stored.
    pub observations: u64,
    /// How much there was to judge, by promise.
    pub judged: BTreeMap<String, usize>,
    /// The seeds in which something was broken, and what.
    pub broken: BTreeMap<u64, Vec<String>>,
}

impl Summary {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.steps += outcome.steps;
        self.observations += outcome.trace.lines().len() as u64;
        for (promise, count) in &outcome.judged {
            *self.judged.entry(promise.clone()).or_default() += count;
        }
        if !outcome.is_kept() {
            self.broken.insert(outcome.schedule.seed, outcome.broken.keys().cloned().collect());
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { runs, steps, observations, judged, broken } = self;
        let judged: Vec<String> = judged.iter().map(|(promise, count)| format!("{promise} {count}")).collect();
        write!(f, "{runs} runs, {steps} steps, {observations} observations; ")?;
        write!(f, "judged: {}; runs with a broken promise: {}", judged.join(", "), broken.len())
    }
}

/// Runs the seeds from `first` on, so many side by side. `each` hears of every outcome, as it comes, with the sums so far.
pub fn campaign(
    program: &Program<'_>,
    first: u64,
    runs: u64,
    side_by_side: usize,
    each: impl Fn(&Outcome, &Summary) + Sync,
) -> Summary {
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..side_by_side.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= runs {
                        return;
                    }
                    let outcome = program.run(&Schedule::of(first.wrapping_add(number)));
                    let mut summary = summary.lock().expect("nobody panics with it");
                    summary.add(&outcome);
                    each(&outcome, &summary);
                }
            });
        }
    });
    summary.into_inner().expect("nobody panics with it")
}

/// A smaller schedule in which the same is broken, if there is one: what is left to be read is less.
pub fn smallest(program: &Program<'_>, outcome: Outcome) -> Outcome {
    let wanted: Vec<String> = outcome.broken.keys().cloned().collect();
    let mut smallest = outcome;
    let mut tries = 0;
    'smaller: loop {
        for schedule in smallest.schedule.smaller() {
            tries += 1;
            if tries > SMALLER_TRIES_MAX {
                return smallest;
            }
            let outcome = program.run(&schedule);
            if outcome.broken.keys().any(|broken| wanted.contains(broken)) {
                smallest = outcome;
                continue 'smaller;
            }
        }
        return smallest;
    }
}

impl fmt::Display for Outcome {
    /// What was broken, the first breaks of each promise in words, and how to have the run again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 5;
        let Outcome { schedule, steps, judged, broken, .. } = self;
        writeln!(f, "seed {}: {steps} steps, judged: {judged:?}", schedule.seed)?;
        for (promise, breaks) in broken {
            writeln!(f, "broken: {promise}, {} times", breaks.len())?;
            breaks.iter().take(SHOWN_MAX).try_for_each(|one| writeln!(f, "- {one}"))?;
        }
        let schedule = serde_json::to_string(schedule).expect("numbers under names");
        writeln!(f, "again: cargo run -p klatch-simulation -- --trace --schedule '{schedule}'")
    }
}
