//! What Klatch costs, beside the limit of what it is built on: the same work done with the same bytes by as little code as
//! can be. Both in one run, in turns, so that a busy machine is busy for both; what is read are the ratios.
//!
//! ```text
//! rows/     a file a row or a family of rows: what is set up, what is measured, beside which limit, with which goal
//! bare/     the limits: hubs as processes of their own, and the broker alone
//! system    Klatch: a nats-server, `klatch projector`, `klatch edge`, each a real process of its own
//! swarm     the clients, in this process: they scan what comes, and keep nothing
//! meter     processor time and memory of a process, from the kernel
//! table     rows with ratios and goals, as text, Markdown or JSON
//! ```

mod bare;
mod broker;
mod error;
mod figure;
mod files;
mod frames;
mod groundwork;
mod meter;
mod port;
mod process;
mod rounds;
mod rows;
mod socket;
mod swarm;
mod system;
mod table;
mod target;
mod wait;

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

pub use bare::{Hub, serve};
pub use error::Error;
pub use rows::{Row, rows};
pub use table::Table;
pub use target::Tokens;

/// An edge's own pause between pings, by default.
const PING_EVERY: Duration = Duration::from_secs(25);
const PING_EVERY_QUICK: Duration = Duration::from_secs(1);

/// The programs that are measured.
#[derive(Clone)]
pub struct Program {
    /// The `klatch` program: started as `klatch edge`, `klatch projector`, and for the bare hubs as
    /// `klatch bench --serve HUB …`.
    pub klatch: PathBuf,
    /// The nats-server to run.
    pub nats_server: PathBuf,
    /// Tokens that `klatch edge --dev` takes.
    pub tokens: Tokens,
}

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of rows; empty for all.
    pub rows: Vec<String>,
    /// How often each side of a row is measured.
    pub rounds: usize,
    /// Everything small: figures that show that it works, and nothing else.
    pub quick: bool,
    /// Where the folders of a measurement are made.
    pub folder: PathBuf,
}

/// What every row stands on.
pub(crate) struct Bench {
    pub(crate) program: Program,
    pub(crate) rounds: usize,
    quick: bool,
    /// Connections that one process can hold.
    pub(crate) connections_max: usize,
    folder: PathBuf,
}

impl Bench {
    /// One of two sizes.
    pub(crate) fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// A fresh folder, gone when dropped.
    pub(crate) fn folder(&self) -> Result<TempDir, Error> {
        let made = TempDir::with_prefix_in("klatch-bench-", &self.folder);
        made.map_err(|cause| Error::File { path: self.folder.clone(), cause })
    }

    /// The pause between pings, of edges and bare hubs.
    pub(crate) fn ping_every(&self) -> Duration {
        if self.quick { PING_EVERY_QUICK } else { PING_EVERY }
    }
}

/// Measures, row by row, and says on standard error how far it is. Dropping the future ends every process and removes every
/// folder.
pub async fn run(program: Program, options: Options) -> Result<Table, Error> {
    let chosen = rows::choose(&options.rows)?;
    let connections_max = files::raise()?;
    let Options { rounds, quick, folder, .. } = options;
    let bench = Bench { program, rounds: rounds.max(1), quick, connections_max, folder };
    let mut table = Table::new(quick);
    for (number, row) in chosen.iter().enumerate() {
        eprintln!("{} ({} of {}): {}", row.name, number + 1, chosen.len(), row.about);
        for line in (row.measure)(&bench).await? {
            eprintln!("  {}", line.in_words());
            table.push(row.name, line);
        }
    }
    Ok(table)
}
