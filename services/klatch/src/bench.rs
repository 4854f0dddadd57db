//! `klatch bench`: what Klatch costs on this machine, beside the limit of what it is built on.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use klatch_bench::{Hub, Options, Program, Table};
use klatch_domain::UserId;
use klatch_service::shutdown;

use crate::AnyError;
use crate::broker::binary;
use crate::signer::Signer;

/// Longer than any measurement.
const TOKENS_HOLD: Duration = Duration::from_secs(24 * 3600);
/// As tools for measuring what was interrupted do (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// Measure Klatch on this machine, beside the limit of what it is built on
///
/// Starts a system of its own in a temporary folder (nats-server, projector, edge: this very program) and beside it bare
/// servers that store and decide nothing, gives both the same work in turns, and prints a table: each row with its figure,
/// its limit's, their ratio, the goal and whether it is met. Read the ratios: figures in seconds are this machine's alone.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  klatch bench                                everything: half an hour, best on a machine that does nothing else
  klatch bench --list                         the rows there are
  klatch bench memory latency                 two of them
  klatch bench --quick                        everything, small: does it run? Its figures mean nothing
  klatch bench --markdown > table.md
  klatch bench ingest --rounds 9 --json ingest.json

Progress goes to standard error. Ctrl-C ends it and leaves nothing behind.
20,000 connections want 20,200 open files (ulimit -Hn); with fewer, rows say how many connections they had.
What each row is and how it is measured: docs/performance.md.")]
pub(crate) struct Args {
    /// The rows to measure; all of them if none is named
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
    /// Name the rows, and measure nothing
    #[arg(long)]
    list: bool,
    /// Everything small: to see that it works
    #[arg(long)]
    quick: bool,
    /// How often each side of a row is measured; the table shows medians [default: 5, with --quick 1]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
    /// Also write everything that was measured, round by round, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where temporary folders are made; for `synced`, a folder on the disk that is meant
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The nats-server to run [default: .tools/bin/nats-server, else the one on PATH, else a fetched one]
    #[arg(long, value_name = "PATH", env = "KLATCH_NATS_SERVER")]
    nats_server: Option<PathBuf>,
    /// Be a bare server: what the measuring process starts
    #[arg(long, hide = true, requires = "listen", requires = "ping_ms")]
    serve: Option<Hub>,
    /// Where the bare server listens
    #[arg(long, hide = true)]
    listen: Option<SocketAddr>,
    /// How often the bare server pings
    #[arg(long, hide = true)]
    ping_ms: Option<u64>,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, AnyError> {
    if let (Some(hub), Some(address), Some(ping_ms)) = (args.serve, args.listen, args.ping_ms) {
        klatch_bench::serve(hub, address, Duration::from_millis(ping_ms)).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.list {
        for row in klatch_bench::rows() {
            writeln!(io::stdout(), "{:<12} {}", row.name, row.about)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let shutdown = shutdown::on_signals()?;
    let folder = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let program = program(args.nats_server.clone(), &folder).await?;
    let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 5 });
    let options = Options { rows: args.rows.clone(), rounds, quick: args.quick, folder };
    match shutdown.run_until_cancelled(klatch_bench::run(program, options)).await {
        Some(table) => show(&args, &table?),
        None => Ok(ExitCode::from(INTERRUPTED)),
    }
}

async fn program(asked_for: Option<PathBuf>, folder: &std::path::Path) -> Result<Program, AnyError> {
    let fetched = folder.join("klatch-tools");
    let finding = tokio::task::spawn_blocking(move || binary::find(asked_for.as_deref(), &fetched));
    let nats_server = std::path::absolute(finding.await??)?;
    let signer = Signer::for_development();
    let token = move |user: &UserId| signer.sign(user, None, TOKENS_HOLD).expect("HS256 signs anything");
    Ok(Program { klatch: std::env::current_exe()?, nats_server, tokens: Arc::new(token) })
}

fn show(args: &Args, table: &Table) -> Result<ExitCode, AnyError> {
    if let Some(path) = &args.json {
        std::fs::write(path, table.json()).map_err(|error| format!("--json {}: {error}", path.display()))?;
    }
    let mut out = io::stdout().lock();
    if args.markdown {
        write!(out, "{}", table.markdown())?;
    } else {
        write!(out, "\n{table}")?;
    }
    Ok(ExitCode::SUCCESS)
}
