//! A projector at work over a real nats-server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{Event, MessageId, Seq, UserId};
use klatch_eventlog::{Append, Entry, Log, Options, Outcome, QueryError};
use klatch_service::{Health, Metrics};
use klatch_testkit::{NatsServer, eventually};
use klatch_wire::query::{HistoryRequest, HistoryResponse, Phase, StatusResponse, Window, name};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::scene::{room, user, value};
use crate::{Config, RunError};

/// Everything here takes milliseconds; a loaded machine gets time.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// A broker, a log on it, and a place for views.
pub(crate) struct House {
    pub(crate) nats: NatsServer,
    pub(crate) log: Log,
    home: TempDir,
}

impl House {
    pub(crate) async fn new() -> House {
        let nats = NatsServer::start().await;
        let log = open(&nats).await;
        House { nats, log, home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path().join("projector")
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Starts a projector, and waits until it is through.
    pub(crate) async fn projector(&self) -> Projector {
        let projector = self.start(&self.dir());
        projector.live().await;
        projector
    }

    pub(crate) fn start(&self, dir: &Path) -> Projector {
        let health = Health::new();
        let ready = health.condition("projector", "not begun");
        let stop = CancellationToken::new();
        let config = Config { dir: dir.to_owned(), cache_bytes: 8 << 20, flush_ms: 20, ..Config::default() };
        let (log, erasing, token) = (self.log.clone(), self.log.clone(), stop.clone());
        let task = tokio::spawn(async move { crate::run(config, log, erasing, token, ready, &Metrics::new()).await });
        Projector { health, stop, task }
    }

    /// Appends one event by its author, unguarded; says its sequence.
    pub(crate) async fn append(&self, event: &Event, id: Option<&str>) -> Seq {
        let id = id.map(|id| MessageId::parse(id).unwrap());
        let entry = Entry { address: event.address(), payload: event.encode().into(), guard: None, id };
        match self.log.append(Append { author: UserId::system(), entries: vec![entry] }).await.unwrap() {
            Outcome::Appended { seq } | Outcome::Duplicate { seq } => seq,
            Outcome::StandingChanged => panic!("nothing is guarded"),
        }
    }

    /// Asks a query; the answer, or the code of the error.
    pub(crate) async fn ask<A: DeserializeOwned>(&self, query: &str, request: &impl Serialize) -> Result<A, String> {
        let body = Bytes::from(serde_json::to_vec(request).unwrap());
        match self.log.request(query, body, BOUND).await {
            Ok(answer) => Ok(serde_json::from_slice(&answer).unwrap()),
            Err(QueryError::Service { code, .. }) => Err(code),
            Err(error) => panic!("{query}: {error}"),
        }
    }

    pub(crate) async fn history(&self, asker: &str, min_seq: Seq) -> Result<Vec<Value>, String> {
        let (asker, room_id) = (user(asker), room("r"));
        let request = HistoryRequest { asker, room_id, window: Window::Newest, limit: 200, min_seq };
        let page: HistoryResponse = self.ask(name::HISTORY, &request).await?;
        Ok(page.events.iter().map(|item| value(item)).collect())
    }

    pub(crate) async fn status(&self) -> StatusResponse {
        self.ask(name::STATUS, &()).await.unwrap()
    }

    /// Waits until the status is as wished, and the projector live.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&StatusResponse) -> bool) -> StatusResponse {
        eventually(BOUND, what, || async {
            let status = self.status().await;
            if status.phase == Phase::Live && is_so(&status) { Ok(status) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    /// The running projector says what the log says.
    pub(crate) async fn verified(&self) {
        let verdict = crate::verify(&self.log, self.home()).await.unwrap();
        assert!(verdict.agrees(), "{verdict:?}");
    }
}

pub(crate) async fn open(nats: &NatsServer) -> Log {
    Log::open(Options { servers: nats.url(), ..Options::default() }).await.unwrap()
}

/// A projector that runs.
pub(crate) struct Projector {
    pub(crate) health: Health,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl fmt::Debug for Projector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.health.report())
    }
}

impl Projector {
    pub(crate) async fn live(&self) {
        let settled = tokio::time::timeout(BOUND, self.health.settled()).await;
        assert!(settled.is_ok_and(|report| report.ready), "{self:?}");
    }

    /// Stops it in good order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(BOUND, self.task).await.expect("stops in time").unwrap().unwrap();
    }

    /// Whether it goes on.
    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}
