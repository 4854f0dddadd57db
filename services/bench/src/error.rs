//! Why something could not be measured. Each says what to do, where there is something to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No row is called so.
    #[error("there is no row {0:?}: `klatch bench --list` names them all")]
    UnknownRow(String),
    /// The system lets us open too few files.
    #[error(
        "a process may have only {hard} files open here, and the measurements need {needed} at least: raise the limit \
         (`ulimit -Hn {needed}` as root, LimitNOFILE= in a unit, --ulimit nofile={needed} in a container) and start again"
    )]
    TooFewFiles {
        /// The hard limit.
        hard: u64,
        /// What is needed.
        needed: u64,
    },
    /// A process does not start.
    #[error("{what} does not start: {cause}")]
    Start {
        /// Which.
        what: String,
        /// Why.
        cause: io::Error,
    },
    /// A process ended that should run.
    #[error("{what} ended by itself ({how}); it said last:\n{log}")]
    Ended {
        /// Which.
        what: String,
        /// Its exit.
        how: String,
        /// The end of its log.
        log: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {} s{}", within.as_secs(), seen(last_seen))]
    Late {
        /// What.
        what: String,
        /// The bound.
        within: Duration,
        /// What was there instead.
        last_seen: String,
    },
    /// A file or folder of ours can't be used.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// What the kernel says of a process can't be read.
    #[error("process {pid} can't be metered: {cause}")]
    Meter {
        /// Which.
        pid: u32,
        /// Why.
        cause: String,
    },
    /// A client's connection failed.
    #[error("a client failed at {doing}: {cause}")]
    Socket {
        /// At what.
        doing: &'static str,
        /// Why.
        cause: io::Error,
    },
    /// A server said no.
    #[error("the server refused {what}: {said}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its words.
        said: String,
    },
    /// The broker said no, or nothing.
    #[error("the broker, at {doing}: {cause}")]
    Broker {
        /// At what.
        doing: &'static str,
        /// Why.
        cause: String,
    },
}

fn seen(last: &str) -> String {
    if last.is_empty() { String::new() } else { format!(" (last seen: {last})") }
}

impl Error {
    pub(crate) fn socket(doing: &'static str) -> impl Fn(io::Error) -> Error {
        move |cause| Error::Socket { doing, cause }
    }
}
