//! The system of compose.yaml, up and running, with a recording of what people behind its balancer see.

use std::fs;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use futures_util::StreamExt;
use klatch_testkit::eventually;
use klatch_tests::checker::history::{Fold, Observation};
use klatch_tests::checker::name::{Projector, Room, Seq};
use klatch_tests::checker::{Promise, Recorder, judge};
use klatch_tests::cluster::{Doors, LEASE_MS, get, seed};
use klatch_tests::device::Device;
use klatch_tests::readback;

use crate::docker::Docker;

/// Where the balancer listens.
pub(crate) const BALANCER: &str = "127.0.0.1:5004";
/// The key of `klatch token mint --dev`, by which tests make tokens.
const DEVELOPMENT_KEY: &str = "klatch-development-key-never-use-in-production";
/// The brokers' doors for tests (compose.test.yaml).
const BROKER_PORTS: [u16; 3] = [4221, 4222, 4223];
/// The one without a health check of its own: what it answers is asked for.
const BALANCER_SERVICE: &str = "balancer";
/// Every service of the cluster.
pub(crate) const SERVICES: [&str; 10] = [
    "broker-1",
    "broker-2",
    "broker-3",
    "projector-1",
    "projector-2",
    "accounts",
    "notifier",
    "edge-1",
    "edge-2",
    BALANCER_SERVICE,
];
/// What takes longer than this will not come: two cores start ten containers in half a minute.
pub(crate) const BOUND: Duration = Duration::from_secs(120);

/// Whose turn it is: every system has the same ports.
static TURN: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// The system. Dropped, all of it is removed, volumes too; when the test failed, it first says what its containers said
/// last, and keeps the recording in a file.
pub(crate) struct System {
    /// Where everything is noted.
    pub(crate) recorder: Recorder,
    /// The way in.
    pub(crate) doors: Doors,
    /// What the run's choices are drawn from.
    pub(crate) seed: u64,
    /// The engine.
    pub(crate) docker: Docker,
    _turn: MutexGuard<'static, ()>,
}

impl System {
    /// Brings it up, and waits until all of it is ready.
    pub(crate) async fn up() -> System {
        let system = System::start(&["up", "--detach", "--no-build"]);
        system.until_ready().await;
        system
    }

    /// The same with one of each, and no balancer.
    pub(crate) async fn single() -> System {
        let system = System::start(&["--profile", "single", "up", "--detach", "--no-build", "single"]);
        for service in ["single-projector", "single-accounts", "single-notifier", "single"] {
            system.until_healthy(service).await;
        }
        system
    }

    fn start(up: &[&str]) -> System {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let seed = seed();
        println!("seed {seed}: KLATCH_TEST_SEED={seed} repeats this run's choices");
        let recorder = Recorder::begin(seed, LEASE_MS);
        let variables = [("LEASE_MS", LEASE_MS.to_string()), ("TOKEN_SECRET", DEVELOPMENT_KEY.to_owned())];
        let docker = Docker::prepared(variables.map(|(name, value)| (name.to_owned(), value)).to_vec());
        let doors = Doors::balanced(&recorder, BALANCER);
        let system = System { recorder, doors, seed, docker, _turn: turn };
        system.docker.compose(up);
        system
    }

    /// Says what happens, with the moment in the recording.
    pub(crate) fn tell(&self, what: &str) {
        println!("{}: {what}", self.recorder.now());
    }

    /// Waits until everything is healthy (brokers: up to date), both projectors answer, and the balancer has an edge.
    pub(crate) async fn until_ready(&self) {
        for service in SERVICES.into_iter().filter(|service| *service != BALANCER_SERVICE) {
            self.until_healthy(service).await;
        }
        self.until_projectors(2).await;
        eventually(BOUND, "the balancer to have an edge that is ready", || async {
            match get(BALANCER, "/readyz").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Waits until a container's own health check finds it well.
    pub(crate) async fn until_healthy(&self, service: &str) {
        eventually(BOUND, &format!("{service} to be healthy"), || async {
            match self.docker.inspect(service, "{{.State.Health.Status}} {{json .State.Health.Log}}") {
                health if health.starts_with("healthy") => Ok(()),
                health => Err(health),
            }
        })
        .await;
    }

    /// Waits until so many projectors answer.
    pub(crate) async fn until_projectors(&self, count: usize) {
        const ANSWER_WITHIN: Duration = Duration::from_millis(500);
        let client = self.client().await;
        eventually(BOUND, &format!("{count} projectors to answer"), || async {
            let inbox = client.new_inbox();
            let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| error.to_string())?;
            let asked = client.publish_with_reply("$SRV.PING.klatch-projector", inbox, "".into()).await;
            asked.map_err(|error| error.to_string())?;
            let mut heard = 0;
            while heard < count && tokio::time::timeout(ANSWER_WITHIN, answers.next()).await.is_ok_and(|a| a.is_some())
            {
                heard += 1;
            }
            if heard == count { Ok(()) } else { Err(format!("{heard} do")) }
        })
        .await;
    }

    /// A connection to the brokers, as their operator.
    pub(crate) async fn client(&self) -> async_nats::Client {
        let told = fs::read_to_string(self.docker.secrets().join(".env")).expect("the passwords were made");
        let password = told.lines().find_map(|line| line.strip_prefix("OPERATOR_PASSWORD="));
        let options =
            ConnectOptions::with_user_and_password("operator".to_owned(), password.expect("there").to_owned())
                .add_root_certificates(self.docker.secrets().join("secrets/services/ca.pem"))
                .require_tls(true)
                .custom_inbox_prefix("_INBOX_operator")
                .retry_on_initial_connect();
        let servers =
            BROKER_PORTS.map(|port| format!("tls://127.0.0.1:{port}").parse::<ServerAddr>().expect("an address"));
        options.connect(&servers[..]).await.expect("it goes on trying")
    }

    /// Waits until each of these devices was given the end of the room's timeline, and notes that all is quiet.
    pub(crate) async fn settle(&self, room: &Room, devices: &[&Device]) {
        self.tell("everybody catches up");
        let last = readback::last_of(&readback::stream(self.client().await).await, room).await;
        for device in devices {
            device.until_reached(room, last, BOUND).await;
        }
        self.recorder.note(Observation::Settled { room: room.clone(), seq: last });
    }

    /// Notes the digest of one projector alone: the other is stopped meanwhile, for whichever is free answers.
    pub(crate) async fn note_digest_of(&self, projector: &str, how: Fold, at: Option<Seq>) -> (Seq, String) {
        let other = if projector == "projector-1" { "projector-2" } else { "projector-1" };
        self.tell(&format!("{projector} is asked for its digest"));
        self.docker.order(&["stop"], other);
        let name = Projector(format!("{projector}.{how:?}"));
        let digest = readback::note_digest(&self.recorder, &self.client().await, name, how, at).await;
        self.docker.order(&["start"], other);
        self.until_projectors(2).await;
        digest
    }

    /// Both projectors say the same of the same place, and the recording is judged.
    ///
    /// # Panics
    /// When a promise was broken, or when there was nothing to judge one of `promises` by.
    pub(crate) async fn judge(&self, promises: &[Promise]) {
        let (at, digest) = self.note_digest_of("projector-1", Fold::Incremental, None).await;
        assert_eq!(self.note_digest_of("projector-2", Fold::Incremental, Some(at)).await, (at, digest));
        self.tell("the log is read back");
        readback::note_log(&self.recorder, self.client().await).await;
        let verdict = judge(&self.recorder.history()).unwrap_or_else(|unsound| panic!("{unsound}"));
        println!("{verdict}");
        assert!(verdict.keeps(promises), "{verdict}");
    }

    fn keep_what_happened(&self) {
        eprintln!("{}", self.docker.compose(&["logs", "--no-color", "--tail", "40"]));
        let path = std::env::temp_dir().join(format!("klatch-recording-{}.jsonl", self.seed));
        let file = fs::File::create(&path);
        match file.and_then(|file| self.recorder.history().write(std::io::BufWriter::new(file))) {
            Ok(()) => eprintln!("--- the recording is kept in {}", path.display()),
            Err(error) => eprintln!("--- the recording could not be kept: {error}"),
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_what_happened();
        }
        self.docker.compose(&["--profile", "single", "down", "--volumes", "--timeout", "3"]);
    }
}
