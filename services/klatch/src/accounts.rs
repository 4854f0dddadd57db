//! `klatch accounts`: the accounts alone, with a broker that runs elsewhere.

use std::path::Path;
use std::process::ExitCode;

use klatch_service::{Health, Metrics, shutdown, telemetry};

use crate::broker::User;
use crate::settings::{self, NatsFlag};
use crate::{AnyError, demo, watch};

/// Run the accounts alone: registration, sign-in, and the keys of the tokens
///
/// They keep everything in the broker: run as many as you like beside each other.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  KLATCH_ACCOUNTS__MAIL__HOST=smtp.example.com klatch accounts --nats nats://10.0.0.5:4222
  nats --server nats://10.0.0.5:4222 micro info klatch-accounts

Codes go out by mail: see accounts.mail in `klatch config init`. docs/accounts.md has the rest.")]
pub(crate) struct Args {
    #[command(flatten)]
    nats: NatsFlag,
    /// Make every code 123456 and print it; with a broker on this machine only
    #[arg(long)]
    dev: bool,
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let mut settings = settings::read(file, args.nats.layers())?.value;
    let options = settings.log_options(User::Accounts, None)?;
    if args.dev {
        demo::apply_to_accounts(&mut settings.accounts, &options.servers)?;
    }
    telemetry::init(&settings.telemetry, "klatch-accounts")?;
    settings::tell_ignored_variables();
    let shutdown = shutdown::on_signals()?;
    let (health, metrics) = (Health::new(), Metrics::new());
    // Before anybody can ask: a process without conditions is ready.
    let ready = health.condition("accounts", "not connected to the broker yet");
    watch::serve(&settings.telemetry, &health, &metrics, &shutdown).await?;
    let connecting = klatch_eventlog::connect(&options);
    let Some(client) = shutdown.run_until_cancelled(connecting).await else { return Ok(ExitCode::SUCCESS) };
    klatch_accounts::run(settings.accounts(), client?, shutdown, ready, &metrics).await?;
    Ok(ExitCode::SUCCESS)
}
