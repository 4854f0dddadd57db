//! The pid file, and a broker that a killed klatch left running on our folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const STOPPED_WITHIN: Duration = Duration::from_secs(5);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// `<data>/broker/nats-server.pid`: who serves this store.
#[derive(Debug, Clone)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    pub(super) fn in_folder(store: &Path) -> PidFile {
        PidFile(store.join("nats-server.pid"))
    }

    pub(super) fn write(&self, pid: u32) -> io::Result<()> {
        fs::write(&self.0, pid.to_string())
    }

    pub(super) fn remove(&self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.0);
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(fs::read_to_string(&self.0).ok()?.trim().parse().ok()?)
    }
}

/// Stops the server that the pid file names, if it is (still) one that runs with `config`; returns once it is gone.
///
/// Two servers on one store would ruin it. The caller holds the data folder's lock, so no living klatch owns that server.
pub(super) async fn stop(pid_file: &PidFile, config: &Path) -> io::Result<()> {
    let Some(pid) = pid_file.pid() else {
        return Ok(());
    };
    if !runs_with(pid, config) {
        pid_file.remove();
        return Ok(());
    }
    tracing::warn!(pid = pid.as_raw_pid(), "stopping the broker that a killed klatch left on this folder");
    for signal in [Signal::TERM, Signal::KILL] {
        // A paused server (SIGSTOP) would never see its SIGTERM.
        let _ = kill_process(pid, Signal::CONT);
        let _ = kill_process(pid, signal);
        if gone(pid).await {
            pid_file.remove();
            return Ok(());
        }
    }
    Err(io::Error::other(format!("process {} does not end, not even by SIGKILL", pid.as_raw_pid())))
}

async fn gone(pid: Pid) -> bool {
    let deadline = Instant::now() + STOPPED_WITHIN;
    while test_kill_process(pid).is_ok() && !is_zombie(pid) {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
    }
    true
}

/// Whether the process was started with our configuration file: its pid may long be somebody else's.
fn runs_with(pid: Pid, config: &Path) -> bool {
    let Ok(command_line) = fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())) else {
        return false;
    };
    let config = config.as_os_str().as_encoded_bytes();
    command_line.split(|byte| *byte == 0).any(|argument| argument == config)
}

/// Dead, but not waited for by its parent (proc(5): the field after the command's closing parenthesis).
fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn only_a_process_with_our_configuration_is_stopped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pid_file = PidFile::in_folder(folder.path());
        let config = folder.path().join("broker.conf");
        stop(&pid_file, &config).await.expect("no pid file, nothing to do");

        let mut stranger = Command::new("sleep").arg("60").spawn().expect("sleep starts");
        pid_file.write(stranger.id()).expect("written");
        stop(&pid_file, &config).await.expect("not ours, left alone");
        assert!(stranger.try_wait().expect("a child can be asked").is_none(), "a stranger was killed");
        assert!(pid_file.pid().is_none(), "a stale pid file stayed");
        stranger.kill().and_then(|()| stranger.wait()).expect("ended");

        std::fs::write(&config, "").expect("written");
        let mut ours = Command::new("tail").arg("-f").arg(&config).spawn().expect("tail starts");
        pid_file.write(ours.id()).expect("written");
        // A new program's arguments show in /proc a moment after the spawn has returned.
        let pid = Pid::from_child(&ours);
        let seen = || async { runs_with(pid, &config).then_some(()).ok_or("no arguments yet") };
        klatch_testkit::eventually(STOPPED_WITHIN, "the child's arguments", seen).await;
        stop(&pid_file, &config).await.expect("ours is stopped");
        assert!(ours.try_wait().expect("a child can be asked").is_some(), "ours still runs");
    }
}
