//! `klatch up` as an operator meets it: started, asked, interrupted, killed, started again. Real processes throughout.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use klatch_service::tether;
use klatch_testkit::{eventually, free_port};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use tempfile::TempDir;

const UP_WITHIN: Duration = Duration::from_secs(60);
/// What protocol.md promises of a stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

const KLATCH: &str = env!("CARGO_BIN_EXE_klatch");

/// A `klatch up --dev` on a folder; killed when dropped.
struct Up {
    process: Child,
    data: PathBuf,
    port: u16,
    lines: Receiver<String>,
}

impl Up {
    fn start(data: &Path) -> Up {
        let port = free_port();
        let mut command = tether::command(KLATCH);
        command.args(["up", "--dev", "--listen", &format!("127.0.0.1:{port}"), "--data"]).arg(data);
        // Where `.tools/bin` is to be found.
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let log = File::create(data.join("up.log")).expect("a log file");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = tether::spawn(command).expect("klatch starts");
        let (tell, lines) = channel();
        let out = BufReader::new(process.stdout.take().expect("piped"));
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Up { process, data: data.to_owned(), port, lines }
    }

    /// What it printed until it was ready, which is its last word.
    async fn announced(&self) -> Vec<String> {
        let mut announced = Vec::new();
        eventually(UP_WITHIN, "the announcement that everything is up", || {
            announced.extend(self.lines.try_iter());
            let is_whole = announced.last().is_some_and(|line: &String| line.is_empty()) && announced.len() > 3;
            let seen = announced.join("\n");
            let log = || fs::read_to_string(self.data.join("up.log")).unwrap_or_default();
            let result = if is_whole { Ok(()) } else { Err(seen + &log()) };
            async move { result }
        })
        .await;
        announced
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    async fn ended(&mut self, bound: Duration) -> ExitStatus {
        eventually(bound, "the end of klatch", || {
            let status = self.process.try_wait().expect("a child can be asked");
            async move { status.ok_or("it still runs") }
        })
        .await
    }

    fn health(&self) -> Output {
        klatch(&["health", "--url", &format!("http://127.0.0.1:{}", self.port)])
    }

    fn send(&self, text: &str) -> Output {
        let url = format!("ws://127.0.0.1:{}/chat/ws", self.port);
        klatch(&["send", "--dev", "--user", "ada", "--room", "lobby", "--url", &url, text])
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn klatch(arguments: &[&str]) -> Output {
    Command::new(KLATCH).args(arguments).stdin(Stdio::null()).output().expect("klatch starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn broker(data: &Path) -> Option<Pid> {
    Pid::from_raw(fs::read_to_string(data.join("broker/nats-server.pid")).ok()?.parse().ok()?)
}

/// The broker's users are let do all that their services do, and nothing else is tried.
fn nothing_was_refused(data: &Path) {
    let log = fs::read_to_string(data.join("broker/nats-server.log")).expect("a log");
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("Violation")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

async fn is_gone(process: Pid) {
    eventually(STOPPED_WITHIN, "the end of the broker", || async move {
        test_kill_process(process).is_err().then_some(()).ok_or("it still runs")
    })
    .await;
}

#[tokio::test]
async fn it_needs_nothing_and_stops_whole_and_in_time() {
    let data = folder();
    let mut up = Up::start(data.path());
    let announced = up.announced().await.join("\n");
    assert!(announced.contains(&format!("http://127.0.0.1:{}", up.port)), "{announced}");
    assert!(announced.contains("ada") && announced.contains("ben"), "{announced}");
    assert!(up.health().status.success(), "{}", said(&up.health()));
    let stored = up.send("kept");
    assert!(stored.status.success(), "{}", said(&stored));
    let verified = klatch(&["verify", "--data", &data.path().display().to_string()]);
    assert!(verified.status.success(), "{}", said(&verified));

    // What a terminal's Ctrl-C does: everybody in the foreground group gets it.
    let nats = broker(data.path()).expect("a broker");
    let asked = Instant::now();
    kill_process_group(up.pid(), Signal::INT).expect("ours");
    let status = up.ended(STOPPED_WITHIN).await;
    assert!(status.success(), "{status}");
    assert!(asked.elapsed() < STOPPED_WITHIN);
    assert!(test_kill_process(nats).is_err(), "the broker outlived klatch");
    assert_eq!(broker(data.path()), None, "a pid file was left");
    nothing_was_refused(data.path());
}

#[tokio::test]
async fn killed_it_leaves_no_broker_behind_and_starts_again_with_everything() {
    let data = folder();
    let mut up = Up::start(data.path());
    up.announced().await;
    let first = up.send("before the crash");
    assert!(first.status.success(), "{}", said(&first));
    let nats = broker(data.path()).expect("a broker");
    kill_process(up.pid(), Signal::KILL).expect("ours");
    up.ended(STOPPED_WITHIN).await;

    // Where setpriv is missing the broker lives on, and this start is what ends it.
    let again = Up::start(data.path());
    again.announced().await;
    is_gone(nats).await;
    let second = again.send("after the crash");
    let sequence = |output: &Output| said(output).split(' ').next().and_then(|seq| seq.parse::<u64>().ok());
    assert!(sequence(&second) > sequence(&first), "{} after {}", said(&second), said(&first));
    nothing_was_refused(data.path());
}

#[tokio::test]
async fn a_second_edge_finds_its_way_in_by_the_data_folder_and_nobody_else_gets_in() {
    let data = folder();
    let up = Up::start(data.path());
    up.announced().await;
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut edge = tether::command(KLATCH);
    edge.args(["edge", "--dev", "--listen", &listen]).env("KLATCH_DATA", data.path());
    edge.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let edge = tether::spawn(edge).expect("klatch starts");
    let second = Up { process: edge, data: data.path().to_owned(), port, lines: channel().1 };
    eventually(UP_WITHIN, "the second edge to be ready", || async {
        let health = second.health();
        if health.status.success() { Ok(()) } else { Err(said(&health)) }
    })
    .await;
    let sent = second.send("through the other door");
    assert!(sent.status.success(), "{}", said(&sent));
    nothing_was_refused(data.path());

    // The address alone is not enough.
    let url = fs::read_to_string(data.path().join("broker/url")).expect("a url");
    let refused = klatch(&["verify", "--nats", &url]);
    assert!(!refused.status.success());
    assert!(said(&refused).contains("does not take a connection without a user"), "{}", said(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_erased_from_the_log_by_the_eraser_alone() {
    let data = folder();
    let up = Up::start(data.path());
    up.announced().await;
    let token = klatch(&["token", "mint", "--dev", "--user", "ada"]);
    let token = String::from_utf8(token.stdout).expect("a token").trim().to_owned();
    let url = format!("ws://127.0.0.1:{}/chat/ws", up.port);
    let ada = klatch_client::Client::builder(url).token(token).connect().await.expect("let in");
    let room = klatch_domain::RoomId::parse("lobby").expect("an id");
    ada.join(&room, None).await.expect("joined");
    let sent = ada.send(&room, "to be forgotten").await.expect("stored");
    let message = sent.message_id.expect("a message has an id");
    ada.delete(&room, &message, sent.seq).await.expect("deleted");

    let read = |name: &str| fs::read_to_string(data.path().join("broker").join(name)).expect("readable");
    let passwords: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&read("passwords.json")).expect("passwords");
    let operator = async_nats::ConnectOptions::with_user_and_password("operator".into(), passwords["operator"].clone());
    let client = operator.connect(read("url")).await.expect("let in");
    let stream = async_nats::jetstream::new(client).get_stream("CHAT_EVENTS").await.expect("a stream");
    eventually(UP_WITHIN, "the message to be gone from the log", || async {
        if stream.get_raw_message(sent.seq.0).await.is_err() { Ok(()) } else { Err("it is there") }
    })
    .await;
    let kept = stream.delete_message(sent.seq.0 - 1).await;
    assert!(kept.is_err(), "the operator erased an event: {kept:?}");
}

#[tokio::test]
async fn over_tls_the_commands_find_their_way_too() {
    let data = folder();
    let (authority, port) = (klatch_testkit::Authority::new(), free_port());
    let files = authority.issue(data.path(), "edge");
    let trusted = authority.write(&data.path().join("ca.pem"));
    let mut command = tether::command(KLATCH);
    command.args(["up", "--dev", "--listen", &format!("127.0.0.1:{port}"), "--data"]).arg(data.path());
    command.env("KLATCH_EDGE__TLS__CERT", &files.cert).env("KLATCH_EDGE__TLS__KEY", &files.key);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = tether::spawn(command).expect("klatch starts");
    let _up = Up { process, data: data.path().to_owned(), port, lines: channel().1 };
    let trusting = |arguments: &[&str]| {
        let mut command = Command::new(KLATCH);
        command.args(arguments).env("SSL_CERT_FILE", &trusted).stdin(Stdio::null()).output().expect("klatch starts")
    };
    let url = format!("https://127.0.0.1:{port}");
    eventually(UP_WITHIN, "readiness over https", || async {
        let health = trusting(&["health", "--url", &url]);
        if health.status.success() { Ok(()) } else { Err(said(&health)) }
    })
    .await;
    let url = format!("wss://127.0.0.1:{port}/chat/ws");
    let sent = trusting(&["send", "--dev", "--user", "ada", "--room", "lobby", "--url", &url, "in secret"]);
    assert!(sent.status.success(), "{}", said(&sent));
    let plain = klatch(&["health", "--url", &format!("http://127.0.0.1:{port}")]);
    assert!(!plain.status.success(), "{}", said(&plain));
}

#[tokio::test]
async fn two_never_share_a_folder() {
    let data = folder();
    let mut first = Up::start(data.path());
    first.announced().await;
    let second = klatch(&["up", "--dev", "--listen", "127.0.0.1:0", "--data", &data.path().display().to_string()]);
    assert!(!second.status.success());
    let words = said(&second);
    assert!(words.contains("in use by another klatch") && words.contains("--data"), "{words}");
    assert!(first.health().status.success(), "the first one suffered");
    kill_process(first.pid(), Signal::TERM).expect("ours");
    first.ended(STOPPED_WITHIN).await;
}

#[test]
fn what_cannot_work_is_said_in_one_line_with_a_remedy() {
    let data = folder();
    let data = data.path().display().to_string();
    for (arguments, words) in [
        (&["up", "--dev", "--listen", "0.0.0.0:5004"][..], "loopback"),
        (&["up", "--nats-server", "/bin/echo", "--data", &data], "not nats-server 2.15 or newer"),
        (&["health", "--url", "http://127.0.0.1:9"], "is it running?"),
        (&["--config", "/nowhere.toml", "config", "check"], "/nowhere.toml"),
        (&["token", "mint", "--user", "~x", "--dev"], "by the server only"),
        (&["token", "mint", "--user", "x", "--data", "/nowhere"], "--dev"),
        (&["token", "inspect", "--dev", "nonsense"], "no JSON Web Token"),
    ] {
        let output = klatch(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = errors.lines().find(|line| line.starts_with("klatch: ")).unwrap_or_default();
        assert!(line.contains(words), "{arguments:?} said {errors:?}");
    }
}
