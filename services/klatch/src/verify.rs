//! `klatch verify`: does the projector say what the log says?

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use klatch_eventlog::Log;

use crate::AnyError;
use crate::broker::User;
use crate::settings::{self, DataFlag, NatsFlag};

/// Fold the log afresh, and compare with what the running projector answers from
///
/// Changes nothing. The fresh fold goes into a temporary folder (TMPDIR) and is removed in the end.
#[derive(clap::Args)]
#[command(after_help = "\
Exit code: 0 they agree, 1 they don't (then `klatch rebuild`, and report it) or there is no answer.

Examples:
  klatch verify                                 beside a running `klatch up`
  klatch verify --nats nats://10.0.0.5:4222")]
pub(crate) struct Args {
    #[command(flatten)]
    nats: NatsFlag,
    #[command(flatten)]
    data: DataFlag,
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let settings = settings::read(file, [args.nats.layers(), args.data.layers()].concat())?.value;
    let log = Log::open(settings.log_options(User::Operator, None)?).await?;
    let verdict = klatch_projector::verify(&log, &env::temp_dir()).await?;
    let position = verdict.position;
    if verdict.agrees() {
        writeln!(io::stdout(), "the projector agrees with the log up to {}: {}", position.seq, verdict.log)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(io::stdout(), "at {} the projector has {}, the log {}", position.seq, verdict.projector, verdict.log)?;
    Ok(ExitCode::FAILURE)
}
