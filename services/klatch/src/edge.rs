//! `klatch edge`: an edge alone, beside others like it, with a broker and a projector that run elsewhere.

use std::path::Path;
use std::process::ExitCode;

use klatch_eventlog::Log;
use klatch_service::{Health, Metrics, shutdown, telemetry};

use crate::broker::User;
use crate::settings::{self, ListenFlag, NatsFlag};
use crate::{AnyError, demo, watch};

/// Run an edge alone: what clients connect to
///
/// Edges keep nothing: run as many as you like, behind any load balancer, without sticky sessions.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  klatch edge --nats nats://10.0.0.5:4222 --listen 0.0.0.0:5004
  klatch edge --dev --listen 127.0.0.1:5005       a second edge beside a `klatch up --dev --nats …`

It believes tokens of Klatch's own accounts (`klatch accounts`), or of edge.auth.keys or edge.auth.jwks_url where they are
set (see `klatch config init`).")]
pub(crate) struct Args {
    #[command(flatten)]
    nats: NatsFlag,
    #[command(flatten)]
    listen: ListenFlag,
    /// Add two demo people whose tokens anybody can make; on loopback addresses only
    #[arg(long)]
    dev: bool,
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let mut settings = settings::read(file, [args.nats.layers(), args.listen.layers()].concat())?.value;
    if args.dev {
        demo::apply(&mut settings)?;
    }
    telemetry::init(&settings.telemetry, "klatch-edge")?;
    settings::tell_ignored_variables();
    let shutdown = shutdown::on_signals()?;
    let (health, metrics) = (Health::new(), Metrics::new());
    watch::serve(&settings.telemetry, &health, &metrics, &shutdown).await?;
    let opening = Log::open(settings.log_options(User::Edge, None)?);
    let Some(log) = shutdown.run_until_cancelled(opening).await else { return Ok(ExitCode::SUCCESS) };
    let bound = |addresses: &[std::net::SocketAddr]| tracing::info!(?addresses, "listening");
    klatch_edge::run(settings.edge, log?, health, &metrics, bound, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}
