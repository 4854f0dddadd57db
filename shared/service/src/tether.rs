//! A child process that does not outlive us, not even when we are killed.
//!
//! Two things make that so, without `unsafe`:
//! - the child is started through `setpriv --pdeathsig KILL` where util-linux is there. `setpriv` execs, so the child
//!   keeps its pid and stays our direct child; the kernel keeps the setting across the exec (prctl(2), PR_SET_PDEATHSIG);
//! - the fork happens on a thread that lives as long as the process, because the kernel's "parent" is the *thread* that
//!   forked: a child started from a worker or a test thread would be killed when that thread ends.
//!
//! Where there is no `setpriv` the child is an ordinary one, and a killed parent leaves it behind.

use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};

type Job = Box<dyn FnOnce() + Send>;

/// A command for `program` whose process is killed by the kernel when we die, if this system can do that.
///
/// The process gets a group of its own, so that a terminal's Ctrl-C reaches only us and we decide the order of stopping.
/// Start it with [`spawn`].
pub fn command(program: impl AsRef<OsStr>) -> Command {
    use std::os::unix::process::CommandExt;

    let mut command = if *CAN_TETHER {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.process_group(0);
    command
}

/// Starts `command` from the thread that lasts as long as this process.
pub fn spawn(mut command: Command) -> io::Result<Child> {
    let (reply, answer) = channel();
    let job: Job = Box::new(move || {
        // Nobody waiting for the answer any more is no fault of this thread.
        let _ = reply.send(command.spawn());
    });
    LASTING_THREAD.send(job).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

static CAN_TETHER: LazyLock<bool> = LazyLock::new(|| {
    // Asked, not assumed: busybox has a setpriv that knows no --pdeathsig.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
});

static LASTING_THREAD: LazyLock<Sender<Job>> = LazyLock::new(|| {
    let (jobs, queue) = channel::<Job>();
    // A failure to start the thread shows as an error of `spawn`: the queue's other end is gone then.
    let _ = std::thread::Builder::new().name("klatch-children".into()).spawn(move || {
        for job in queue {
            job();
        }
    });
    jobs
});

fn gone() -> io::Error {
    io::Error::other("the thread that starts child processes is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_survives_the_thread_that_asked_for_it() {
        let mut child = std::thread::spawn(|| {
            let mut sleep = command("sleep");
            sleep.arg("60");
            spawn(sleep).expect("sleep starts")
        })
        .join()
        .expect("the asking thread ends");
        // Had the asking thread forked it, the kernel would have killed it by now: the join is after the thread's exit.
        let alive = child.try_wait().expect("a child can be asked").is_none();
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
        assert!(alive, "the child died with the thread that asked for it");
    }

    #[test]
    fn what_does_not_exist_fails_or_exits_with_127() {
        let mut child = match spawn(command("/nowhere/no-such-program")) {
            Ok(child) => child,
            Err(error) => return assert_eq!(error.kind(), io::ErrorKind::NotFound),
        };
        assert_eq!(child.wait().expect("a child can be waited for").code(), Some(127));
    }
}
