//! What all sessions of an edge share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use klatch_domain::{Seq, Timestamp, UserId};
use klatch_eventlog::{EdgeId, Log, QueryError};
use klatch_service::{Drain, Health};
use klatch_wire::Code;
use klatch_wire::native::server::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::announce::Announcements;
use crate::config::Config;
use crate::gone_back::GoneBack;
use crate::infos::Infos;
use crate::interest::Interest;
use crate::metrics::Metrics;
use crate::people::People;
use crate::room::Surroundings;
use crate::session_id::SessionId;
use crate::standing::Standings;
use crate::token::Verifier;
use crate::watermark::Watermark;

/// When somebody was last seen is worth so much time of a connection that ends.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// The shared state of an edge. It holds nothing that another edge would need.
#[derive(Debug)]
pub(crate) struct Hub {
    /// What the edge was told.
    pub config: Config,
    /// The log.
    pub log: Log,
    /// This life of this edge.
    pub edge: EdgeId,
    /// What is subscribed.
    pub interest: Interest,
    /// What the other edges are to be told of who is attached here.
    pub(crate) announcements: Arc<Announcements>,
    /// What is known of people's standings.
    pub standings: Standings,
    /// What is known of rooms.
    pub(crate) infos: Infos,
    /// Who is connected.
    pub people: Arc<People>,
    /// Who is believed.
    pub verifier: Verifier,
    /// Whether the edge can serve.
    pub health: Health,
    /// What is counted.
    pub metrics: Metrics,
    /// Ends when the edge begins to drain.
    pub draining: CancellationToken,
    /// The tasks of all connections.
    pub tasks: Drain,
    /// Places for connections.
    pub slots: Arc<Semaphore>,
    /// The life of the stream in which its end went back.
    pub(crate) gone_back: GoneBack,
    /// Whether the log had a leader when it was last asked (`ready.rs`).
    pub(crate) is_led: AtomicBool,
    seen: Arc<Watermark>,
    marked: Watermark,
    sessions: AtomicU64,
}

/// A projector that can't answer now is one of several, it may be: then it is another one's turn within so many tries …
const TRIES_MAX: u32 = 6;
/// … with a pause between them.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

impl Hub {
    /// An edge with nobody connected.
    pub(crate) fn new(config: Config, log: Log, verifier: Verifier, health: Health, metrics: Metrics) -> Self {
        let edge = EdgeId::of(log.fresh_id());
        let announcements = Arc::new(Announcements::default());
        let seen = Arc::new(Watermark::default());
        let around = Surroundings {
            seen: seen.clone(),
            log: log.clone(),
            edge: edge.clone(),
            limits: config.limits.clone(),
            announcements: announcements.clone(),
            undecodable: metrics.undecodable.clone(),
        };
        Hub {
            interest: Interest::new(around),
            announcements,
            standings: Standings::new(log.clone(), config.standings_max),
            infos: Infos::new(log.clone(), config.standings_max),
            people: Arc::new(People::new(&config.limits)),
            verifier,
            health,
            metrics,
            draining: CancellationToken::new(),
            tasks: Drain::new(),
            slots: Arc::new(Semaphore::new(config.connections_max.min(Semaphore::MAX_PERMITS))),
            gone_back: GoneBack::default(),
            is_led: AtomicBool::new(true),
            seen,
            marked: Watermark::default(),
            sessions: AtomicU64::new(1),
            edge,
            config,
            log,
        }
    }

    /// The time, by the clock that came with the log.
    pub(crate) fn now(&self) -> Timestamp {
        self.log.now()
    }

    /// A number that no other session of this edge has.
    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed))
    }

    /// Something may have been missed of what commands are decided by: the leader is asked again.
    pub(crate) fn forget_facts(&self) {
        self.standings.forget_all();
        self.infos.forget_all();
    }

    /// This edge has acknowledged or delivered something at this sequence.
    pub(crate) fn saw(&self, seq: Seq) {
        let epoch = self.log.epoch();
        self.seen.raise(epoch, seq, epoch);
    }

    /// The highest sequence that this edge has acknowledged or delivered: what its answers must reach up to.
    pub(crate) fn seen(&self) -> Seq {
        self.seen.level(self.log.epoch())
    }

    /// This edge has acknowledged a mark at this sequence of their own stream.
    pub(crate) fn saw_mark(&self, seq: Seq) {
        let epoch = self.log.epoch();
        self.marked.raise(epoch, seq, epoch);
    }

    /// The highest sequence of a mark that this edge has acknowledged: what its counts must reach up to.
    pub(crate) fn marked(&self) -> Seq {
        self.marked.level(self.log.epoch())
    }

    /// An ending connection has so long for what its client has sent, and again for its close frame: a third of a drain.
    pub(crate) fn close_within(&self) -> Duration {
        Duration::from_millis(self.config.drain_ms_max / 3)
    }

    /// One of a person's sessions ended; with the last one here, the moment is kept.
    pub(crate) async fn left(&self, user: &UserId) {
        if !self.people.sessions_of(user).is_empty() {
            return;
        }
        let stored = tokio::time::timeout(SEEN_WITHIN, self.log.seen(user, self.now())).await;
        if !matches!(stored, Ok(Ok(()))) {
            tracing::info!("can't store when somebody was last seen");
        }
    }

    /// Asks the projector; where one says that it can't answer now (it rebuilds, it is behind), whichever is free next, in a few
    /// tries.
    pub(crate) async fn query<Q: Serialize, A: DeserializeOwned>(&self, name: &str, query: &Q) -> Result<A, Failure> {
        let payload = bytes::Bytes::from(serde_json::to_vec(query).expect("queries have string keys"));
        let deadline = Instant::now() + Duration::from_millis(self.config.query_ms_max);
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.request(name, payload.clone(), left).await {
                Err(QueryError::Service { code, .. })
                    if code == Code::Unavailable.as_str()
                        && tries < TRIES_MAX
                        && Instant::now() + ASK_AGAIN_AFTER < deadline =>
                {
                    tokio::time::sleep(ASK_AGAIN_AFTER).await;
                }
                answer => break answer.map_err(not_answered)?,
            }
        };
        serde_json::from_slice(&answer).map_err(|error| {
            tracing::error!(name, %error, "the projector's answer can't be read");
            Failure::new(Code::Internal, "the views' answer can't be read: this is a fault of the server")
        })
    }
}

fn not_answered(error: QueryError) -> Failure {
    match error {
        QueryError::NoResponder | QueryError::TimedOut | QueryError::Denied(_) => {
            Failure::new(Code::Unavailable, "the views don't answer just now: try again")
        }
        QueryError::Service { code, message } => Failure::new(Code::parse(&code).unwrap_or(Code::Internal), message),
    }
}
