//! One process under test: started with a log of its own, and gone when dropped, or when we are killed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use klatch_service::tether;
use rustix::process::{Pid, Signal, kill_process};

use crate::error::Error;
use crate::{meter, wait};

/// A flush of a large store included.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
const LAST_LINES: usize = 20;

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    what: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; what it says goes into `<folder>/<what>.log`.
    ///
    /// No `KLATCH_…` variable and no `klatch.toml` of whoever measures reaches it: `settings` are all that it is told.
    pub(crate) fn start(
        what: &str,
        program: &Path,
        arguments: &[&str],
        settings: &[(&str, &str)],
        folder: &Path,
    ) -> Result<Process, Error> {
        let failed = |cause| Error::Start { what: what.to_owned(), cause };
        let log = folder.join(format!("{what}.log"));
        let out = File::options().create(true).append(true).open(&log).map_err(failed)?;
        let mut command: Command = tether::command(program);
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| is_ours(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.args(arguments).envs(settings.iter().copied()).current_dir(folder).stdin(Stdio::null());
        command.stderr(out.try_clone().map_err(failed)?).stdout(out);
        let child = tether::spawn(command).map_err(failed)?;
        Ok(Process { what: what.to_owned(), child, log })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error, if it has ended.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        let how = match self.child.try_wait() {
            Ok(None) => return Ok(()),
            Ok(Some(status)) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Err(Error::Ended { what: self.what.clone(), how, log: self.last_words() })
    }

    /// Memory that is its own, in bytes.
    pub(crate) fn memory(&self) -> Result<u64, Error> {
        meter::memory(self.pid())
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn end(mut self) -> Result<(), Error> {
        let failed = |what: &str, cause: io::Error| Error::Start { what: format!("{what}'s end"), cause };
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(|error| failed(&self.what, error.into()))?;
        let what = format!("the end of {}", self.what);
        wait::until(&what, ENDS_WITHIN, async || {
            let ended = self.child.try_wait().map_err(|cause| failed(&self.what, cause))?;
            Ok(ended.map(drop).ok_or_else(|| "it runs".to_owned()))
        })
        .await
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Fails only when it is dead already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

/// Variables that would change what is measured.
fn is_ours(name: &str) -> bool {
    name.starts_with("KLATCH_")
        || name.starts_with("OTEL_")
        || ["PORT", "CORS_ORIGIN", "INTERNAL_API_KEY", "MAX_CONNECTIONS_PER_USER"].contains(&name)
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
