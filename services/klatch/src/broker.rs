//! Our own nats-server: found or fetched, started on the data folder, kept up, and stopped last.
//!
//! - It listens on 127.0.0.1 only, on a port that stays the same while we are up.
//! - It has a process group of its own, so Ctrl-C doesn't reach it, and dies with us even when we are killed (where there
//!   is `setpriv`); one that was left behind nevertheless is found by its pid file and stopped first.
//! - It knows the users of `nats/users.conf` and nobody else; their passwords are made once and lie beside the streams.
//! - When it dies by itself it is started again, at once and then ever more slowly.

pub(crate) mod binary;
mod leftover;
mod process;
mod users;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use klatch_service::Condition;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::data_folder::DataFolder;

pub(crate) use binary::BinaryError;
pub(crate) use users::{Passwords, PasswordsError, User};

use leftover::PidFile;
use process::{Process, Spec};

/// Below Linux's ephemeral ports (32768 on): a client that reconnects to a port of that range while the broker is down can
/// be given the same port as its own, connect to itself, and keep the broker from coming back.
const PORTS: std::ops::Range<u16> = 10_000..32_000;
const PORTS_TRIED_MAX: usize = 100;
/// Beside the pid file, for other commands on the same folder.
const URL_FILE: &str = "url";
const STOP_PATIENCE: Duration = Duration::from_millis(2_500);
const RESTART_PAUSE_MIN: Duration = Duration::from_millis(50);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Up for so long, a death is news again and not one of a series.
const STEADY_AFTER: Duration = Duration::from_secs(30);

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    #[error(transparent)]
    Binary(#[from] BinaryError),
    #[error(transparent)]
    Passwords(#[from] PasswordsError),
    #[error("the broker left on this folder could not be stopped: {0}")]
    Leftover(io::Error),
    #[error("nats-server could not be started: {0}")]
    Start(io::Error),
    #[error("nats-server ended at its start ({exit}); it said:\n{log}")]
    Died { exit: String, log: String },
    #[error("nats-server was not ready within {} s; it said:\n{log}", waited.as_secs())]
    NotReady { waited: Duration, log: String },
    #[error("none of {PORTS_TRIED_MAX} ports that were tried on 127.0.0.1 is free for nats-server")]
    NoPort,
}

/// How to get into a broker that a `klatch up` runs.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// Where clients connect.
    pub(crate) url: String,
    /// None where everybody is let in.
    pub(crate) passwords: Option<Passwords>,
}

/// A nats-server that is up, and kept so.
#[derive(Debug)]
pub(crate) struct Broker {
    access: Access,
    stop: CancellationToken,
    supervision: JoinHandle<()>,
}

impl Broker {
    /// Starts one on `folder` and returns when it takes clients; `condition` follows it from then on.
    pub(crate) async fn start(
        folder: &DataFolder,
        asked_for: Option<PathBuf>,
        condition: Condition,
    ) -> Result<Broker, BrokerError> {
        let store = folder.broker();
        std::fs::create_dir_all(&store).map_err(BrokerError::Start)?;
        let tools = folder.tools();
        let finding = tokio::task::spawn_blocking(move || binary::find(asked_for.as_deref(), &tools));
        let binary = finding.await.map_err(|error| BrokerError::Start(io::Error::other(error)))??;

        let pid_file = PidFile::in_folder(&store);
        let passwords = Passwords::find_or_make(&store)?;
        let mut spec = Spec { binary, store, port: 0, passwords };
        leftover::stop(&pid_file, &spec.config()).await.map_err(BrokerError::Leftover)?;
        let process = start_on_a_free_port(&mut spec, &pid_file).await?;
        std::fs::write(spec.store.join(URL_FILE), spec.url()).map_err(BrokerError::Start)?;
        tracing::info!(url = spec.url(), binary = %spec.binary.display(), "broker up");
        condition.ready();

        let access = Access { url: spec.url(), passwords: Some(spec.passwords.clone()) };
        let stop = CancellationToken::new();
        let supervisor = Supervisor { spec, pid_file, condition, stop: stop.clone() };
        let supervision = tokio::spawn(supervisor.run(process));
        Ok(Broker { access, stop, supervision })
    }

    /// How to connect to it.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Stops it and waits until it is gone.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.supervision.await {
            tracing::error!(%error, "the broker's supervision failed");
        }
    }
}

/// How to get into the broker of a `klatch up` on `data`; none where none runs.
pub(crate) fn access_to(data: &Path) -> Result<Option<Access>, PasswordsError> {
    let store = data.join("broker");
    match std::fs::read_to_string(store.join(URL_FILE)) {
        Ok(url) => Ok(Some(Access { url, passwords: Passwords::find(&store)? })),
        Err(_) => Ok(None),
    }
}

async fn start_on_a_free_port(spec: &mut Spec, pid_file: &PidFile) -> Result<Process, BrokerError> {
    for port in ports_for(&spec.store) {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            continue;
        }
        spec.port = port;
        match start(spec, pid_file).await {
            // Somebody may have taken the port since we looked.
            Err(BrokerError::Died { log, .. }) if log.contains("address already in use") => {}
            other => return other,
        }
    }
    Err(BrokerError::NoPort)
}

/// The ports to try, in order. Where they begin hangs on the folder: were it the same for all, then while one klatch's broker
/// is down, another klatch could start its own on that port, and the first one's services would find themselves there.
fn ports_for(store: &Path) -> impl Iterator<Item = u16> {
    let bytes = store.as_os_str().as_encoded_bytes();
    // FNV-1a, 32 bits.
    let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let first = hash as usize % PORTS.len();
    PORTS.cycle().skip(first).take(PORTS_TRIED_MAX)
}

async fn start(spec: &Spec, pid_file: &PidFile) -> Result<Process, BrokerError> {
    let mut process = Process::start(spec)?;
    pid_file.write(process.pid()).map_err(BrokerError::Start)?;
    process.until_ready(spec).await?;
    Ok(process)
}

/// Keeps a broker up until it is told to stop.
struct Supervisor {
    spec: Spec,
    pid_file: PidFile,
    condition: Condition,
    stop: CancellationToken,
}

impl Supervisor {
    async fn run(self, mut process: Process) {
        let mut pause = RESTART_PAUSE_MIN;
        loop {
            let up_since = Instant::now();
            let exit = tokio::select! {
                exit = process.exited() => exit,
                () = self.stop.cancelled() => {
                    process.stop(STOP_PATIENCE).await;
                    return self.clean_up();
                }
            };
            tracing::error!(exit, "the broker died and is started again");
            self.condition.not_ready(format!("nats-server died ({exit})"));
            if up_since.elapsed() > STEADY_AFTER {
                pause = RESTART_PAUSE_MIN;
            }
            match self.stop.run_until_cancelled(self.start_again(&mut pause)).await {
                Some(again) => process = again,
                None => return self.clean_up(),
            }
            tracing::info!(url = self.spec.url(), "broker up again");
            self.condition.ready();
        }
    }

    fn clean_up(&self) {
        self.pid_file.remove();
        let _ = std::fs::remove_file(self.spec.store.join(URL_FILE));
    }

    async fn start_again(&self, pause: &mut Duration) -> Process {
        loop {
            sleep(*pause).await;
            *pause = (*pause * 2).min(RESTART_PAUSE_MAX);
            match start(&self.spec, &self.pid_file).await {
                Ok(process) => return process,
                Err(error) => {
                    tracing::error!(%error, "the broker did not come up");
                    self.condition.not_ready(error.to_string());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
