//! `klatch projector`: a projector alone, with a broker that runs elsewhere.

use std::path::Path;
use std::process::ExitCode;

use klatch_eventlog::Log;
use klatch_service::{Health, Metrics, shutdown, telemetry};

use crate::broker::User;
use crate::settings::{self, DataFlag, NatsFlag};
use crate::{AnyError, watch};

/// Run a projector alone: what answers for history, rooms and members
///
/// It folds the log into views below its data folder, which can be deleted at any time: they are made anew.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  klatch projector --nats nats://10.0.0.5:4222 --data /var/lib/klatch
  nats --server nats://10.0.0.5:4222 micro info klatch-projector")]
pub(crate) struct Args {
    #[command(flatten)]
    nats: NatsFlag,
    #[command(flatten)]
    data: DataFlag,
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let settings = settings::read(file, [args.nats.layers(), args.data.layers()].concat())?.value;
    telemetry::init(&settings.telemetry, "klatch-projector")?;
    settings::tell_ignored_variables();
    let shutdown = shutdown::on_signals()?;
    let (health, metrics) = (Health::new(), Metrics::new());
    // Before anybody can ask: a process without conditions is ready.
    let ready = health.condition("projector", "not connected to the broker yet");
    watch::serve(&settings.telemetry, &health, &metrics, &shutdown).await?;
    let (reading, erasing) = (settings.log_options(User::Projector, None)?, settings.log_options(User::Eraser, None)?);
    // One after the other: the first creates what the second finds.
    let opening = async { Ok::<_, AnyError>((Log::open(reading).await?, Log::open(erasing).await?)) };
    let Some(opened) = shutdown.run_until_cancelled(Box::pin(opening)).await else { return Ok(ExitCode::SUCCESS) };
    let (log, erasing) = opened?;
    klatch_projector::run(settings.projector, log, erasing, shutdown, ready, &metrics).await?;
    Ok(ExitCode::SUCCESS)
}
