//! `klatch notifier`: a notifier alone, beside others like it, with a broker that runs elsewhere.

use std::path::Path;
use std::process::ExitCode;

use klatch_eventlog::Log;
use klatch_service::{Health, Metrics, shutdown, telemetry};

use crate::broker::User;
use crate::settings::{self, NatsFlag};
use crate::{AnyError, watch};

/// Run a notifier alone: what tells other systems of messages, on NATS and by webhooks
///
/// Notifiers keep nothing: run as many as you like, they share the work.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  klatch notifier --nats nats://10.0.0.5:4222 --config /etc/klatch.toml
  nats --server nats://10.0.0.5:4222 sub chat.notify.message.sent

Webhooks are set up under notifier.webhooks (see `klatch config init`).")]
pub(crate) struct Args {
    #[command(flatten)]
    nats: NatsFlag,
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let settings = settings::read(file, args.nats.layers())?.value;
    telemetry::init(&settings.telemetry, "klatch-notifier")?;
    settings::tell_ignored_variables();
    let shutdown = shutdown::on_signals()?;
    let (health, metrics) = (Health::new(), Metrics::new());
    // Before anybody can ask: a process without conditions is ready.
    let ready = health.condition("notifier", "not connected to the broker yet");
    watch::serve(&settings.telemetry, &health, &metrics, &shutdown).await?;
    let opening = Log::open(settings.log_options(User::Notifier, None)?);
    let Some(log) = shutdown.run_until_cancelled(opening).await else { return Ok(ExitCode::SUCCESS) };
    klatch_notifier::run(settings.notifier, log?, shutdown, ready, &metrics).await?;
    Ok(ExitCode::SUCCESS)
}
