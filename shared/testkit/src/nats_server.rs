//! A real nats-server for one test: its own port, its own store, gone when dropped.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use klatch_service::tether;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::free_port;

const READY_WITHIN: Duration = Duration::from_secs(20);
const STOPPED_WITHIN: Duration = Duration::from_secs(20);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(5);
const PORTS_TO_TRY: u32 = 5;

/// The users that Klatch is run with.
const USERS: &str = include_str!("../../../nats/users.conf");
/// What the variables of their passwords begin with.
const PASSWORD_VARIABLE: &str = "KLATCH_BROKER_PASSWORD_";

/// How a test's nats-server is to be; [`NatsServer::builder`] begins one.
#[derive(Debug, Clone, Default)]
pub struct NatsServerBuilder {
    sync_always: bool,
    users: bool,
    extra_config: String,
    store_dir: Option<PathBuf>,
}

impl NatsServerBuilder {
    /// fsync before each acknowledgement (`sync_interval: always`), as the shipped configuration does.
    ///
    /// Off by default: tests that kill only processes lose nothing that the kernel already has, and run faster.
    pub fn sync_always(mut self, on: bool) -> Self {
        self.sync_always = on;
        self
    }

    /// Lets in the users of `nats/users.conf` and nobody else. [`password_of`] says their passwords.
    pub fn users(mut self) -> Self {
        self.users = true;
        self
    }

    /// Lines to append to the server's configuration file, for users, limits and the like.
    pub fn extra_config(mut self, lines: &str) -> Self {
        self.extra_config = lines.to_owned();
        self
    }

    /// Keeps its streams under this folder, which stays when the server is dropped; by default under a temporary one.
    pub fn store_dir(mut self, folder: &Path) -> Self {
        self.store_dir = Some(folder.to_owned());
        self
    }

    /// Starts the server and waits until it accepts clients with JetStream on.
    ///
    /// # Panics
    /// When no nats-server is to be found (the message says how to get one) or it doesn't come up; then with its log.
    pub async fn start(self) -> NatsServer {
        let folder = TempDir::with_prefix("klatch-nats-").expect("a temporary folder can be made");
        let mut server = NatsServer { binary: find_binary(), folder, port: 0, child: None, config: self };
        for attempt in 1..=PORTS_TO_TRY {
            server.port = free_port();
            match server.launch().await {
                Ok(()) => break,
                // Somebody else may have taken the port in between; anything else fails the same way each time.
                Err(why) if attempt == PORTS_TO_TRY => panic!("{why}"),
                Err(_) => server.kill(),
            }
        }
        server
    }
}

/// A running nats-server with JetStream, on 127.0.0.1, with a store in a temporary folder. Dropping it kills it (-9) and
/// removes the folder.
///
/// Port and store stay the same over [`kill`](Self::kill), [`stop`](Self::stop) and [`restart`](Self::restart). It never
/// outlives the test process where `setpriv` is there.
#[derive(Debug)]
pub struct NatsServer {
    binary: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
    config: NatsServerBuilder,
}

impl NatsServer {
    /// A server with everything as by default. See [`NatsServerBuilder::start`] for what it waits for.
    pub async fn start() -> NatsServer {
        NatsServer::builder().start().await
    }

    /// Begins to describe a server.
    pub fn builder() -> NatsServerBuilder {
        NatsServerBuilder::default()
    }

    /// Where clients connect: `nats://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The folder that JetStream keeps its streams under (it makes `jetstream/` in it).
    pub fn store_dir(&self) -> PathBuf {
        self.config.store_dir.clone().unwrap_or_else(|| self.folder.path().join("store"))
    }

    /// What it calls itself, in a cluster too.
    pub fn name(&self) -> String {
        format!("klatch-test-{}-{}", std::process::id(), self.port)
    }

    /// A fresh client connection; where there are [users](NatsServerBuilder::users), the operator's.
    ///
    /// # Panics
    /// When the server doesn't take it.
    pub async fn client(&self) -> async_nats::Client {
        let options = match self.config.users {
            true => async_nats::ConnectOptions::with_user_and_password("operator".into(), password_of("operator")),
            false => async_nats::ConnectOptions::new(),
        };
        match options.connect(self.url()).await {
            Ok(client) => client,
            Err(error) => panic!("no connection to {}: {error}\n{}", self.url(), self.log()),
        }
    }

    /// The server's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What the server has logged so far, over all of its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Kills it at once (`kill -9`), as a crash would. Does nothing when it isn't running.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Fails only when it is dead already, which is what we want.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it in good order (SIGTERM) and waits until it is gone. Does nothing when it isn't running.
    ///
    /// # Panics
    /// When it takes more than 20 seconds.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + STOPPED_WITHIN;
        while let Some(child) = &mut self.child {
            if child.try_wait().expect("a child can be asked").is_some() {
                self.child = None;
            } else if Instant::now() > deadline {
                panic!("nats-server did not stop within {STOPPED_WITHIN:?} of SIGTERM\n{}", self.log());
            } else {
                tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
            }
        }
    }

    /// Starts it again on the same port and store; kills it first if it still runs. Returns when it accepts clients.
    ///
    /// # Panics
    /// When it doesn't come up; with its log.
    pub async fn restart(&mut self) {
        self.kill();
        if let Err(why) = self.launch().await {
            panic!("{why}");
        }
    }

    /// Freezes it (SIGSTOP): its sockets stay open and nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Has it read its configuration and certificates again (SIGHUP). Returns before it has.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            // Not yet waited for, so the pid is still this child's.
            kill_process(Pid::from_child(child), signal).expect("a child of ours can be signalled");
        }
    }

    async fn launch(&mut self) -> Result<(), String> {
        let name = self.name();
        let config = self.write_config(&name).map_err(|error| format!("no configuration written: {error}"))?;
        let log = fs::File::options().create(true).append(true).open(self.log_path());
        let log = log.map_err(|error| format!("no log file: {error}"))?;
        let log_too = log.try_clone().map_err(|error| format!("no log file: {error}"))?;

        let mut command = tether::command(&self.binary);
        if self.config.users {
            let named = USERS.split(PASSWORD_VARIABLE).skip(1).filter_map(|rest| rest.split_whitespace().next());
            command.envs(named.map(|user| {
                (format!("{PASSWORD_VARIABLE}{user}"), format!("{:?}", password_of(&user.to_ascii_lowercase())))
            }));
        }
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(log).stderr(log_too);
        let child = tether::spawn(command);
        self.child = Some(child.map_err(|error| format!("{} does not start: {error}", self.binary.display()))?);
        self.until_ready(&name).await
    }

    fn write_config(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.folder.path().join("nats-server.conf");
        let sync = if self.config.sync_always { "sync_interval: always" } else { "" };
        let text = format!(
            "server_name: {name}\nlisten: 127.0.0.1:{}\njetstream {{ store_dir: {:?}\n{sync} }}\n{}\n{}\n",
            self.port,
            self.store_dir(),
            if self.config.users { USERS } else { "" },
            self.config.extra_config,
        );
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Waits for the INFO line that a server sends first (docs.nats.io, client protocol). It must carry our name: the port
    /// may be somebody else's.
    async fn until_ready(&mut self, name: &str) -> Result<(), String> {
        let deadline = Instant::now() + READY_WITHIN;
        let wanted = format!("\"server_name\":\"{name}\"");
        loop {
            let child = self.child.as_mut().expect("just started");
            if let Ok(Some(status)) = child.try_wait() {
                self.child = None;
                return Err(format!("nats-server ended at its start ({status})\n{}", self.log()));
            }
            if info_line(self.port).is_ok_and(|info| info.contains(&wanted) && info.contains("\"jetstream\":true")) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("nats-server was not ready within {READY_WITHIN:?}\n{}", self.log()));
            }
            tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("nats-server.log")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The password of a user of `nats/users.conf` at a test's server.
pub fn password_of(user: &str) -> String {
    format!("password-of-{user}")
}

fn info_line(port: u16) -> io::Result<String> {
    let patience = Duration::from_millis(200);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut socket = TcpStream::connect_timeout(&address, patience)?;
    socket.set_read_timeout(Some(patience))?;
    let mut line = [0; 4096];
    let length = socket.read(&mut line)?;
    Ok(String::from_utf8_lossy(&line[..length]).into_owned())
}

/// `KLATCH_NATS_SERVER`, else `.tools/bin/nats-server` in a folder above the crate under test, else `PATH`.
fn find_binary() -> PathBuf {
    if let Some(named) = env::var_os("KLATCH_NATS_SERVER") {
        return PathBuf::from(named);
    }
    let crate_folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let crate_folder = crate_folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned());
    let in_tools = crate_folder.ancestors().map(|folder| folder.join(".tools/bin/nats-server"));
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|folder| folder.join("nats-server"));
    match in_tools.chain(in_path).find(|candidate| candidate.is_file()) {
        Some(binary) => binary,
        None => panic!("tests need nats-server 2.15 or newer: run `make tools`, or set KLATCH_NATS_SERVER to its path"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    async fn ping(client: &async_nats::Client) -> Result<(), String> {
        let roundtrip = tokio::time::timeout(Duration::from_millis(300), client.flush()).await;
        roundtrip.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_was_stored_survives_a_kill() {
        let mut server = NatsServer::builder().sync_always(true).start().await;
        let jetstream = async_nats::jetstream::new(server.client().await);
        let stream = async_nats::jetstream::stream::Config {
            name: "S".into(),
            subjects: vec!["s.>".into()],
            ..Default::default()
        };
        jetstream.create_stream(stream).await.expect("a stream can be made");
        let ack = jetstream.publish("s.one", "kept".into()).await.expect("published").await.expect("acknowledged");
        assert_eq!(ack.sequence, 1);

        let url = server.url();
        server.kill();
        assert_eq!(server.pid(), None);
        server.restart().await;
        assert_eq!(server.url(), url);

        let jetstream = async_nats::jetstream::new(server.client().await);
        let stream = jetstream.get_stream("S").await.expect("the stream is there");
        assert_eq!(stream.get_raw_message(1).await.expect("the message is there").payload, "kept");
    }

    #[tokio::test]
    async fn a_paused_server_answers_nothing_until_it_goes_on() {
        let server = NatsServer::start().await;
        server.pause();
        let connecting = tokio::time::timeout(Duration::from_millis(300), async_nats::connect(server.url())).await;
        assert!(connecting.is_err(), "a frozen server took a client");
        server.resume();
        let client = server.client().await;
        eventually(Duration::from_secs(10), "an answer after the pause", || ping(&client)).await;
    }

    #[tokio::test]
    async fn stopping_ends_the_process_and_dropping_removes_the_store() {
        let mut server = NatsServer::start().await;
        let (port, store) = (server.port, server.store_dir());
        server.stop().await;
        assert!(info_line(port).is_err(), "something still listens");
        server.restart().await;
        drop(server);
        assert!(info_line(port).is_err(), "something still listens");
        assert!(!store.exists());
    }
}
