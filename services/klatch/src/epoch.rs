//! `klatch epoch`: which life of the log this is, and a new one after a restore.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use klatch_eventlog::Log;

use crate::AnyError;
use crate::broker::User;
use crate::settings::{self, DataFlag, NatsFlag};

/// Show or renew the epoch: the life of the log that clients' positions belong to
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Show(Args),
    Renew(Renew),
}

/// Show the epoch
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    nats: NatsFlag,
    #[command(flatten)]
    data: DataFlag,
}

/// Begin a new epoch, after the log was restored from a backup
///
/// A restored log numbers anew what comes after the backup, so positions from before the restore can name other messages.
/// Afterwards whoever resumes is told `recovered: false` and reads history, and the projectors make their views anew.
/// Connected clients are closed with a code that says to resume.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  nats stream restore backup/CHAT_EVENTS && klatch epoch renew --nats nats://10.0.0.5:4222")]
pub(crate) struct Renew {
    #[command(flatten)]
    at: Args,
}

pub(crate) async fn run(command: Command, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let (Command::Show(args) | Command::Renew(Renew { at: args })) = &command;
    let settings = settings::read(file, [args.nats.layers(), args.data.layers()].concat())?.value;
    let log = Log::open(settings.log_options(User::Operator, None)?).await?;
    let epoch = match command {
        Command::Show(_) => log.epoch(),
        Command::Renew(_) => log.renew_epoch().await?,
    };
    writeln!(io::stdout(), "{epoch}")?;
    Ok(ExitCode::SUCCESS)
}
