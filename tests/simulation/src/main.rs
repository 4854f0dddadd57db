//! Many simulated runs, or one: `klatch-simulation --runs 10000 --seed 1`.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use klatch_eventlog::Sabotage;
use klatch_simulation::campaign::{Program, campaign, smallest};
use klatch_simulation::{Outcome, Schedule, run};

/// Simulates the whole system under faults, run after run, and judges each.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many runs.
    #[arg(long, default_value_t = 1_000)]
    runs: u64,
    /// The first run's seed; the others follow it. A fresh one where none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs side by side; as many as there are processors where nothing is said.
    #[arg(long)]
    jobs: Option<usize>,
    /// One run alone: of `--seed`, or of this schedule, as a failure prints it. Prints its outcome as JSON.
    #[arg(long, value_parser = schedule)]
    schedule: Option<Schedule>,
    /// Prints everything that happened in the one run of `--seed` or `--schedule`.
    #[arg(long)]
    trace: bool,
    /// A fault to build in (with the feature `sabotage` only).
    #[arg(long, value_parser = sabotage)]
    sabotage: Option<Sabotage>,
}

fn schedule(text: &str) -> Result<Schedule, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn sabotage(name: &str) -> Result<Sabotage, String> {
    if !cfg!(feature = "sabotage") {
        return Err("build it with --features sabotage".to_owned());
    }
    let known = Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == name);
    known.ok_or_else(|| format!("one of {}", Sabotage::ALL.map(Sabotage::name).join(", ")))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    if arguments.trace || arguments.schedule.is_some() {
        return one(arguments.schedule.unwrap_or_else(|| Schedule::of(seed)), arguments.sabotage, arguments.trace);
    }
    many(&arguments, seed)
}

/// One run, in this process.
fn one(schedule: Schedule, built_in: Option<Sabotage>, trace: bool) -> ExitCode {
    let outcome = run(&schedule, || build_in(built_in));
    if trace {
        print!("{}{outcome}", outcome.trace);
    } else {
        println!("{}", serde_json::to_string(&outcome).expect("an outcome has string keys"));
    }
    code(outcome.is_kept())
}

#[cfg(feature = "sabotage")]
fn build_in(sabotage: Option<Sabotage>) {
    Sabotage::switch_on(sabotage);
}

#[cfg(not(feature = "sabotage"))]
fn build_in(_: Option<Sabotage>) {}

/// Many, each in a process of its own.
fn many(arguments: &Arguments, seed: u64) -> ExitCode {
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok().map(NonZeroUsize::get)).unwrap_or(1);
    println!("{} runs from seed {seed} on, {jobs} side by side", arguments.runs);
    let path = std::env::current_exe().expect("a program knows where it lies");
    let program = Program { path: &path, sabotage: arguments.sabotage.map(Sabotage::name) };
    let begun = Instant::now();
    let progress_every = (arguments.runs / 20).max(1);
    let broken: std::sync::Mutex<Option<Outcome>> = std::sync::Mutex::default();
    let summary = campaign(&program, seed, arguments.runs, jobs, |outcome, so_far| {
        if !outcome.is_kept() {
            print!("{outcome}");
            broken.lock().expect("nobody panics with it").get_or_insert_with(|| outcome.clone());
        }
        if so_far.runs.is_multiple_of(progress_every) {
            let minutes = begun.elapsed().as_secs_f64() / 60.0;
            println!(
                "{} runs, {:.0} a minute; broken: {}",
                so_far.runs,
                so_far.runs as f64 / minutes,
                so_far.broken.len()
            );
        }
    });
    if let Some(outcome) = broken.into_inner().expect("nobody panics with it") {
        let outcome = smallest(&program, outcome);
        print!("\nthe first that broke, made as small as it gets:\n{}{outcome}", outcome.trace);
    }
    println!("{summary}");
    code(summary.broken.is_empty())
}

fn code(is_kept: bool) -> ExitCode {
    if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
