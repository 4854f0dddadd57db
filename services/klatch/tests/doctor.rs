//! `klatch doctor` as an operator meets it: an installation that is well, and one after another what can be wrong with it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{self, consumer, stream};
use async_nats::service::ServiceExt;
use klatch_eventlog::{Credentials, Log, Options};
use klatch_service::tether;
use klatch_testkit::{NatsServer, eventually, free_port, password_of};
use serde_json::{Value, json};
use tempfile::TempDir;

const BOUND: Duration = Duration::from_secs(60);
const KLATCH: &str = env!("CARGO_BIN_EXE_klatch");

/// A process of klatch that lasts; killed when dropped.
struct Running(Child);

impl Running {
    /// Its output goes nowhere; its log into the folder.
    fn start(arguments: &[&str], data: &Path) -> Running {
        let mut command = tether::command(KLATCH);
        // Where `.tools/bin` is to be found.
        command.args(arguments).arg("--data").arg(data).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let log = File::create(data.join("test.log")).expect("a log file");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        Running(tether::spawn(command).expect("klatch starts"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// One run of doctor, and its report.
struct Diagnosis {
    code: Option<i32>,
    report: Value,
}

impl Diagnosis {
    fn of(mut command: Command) -> Diagnosis {
        command.arg("--json").stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output().expect("klatch starts");
        let report = serde_json::from_slice(&stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&stderr)));
        Diagnosis { code: status.code(), report }
    }

    /// Beside a `klatch up`.
    fn beside(data: &Path, arguments: &[&str]) -> Diagnosis {
        let mut command = Command::new(KLATCH);
        command.args(["doctor", "--data"]).arg(data).args(arguments);
        Diagnosis::of(command)
    }

    /// At a server without users.
    fn at(server: &NatsServer) -> Diagnosis {
        let data = folder();
        Diagnosis::beside(data.path(), &["--nats", &server.url()])
    }

    fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().expect("findings")
    }

    /// Those of a check that are so bad.
    fn of_check(&self, check: &str, severity: &str) -> Vec<&Value> {
        let is_it = |finding: &&Value| finding["check"] == check && finding["severity"] == severity;
        self.findings().iter().filter(is_it).collect()
    }

    /// What the one finding of this kind says, and its remedy.
    #[track_caller]
    fn the(&self, check: &str, severity: &str) -> (String, String) {
        let found = self.of_check(check, severity);
        let [finding] = found[..] else { panic!("{check} {severity}: {:#}", self.report) };
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        (format!("{}: {}", text("about"), text("what")), text("remedy"))
    }

    #[track_caller]
    fn has_no_problem(&self) {
        assert_eq!(self.code, Some(0), "{:#}", self.report);
        assert_ne!(self.report["worst"], "problem");
    }

    #[track_caller]
    fn has_a_problem(&self) {
        assert_eq!((self.code, &self.report["worst"]), (Some(1), &json!("problem")), "{:#}", self.report);
        for finding in self.findings() {
            let is_ok = finding["severity"] == "ok";
            assert_eq!(finding["remedy"].is_null(), is_ok, "each finding that is not well has a remedy: {finding}");
        }
    }
}

/// An installation of a server without users and a projector, and what a test needs to make it ill.
struct Installation {
    server: NatsServer,
    client: Client,
    context: jetstream::Context,
    _projector: Running,
    _data: TempDir,
}

impl Installation {
    async fn start() -> Installation {
        let server = NatsServer::builder().extra_config("max_payload: 8MB").start().await;
        let data = folder();
        let projector = Running::start(&["projector", "--nats", &server.url()], data.path());
        let client = server.client().await;
        let context = jetstream::new(client.clone());
        eventually(BOUND, "a projector that is well", || async {
            let diagnosis = Diagnosis::at(&server);
            let is_well = diagnosis.code == Some(0) && diagnosis.of_check("projector", "ok").len() == 1;
            if is_well { Ok(()) } else { Err(diagnosis.report) }
        })
        .await;
        Installation { server, client, context, _projector: projector, _data: data }
    }

    async fn change(&self, stream: &str, change: impl FnOnce(&mut stream::Config)) {
        let mut config = self.context.get_stream(stream).await.expect("it is there").cached_info().config.clone();
        change(&mut config);
        self.context.update_stream(config).await.expect("changed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_klatch_up_is_well() {
    let data = folder();
    let port = free_port();
    let mut up = Running::start(&["up", "--dev", "--listen", &format!("127.0.0.1:{port}")], data.path());
    let (tell, announced) = channel();
    let out = BufReader::new(up.0.stdout.take().expect("piped"));
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let mut lines = Vec::new();
    eventually(BOUND, "klatch up", || {
        lines.extend(announced.try_iter());
        let is_up = lines.len() > 3 && lines.last().is_some_and(|line: &String| line.is_empty());
        let log = fs::read_to_string(data.path().join("test.log")).unwrap_or_default();
        async move { if is_up { Ok(()) } else { Err(log) } }
    })
    .await;

    let url = format!("http://127.0.0.1:{port}");
    let diagnosis = Diagnosis::beside(data.path(), &["--url", &url]);
    diagnosis.has_no_problem();
    for check in [
        "version",
        "users",
        "jetstream",
        "stream",
        "epoch",
        "consumer",
        "dead-letters",
        "projector",
        "clock",
        "sync",
        "edge",
    ] {
        assert!(!diagnosis.of_check(check, "ok").is_empty(), "{check}: {:#}", diagnosis.report);
        assert!(diagnosis.of_check(check, "warning").is_empty(), "{check}: {:#}", diagnosis.report);
    }
    // What it needs, the operator may do.
    let log = fs::read_to_string(data.path().join("broker/nats-server.log")).expect("a log");
    assert!(!log.contains("Violation"), "{log}");

    let mut command = Command::new(KLATCH);
    let output = command.args(["doctor", "--data"]).arg(data.path()).output().expect("klatch starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("0 problems"), "{text}");
}

#[tokio::test]
async fn where_no_server_is_the_rest_is_still_looked_at() {
    let data = folder();
    let nowhere = format!("nats://127.0.0.1:{}", free_port());
    let gone = format!("http://127.0.0.1:{}", free_port());
    let diagnosis = Diagnosis::beside(data.path(), &["--nats", &nowhere, "--url", &gone]);
    diagnosis.has_a_problem();
    assert!(diagnosis.the("connection", "problem").1.contains("--nats"));
    assert!(diagnosis.the("edge", "problem").1.contains("klatch edge"));
    assert!(!diagnosis.of_check("open-files", "problem").iter().any(|_| true));
    assert!(diagnosis.findings().iter().any(|finding| finding["check"] == "disk"));
}

#[tokio::test]
async fn a_server_where_nothing_was_set_up_is_told_and_left_as_it_is() {
    let server = NatsServer::start().await;
    let diagnosis = Diagnosis::at(&server);
    diagnosis.has_a_problem();
    assert_eq!(diagnosis.of_check("stream", "problem").len(), 5);
    assert!(diagnosis.the("projector", "problem").1.contains("klatch projector"));
    assert!(diagnosis.the("payload", "warning").1.contains("8MB"));
    assert!(diagnosis.the("users", "warning").1.contains("nats/users.conf"));
    let context = jetstream::new(server.client().await);
    for stream in ["CHAT_EVENTS", "CHAT_MARKS", "CHAT_PRESENCE", "CHAT_PUSH", "CHAT_DEAD", "KV_CHAT_ACCOUNTS"] {
        assert!(context.get_stream(stream).await.is_err(), "doctor made {stream}");
    }
}

#[tokio::test]
async fn streams_that_were_changed_or_are_missing_are_found() {
    let at = Installation::start().await;
    at.change("CHAT_EVENTS", |config| config.max_age = Duration::from_secs(3600)).await;
    at.change("CHAT_MARKS", |config| config.allow_rollup = true).await;
    at.context.delete_stream("CHAT_PUSH").await.expect("deleted");
    let diagnosis = Diagnosis::at(&at.server);
    diagnosis.has_a_problem();
    let problems = diagnosis.of_check("stream", "problem");
    let told: Vec<String> = problems.iter().map(|finding| finding.to_string()).collect();
    let tells = |words: [&str; 3]| told.iter().any(|one| words.iter().all(|word| one.contains(word)));
    assert!(tells(["CHAT_EVENTS", "max_age is 3600s, not 0ns", "nats/streams/chat-events.json"]), "{told:#?}");
    assert!(tells(["CHAT_MARKS", "allow_rollup is true", "nats stream edit CHAT_MARKS"]), "{told:#?}");
    assert!(tells(["CHAT_PUSH", "not there", "klatch projector"]), "{told:#?}");
    assert_eq!(told.len(), 3, "{told:#?}");
}

#[tokio::test]
async fn a_consumer_that_was_changed_and_dead_letters_are_found() {
    let at = Installation::start().await;
    let events = at.context.get_stream("CHAT_EVENTS").await.expect("it is there");
    let config = consumer::pull::Config {
        durable_name: Some("notifier".to_owned()),
        filter_subject: "chat.event.*.room.*.timeline".to_owned(),
        max_deliver: 1,
        ..Default::default()
    };
    events.create_consumer(config).await.expect("made");
    at.context.publish("chat.dead.webhook.crm", "{}".into()).await.expect("sent").await.expect("stored");
    let diagnosis = Diagnosis::at(&at.server);
    diagnosis.has_a_problem();
    let (what, remedy) = diagnosis.the("consumer", "problem");
    assert!(what.contains("notifier") && what.contains("max_deliver is 1, not -1"), "{what}");
    assert!(remedy.contains("nats consumer edit CHAT_EVENTS notifier"), "{remedy}");
    let (what, remedy) = diagnosis.the("dead-letters", "warning");
    assert!(what.contains("1 dead letter") && remedy.contains("nats stream view CHAT_DEAD"), "{what} {remedy}");
}

// Doctor is waited for on the test's thread: the service that it asks needs another.
#[tokio::test(flavor = "multi_thread")]
async fn a_projector_of_another_version_or_in_another_epoch_is_found() {
    let at = Installation::start().await;
    // Beside the good one, one that answers as an old version would, of another life of the log.
    let progress = json!({ "state": "live", "epoch": "00000000-0000-0000-0000-000000000007", "seq": 0, "undecodable": 0,
        "schema": 0 });
    let service = at.client.service_builder().stats_handler(move |_, _| progress.clone());
    let service = service.start("klatch-projector", "0.1.0").await.expect("started");
    let _status = service.endpoint_builder().name("status").add("test.status").await.expect("an endpoint");
    let diagnosis = Diagnosis::at(&at.server);
    diagnosis.has_a_problem();
    assert_eq!(diagnosis.of_check("projector", "ok").len(), 2, "each is asked for itself: {:#}", diagnosis.report);
    let problems: Vec<String> = diagnosis.of_check("projector", "problem").iter().map(|one| one.to_string()).collect();
    assert!(problems.iter().any(|one| one.contains("schema 0") && one.contains("same version")), "{problems:#?}");
    assert!(problems.iter().any(|one| one.contains("epoch 00000000") && one.contains("rebuild")), "{problems:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_rights_is_told_which_are_wanting_and_the_rest_goes_on() {
    let server = NatsServer::builder().users().start().await;
    let options = Options {
        servers: server.url(),
        credentials: Some(Credentials::UserPassword { user: "projector".into(), password: password_of("projector") }),
        inbox_prefix: Some("_INBOX_projector".to_owned()),
        ..Options::default()
    };
    Log::open(options).await.expect("created");
    let diagnose = |user: &str| {
        let mut command = Command::new(KLATCH);
        command.args(["doctor", "--nats", &server.url()]).current_dir(server.store_dir());
        command.env("KLATCH_BROKER__USER", user).env("KLATCH_BROKER__PASSWORD", password_of(user));
        Diagnosis::of(command)
    };

    let diagnosis = diagnose("edge");
    diagnosis.has_a_problem();
    let denied = diagnosis.of_check("stream", "problem");
    let is_about = |name: &str| denied.iter().any(|one| one["about"] == name);
    assert!(is_about("CHAT_PUSH") && is_about("CHAT_DEAD") && !is_about("CHAT_EVENTS"), "{denied:#?}");
    let what = denied[0]["what"].as_str().expect("text");
    assert!(what.contains("may not publish to $JS.API.STREAM.INFO."), "{what}");
    assert!(denied[0]["remedy"].as_str().expect("text").contains("nats/users.conf"));
    assert!(diagnosis.of_check("stream", "ok").iter().any(|one| one["about"] == "CHAT_EVENTS"));

    // One that may not even hear answers.
    diagnose("listener").has_a_problem();

    let diagnosis = diagnose("operator");
    let problems = diagnosis.findings().iter().filter(|one| one["severity"] == "problem");
    let checks: Vec<&Value> = problems.map(|one| &one["check"]).collect();
    assert_eq!(checks, ["projector"], "only that none runs: {:#}", diagnosis.report);
}
