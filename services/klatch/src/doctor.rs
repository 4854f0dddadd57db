//! `klatch doctor`: is the installation as it must be, and if not, what mends it?
//!
//! Looks and changes nothing. Each family of checks is a file: what it gathers comes first, and judging is a function of
//! that alone. What can't be looked at is itself a finding, and the rest goes on.

mod clock;
mod consumers;
mod disk;
mod edges;
mod files;
mod finding;
mod projectors;
mod rights;
mod servers;
mod streams;
mod sync;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use klatch_domain::Seq;
use klatch_eventlog::{Inspection, Options, Unseen};
use serde::Serialize;

use crate::AnyError;
use crate::broker::{self, User};
use crate::settings::{self, DataFlag, NatsFlag, Settings};
use finding::{Check, Finding, Severity};

/// Check an installation, and say what to mend
///
/// Looks at the nats-servers (version, JetStream, limits), at streams, bucket and consumers (against the files in nats/),
/// at copies, epoch, projectors, dead letters, clocks, disks and open files, and at edges that are named. Changes nothing.
/// Each finding is one line of what is and, where something is wrong, one line of what to do.
#[derive(clap::Args)]
#[command(after_help = "\
  ok       as it must be
  note     worth knowing; nothing has to be done
  WARNING  it works, and won't always
  PROBLEM  it does not work, or loses something, or could not be looked at

Exit code: 0 no problem (there may be warnings), 1 a problem.

Examples:
  klatch doctor                                            beside a running `klatch up`
  klatch doctor --url http://127.0.0.1:5004                and is that edge ready?
  klatch doctor --nats nats://10.0.0.5:4222,nats://10.0.0.6:4222
  klatch doctor --json | jq '.findings[] | select(.severity != \"ok\")'

It connects as the operator: beside `klatch up` by itself, else with broker.user and broker.password.
Every check, its meaning and its limits: docs/doctor.md.")]
pub(crate) struct Args {
    #[command(flatten)]
    nats: NatsFlag,
    #[command(flatten)]
    data: DataFlag,
    /// An edge to ask whether it is ready; may be given several times
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints. Keys and names of checks stay; there may be more of them.
#[derive(Serialize)]
struct Report<'a> {
    /// Of this klatch.
    version: &'a str,
    /// How bad the worst finding is.
    worst: Severity,
    findings: &'a [Finding],
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let settings = settings::read(file, [args.nats.layers(), args.data.layers()].concat())?.value;
    let mut findings = vec![Finding::ok(Check::Version, "klatch", env!("CARGO_PKG_VERSION"))];
    let options = settings.log_options(User::Operator, None)?;
    match Inspection::open(&options).await {
        Ok(inspection) => findings.extend(of_the_broker(&inspection, &options).await),
        Err(error) => {
            let remedy = "start it, or name it with --nats; --data leads to the broker of a `klatch up`; for who is let in \
                          see docs/security.md";
            findings.push(Finding::problem(Check::Connection, "nats-server", error.to_string(), remedy));
        }
    }
    findings.extend(of_this_machine(&settings)?);
    findings.extend(edges::judge(&edges::gather(&args.url).await));

    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
    print(&findings, worst, args.json)?;
    Ok(if worst == Severity::Problem { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn of_the_broker(inspection: &Inspection, options: &Options) -> Vec<Finding> {
    let servers = servers::gather(inspection, &options.servers).await;
    let mut findings = servers::judge(&servers);
    findings.extend(rights::judge(&rights::gather(inspection).await));
    let account = inspection.account().await;
    findings.extend(disk::judge_account(&account));
    if account == Err(Unseen::NoResponder) {
        // Without JetStream there is nothing more to see.
        return findings;
    }
    let streams = streams::gather(inspection).await;
    findings.extend(streams::judge(&streams, servers::answering(&servers)));
    findings.extend(consumers::judge(&consumers::gather(inspection).await));
    let log = streams::log(&streams).map(|log| (Seq(log.last_seq), log.epoch));
    findings.extend(projectors::judge(&projectors::gather(inspection).await, log));
    findings.extend(clock::judge(clock::gather(inspection).await));
    findings
}

fn of_this_machine(settings: &Settings) -> Result<Vec<Finding>, AnyError> {
    let is_own = settings.broker.url.is_none() && broker::access_to(&settings.data)?.is_some();
    let own = is_own.then_some(settings.data.as_path());
    let mut folders: Vec<PathBuf> = vec![settings.data.clone(), settings.projector.dir.clone()];
    folders.extend(own.map(|data| data.join("broker")));
    let mut findings = disk::judge(&disk::gather(&folders));
    findings.extend(sync::judge(&sync::gather(own)));
    findings.extend(files::judge(files::gather(), settings.edge.connections_max));
    Ok(findings)
}

fn print(findings: &[Finding], worst: Severity, as_json: bool) -> Result<(), AnyError> {
    let mut out = io::stdout().lock();
    if as_json {
        let report = Report { version: env!("CARGO_PKG_VERSION"), worst, findings };
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let problems = finding::counted(count(Severity::Problem), "problem");
    let warnings = finding::counted(count(Severity::Warning), "warning");
    writeln!(out, "{problems}, {warnings}, {}", finding::counted(count(Severity::Note), "note"))?;
    Ok(())
}
