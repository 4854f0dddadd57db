//! The `klatch` program as tests run it: the binary that was built beside them, and processes of it with a log each.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use klatch_service::tether;
use rustix::process::{Pid, Signal, kill_process};

/// The program: `KLATCH_BIN`, else what `cargo build -p klatch` makes in the profile and target folder of the running
/// test. Built once a run if it is stale.
///
/// # Panics
/// When it can't be built; with cargo's words.
pub fn binary() -> &'static Path {
    &BINARY
}

static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(named) = std::env::var_os("KLATCH_BIN") {
        return PathBuf::from(named);
    }
    // …/target/debug/deps/suite-0123 → …/target/debug
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(2).expect("tests lie in deps/ of a profile's folder").to_owned();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "-p", "klatch", "--target-dir"]).arg(folder.parent().expect("a target folder"));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let built = build.output().expect("cargo starts");
    assert!(built.status.success(), "klatch can't be built:\n{}", String::from_utf8_lossy(&built.stderr));
    folder.join("klatch")
});

/// Runs it to its end.
pub fn run(arguments: &[&str]) -> Output {
    command(arguments, &[]).output().unwrap_or_else(|error| panic!("{}: {error}", binary().display()))
}

/// A token for a person that a server started with `--dev` takes.
pub fn development_token(person: &str) -> String {
    let output = run(&["token", "mint", "--dev", "--user", person]);
    assert!(output.status.success(), "no token for {person:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a token is text").trim().to_owned()
}

fn command(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = tether::command(binary());
    configure(&mut command, arguments, settings);
    command
}

fn configure(command: &mut Command, arguments: &[&str], settings: &[(&str, &str)]) {
    // What the tester's own shell says about Klatch is no business of the tests.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KLATCH_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(settings.iter().copied()).stdin(Stdio::null()).current_dir(std::env::temp_dir());
}

/// A running service. Dropping it kills it (-9).
#[derive(Debug)]
pub struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts `klatch` with these arguments and variables; what it says goes to the end of `log`.
    pub fn start(arguments: &[&str], settings: &[(&str, &str)], log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).expect("a log file can be made");
        let err = out.try_clone().expect("a file handle can be doubled");
        let mut command = command(arguments, settings);
        command.stdout(out).stderr(err);
        let child = tether::spawn(command).unwrap_or_else(|error| panic!("{}: {error}", binary().display()));
        Self { child, log: log.to_owned() }
    }

    /// Kills it at once (-9) and waits until it is dead.
    pub fn kill(&mut self) {
        // Fails only when it is dead already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Freezes it (SIGSTOP): its sockets stay open and it does nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // Not yet waited for, so the pid is still this child's.
        kill_process(Pid::from_child(&self.child), signal).expect("a child of ours can be signalled");
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        const LINES_MAX: usize = 40;
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}
