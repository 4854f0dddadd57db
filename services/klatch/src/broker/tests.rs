//! The broker's life, with the real nats-server.

use std::path::Path;

use klatch_service::Health;
use klatch_testkit::eventually;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::*;

const BOUND: Duration = Duration::from_secs(60);

async fn start(folder: &DataFolder, health: &Health) -> Broker {
    let condition = health.condition("broker", "not started yet");
    Broker::start(folder, None, condition).await.expect("a broker: `make tools` gets nats-server")
}

fn pid_of(folder: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(folder.join("broker/nats-server.pid")).ok()?;
    Pid::from_raw(text.parse().ok()?)
}

async fn takes_clients(access: &Access) -> Result<(), String> {
    let password = access.passwords.as_ref().and_then(|passwords| passwords.of(User::Operator)).expect("a password");
    let options = async_nats::ConnectOptions::with_user_and_password("operator".into(), password.reveal().into());
    let client = options.connect(&access.url).await.map_err(|error| error.to_string())?;
    client.flush().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_broker_that_dies_is_started_again_on_its_port_and_stopped_for_good_when_told() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let folder = DataFolder::open(&parent.path().join("da ta")).await.expect("a folder");
    let health = Health::new();
    let broker = start(&folder, &health).await;
    let access = broker.access().clone();
    takes_clients(&access).await.expect("up");
    let found = access_to(folder.path()).expect("readable").expect("a broker runs there");
    assert_eq!((&found.url, &found.passwords), (&access.url, &access.passwords));
    assert!(async_nats::connect(&access.url).await.is_err(), "it lets in whoever comes");
    assert!(health.report().ready);

    let first = pid_of(folder.path()).expect("a pid file");
    kill_process(first, Signal::KILL).expect("ours");
    let second = eventually(BOUND, "another broker after the first was killed", || async {
        match pid_of(folder.path()) {
            Some(pid) if pid != first => takes_clients(&access).await.map(|()| pid),
            other => Err(format!("pid file says {other:?}")),
        }
    })
    .await;
    eventually(BOUND, "readiness", || async { health.report().ready.then_some(()).ok_or("not ready") }).await;

    broker.stop().await;
    assert!(test_kill_process(second).is_err(), "the broker outlived its stop");
    assert_eq!(pid_of(folder.path()), None, "the pid file outlived the broker");
}

#[tokio::test]
async fn a_broker_left_on_the_folder_is_stopped_first() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let folder = DataFolder::open(parent.path()).await.expect("a folder");
    let health = Health::new();
    let left = start(&folder, &health).await;
    let left_pid = pid_of(folder.path()).expect("a pid file");
    // As after a kill -9 of klatch on a system without setpriv: nobody supervises, the server runs on.
    left.supervision.abort();
    kill_process(left_pid, Signal::STOP).expect("ours");

    let broker = start(&folder, &health).await;
    assert_ne!(pid_of(folder.path()), Some(left_pid));
    takes_clients(broker.access()).await.expect("up");
    assert!(test_kill_process(left_pid).is_err(), "two brokers on one folder");
    broker.stop().await;
}

#[tokio::test]
async fn a_broker_that_cannot_start_says_why() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let folder = DataFolder::open(parent.path()).await.expect("a folder");
    std::fs::create_dir_all(folder.broker()).expect("made");
    std::fs::write(folder.broker().join("jetstream"), "a file where a folder should be").expect("written");
    let condition = Health::new().condition("broker", "not started yet");
    let error = Broker::start(&folder, None, condition).await.expect_err("no store, no broker");
    assert!(error.to_string().contains("nats-server ended at its start"), "{error}");
    assert!(error.to_string().contains("not a directory"), "{error}");
}
