//! One nats-server process: started, known to be ready, signalled, waited for.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use klatch_service::tether;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::BrokerError;
use super::users::{self, Passwords, User};

/// Recovering a large store takes its time: nats-server reads every block's index before it listens.
const READY_WITHIN: Duration = Duration::from_secs(120);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(10);
const INFO_WITHIN: Duration = Duration::from_millis(500);
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How many lines of its log are shown when it does not start.
const COMPLAINTS_SHOWN: usize = 8;

const CONFIG: &str = include_str!("../../../../nats/broker.conf");

/// What a nats-server is started with.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) binary: PathBuf,
    /// Absolute; holds the streams, and the files beside them that are ours.
    pub(super) store: PathBuf,
    pub(super) port: u16,
    pub(super) passwords: Passwords,
}

/// A running nats-server. Dropping this asks it to stop and does not wait.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    exited: oneshot::Receiver<io::Result<ExitStatus>>,
    is_over: bool,
}

impl Spec {
    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.store.join("broker.conf")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.store.join("nats-server.log")
    }

    /// The name tells ours from whoever else may listen on the port.
    fn name(&self) -> String {
        format!("klatch-{}-{}", std::process::id(), self.port)
    }

    fn command(&self) -> io::Result<Command> {
        fs::write(self.config(), CONFIG)?;
        // Where the one above includes it from.
        fs::write(self.store.join("users.conf"), users::CONFIG)?;
        let log = open_log(&self.log())?;
        let mut command = tether::command(&self.binary);
        command
            .arg("-c")
            .arg(self.config())
            .env("KLATCH_BROKER_NAME", quoted(self.name()))
            .env("KLATCH_BROKER_LISTEN", quoted(format!("127.0.0.1:{}", self.port)))
            .env("KLATCH_BROKER_STORE", quoted(self.store.display()))
            .envs(User::ALL.iter().filter_map(|user| {
                let password = self.passwords.of(*user)?;
                Some((user.variable(), quoted(password.reveal())))
            }))
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log);
        Ok(command)
    }
}

impl Process {
    /// Starts it; it isn't ready yet.
    pub(super) fn start(spec: &Spec) -> Result<Process, BrokerError> {
        let mut child = spec.command().and_then(tether::spawn).map_err(BrokerError::Start)?;
        let pid = Pid::from_child(&child);
        let (tell, exited) = oneshot::channel();
        // Not on the runtime's blocking pool: the runtime would wait for this thread when it is dropped.
        let waiter = std::thread::Builder::new().name("klatch-broker".into()).spawn(move || {
            let _ = tell.send(child.wait());
        });
        waiter.map_err(BrokerError::Start)?;
        Ok(Process { pid, exited, is_over: false })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// Waits until it accepts clients with JetStream on.
    pub(super) async fn until_ready(&mut self, spec: &Spec) -> Result<(), BrokerError> {
        let deadline = Instant::now() + READY_WITHIN;
        let name = format!("\"server_name\":\"{}\"", spec.name());
        while Instant::now() < deadline {
            if let Ok(info) = info_line(spec.port).await
                && info.contains(&name)
                && info.contains("\"jetstream\":true")
            {
                return Ok(());
            }
            tokio::select! {
                exit = self.exited() => return Err(BrokerError::Died { exit, log: complaints(&spec.log()) }),
                () = sleep(PAUSE_BETWEEN_LOOKS) => {}
            }
        }
        Err(BrokerError::NotReady { waited: READY_WITHIN, log: complaints(&spec.log()) })
    }

    /// Waits until it is over, and says how it ended. Only the first answer is the real one.
    pub(super) async fn exited(&mut self) -> String {
        if self.is_over {
            return String::from("it is over");
        }
        let how = (&mut self.exited).await;
        self.is_over = true;
        match how {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => String::from("nobody waited for it"),
        }
    }

    /// Stops it in good order; by force after `patience`.
    pub(super) async fn stop(&mut self, patience: Duration) {
        self.signal(Signal::TERM);
        if timeout(patience, self.exited()).await.is_err() {
            tracing::warn!(
                after_ms = patience.as_millis(),
                "the broker did not stop and is killed; nothing is lost by it"
            );
            self.signal(Signal::KILL);
            self.exited().await;
        }
    }

    fn signal(&self, signal: Signal) {
        if !self.is_over {
            // It may have ended this very moment.
            let _ = kill_process(self.pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

/// The line that a server sends first (NATS client protocol, INFO).
async fn info_line(port: u16) -> io::Result<String> {
    let read = async {
        let mut socket = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let mut line = vec![0; 4096];
        let length = socket.read(&mut line).await?;
        line.truncate(length);
        Ok(String::from_utf8_lossy(&line).into_owned())
    };
    timeout(INFO_WITHIN, read).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// A variable that nats-server reads as one string, whatever is in it.
fn quoted(text: impl std::fmt::Display) -> String {
    format!("\"{}\"", text.to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

/// Appended to over many starts; begun anew at one when it has grown large.
fn open_log(path: &Path) -> io::Result<File> {
    let has_grown = fs::metadata(path).is_ok_and(|log| log.len() > LOG_BYTES_MAX);
    if has_grown {
        fs::remove_file(path)?;
    }
    File::options().create(true).append(true).open(path)
}

/// What it complained of since its last start.
fn complaints(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let last_start = text.rfind("Starting nats-server").unwrap_or(0);
    let complaints = text[last_start..].lines().skip(1).filter(|line| !line.contains("[INF]"));
    complaints.take(COMPLAINTS_SHOWN).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_one_string_of_the_configuration() {
        assert_eq!(quoted(r#"/da ta/"x"\y"#), r#""/da ta/\"x\"\\y""#);
    }
}
