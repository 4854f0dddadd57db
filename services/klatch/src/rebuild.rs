//! `klatch rebuild`: throw the views away; the projector makes them anew from the log.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::AnyError;
use crate::settings::{self, DataFlag};

/// Throw the projector's views away, to be made anew from the log
///
/// Nothing is lost: the views hold nothing that the log doesn't. Refuses while a projector works on them. Afterwards no
/// file holds the text of a message that was deleted.
#[derive(clap::Args)]
#[command(
    after_help = "Stop klatch first; the next `klatch up` or `klatch projector` rebuilds, and shows how far it is."
)]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataFlag,
}

pub(crate) async fn run(args: Args, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    let dir = settings::read(file, args.data.layers())?.value.projector.dir;
    let removed = tokio::task::spawn_blocking({
        let dir = dir.clone();
        move || klatch_projector::rebuild(&dir)
    });
    removed.await?.map_err(|error| format!("{}: {error}; is klatch still running?", dir.display()))?;
    writeln!(io::stdout(), "{} is empty; the next start rebuilds it", dir.display())?;
    Ok(ExitCode::SUCCESS)
}
