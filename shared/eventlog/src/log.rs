//! The log: one type over a real broker and over memory. What it can do stands beside its nouns: `append.rs`, `read.rs`,
//! `follow.rs`, `live/`, `presence.rs`, `marks.rs`, `epoch.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{RoomId, Seq, UserId};
use klatch_service::Metrics;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::append::LaneKey;
use crate::broker::Broker;
use crate::epoch::Life;
use crate::error::{OpenError, QueryError, ReadError};
use crate::group::Groups;
use crate::jetstream::JetStream;
use crate::live::patrol::{self, Patrol};
use crate::memory::{Faults, Memory};
use crate::numbers::Numbers;
use crate::options::Options;
use crate::presence::EdgeId;
use crate::queue::Lanes;
use crate::streams::Stream;
use crate::subject;

/// The log. Cheap to clone; the connection closes when the last clone, live room and follower are dropped.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    broker: Broker,
    options: Options,
    lanes: Lanes<LaneKey>,
    groups: Groups,
    reads: Semaphore,
    life: watch::Sender<Life>,
    patrol: Arc<Patrol>,
    /// The sequence of the last lease that this log wrote for an edge.
    leases: Mutex<HashMap<EdgeId, Seq>>,
    /// Ends the patrol with the log.
    _patrolling: DropGuard,
}

impl From<Arc<Inner>> for Log {
    fn from(inner: Arc<Inner>) -> Self {
        Log { inner }
    }
}

impl Log {
    /// Connects, retrying under a deadline; creates or verifies the streams; reads the epoch.
    pub async fn open(options: Options) -> Result<Log, OpenError> {
        let broker = Broker::JetStream(Box::new(JetStream::open(&options).await?));
        Log::over(broker, options).await
    }

    /// A log in memory: a single nats-server's semantics, without one. Lives in the present Tokio runtime.
    pub fn memory() -> Log {
        Log::memory_with(Options::default())
    }

    /// A log in memory, with limits of its own.
    pub fn memory_with(options: Options) -> Log {
        let memory = Memory::new(options.live_buffered_max, options.clock);
        Log::over_memory(memory, options)
    }

    /// Another connection to the same log in memory, as another process has one; none to a real log.
    pub fn beside(&self) -> Option<Log> {
        match self.broker() {
            Broker::JetStream(_) => None,
            Broker::Memory(memory) => Some(Log::over_memory(memory.clone(), self.options().clone())),
        }
    }

    fn over_memory(memory: Memory, options: Options) -> Log {
        let epoch = memory.epoch();
        Log::start(Broker::Memory(memory), options, Life { epoch, gone: false })
    }

    async fn over(broker: Broker, options: Options) -> Result<Log, OpenError> {
        let failed = |cause: String| OpenError::Stream { stream: Stream::Events.name(), cause };
        let status = broker.status(Stream::Events).await.map_err(|error: ReadError| failed(error.to_string()))?;
        let epoch = status.epoch.ok_or_else(|| failed("its metadata has no epoch".to_owned()))?;
        Ok(Log::start(broker, options, Life { epoch, gone: false }))
    }

    fn start(broker: Broker, options: Options, life: Life) -> Log {
        let stop = CancellationToken::new();
        let inner = Arc::new(Inner {
            broker,
            lanes: Lanes::new(options.appends_waiting_max),
            groups: Groups::default(),
            reads: Semaphore::new(options.read_in_flight_max.max(1)),
            life: watch::Sender::new(life),
            patrol: Arc::default(),
            leases: Mutex::default(),
            _patrolling: stop.clone().drop_guard(),
            options,
        });
        let patrol = patrol::run(Arc::downgrade(&inner));
        tokio::spawn(async move { stop.run_until_cancelled(patrol).await });
        Log { inner }
    }

    /// Counts what may have cost live messages: reconnects, messages that a full buffer dropped. Live rooms mend
    /// themselves; this is for what an edge keeps besides.
    pub fn disruptions(&self) -> watch::Receiver<u64> {
        self.broker().signals().disruptions.subscribe()
    }

    /// Counts from now on into this registry, under the name that the log was opened with. Only the first call does anything.
    pub fn count_into(&self, metrics: &Metrics) {
        let signals = self.broker().signals();
        signals.numbers.get_or_init(|| Numbers::register(metrics, &self.options().name));
        signals.count(|numbers| {
            numbers.connected.set(self.is_connected().into());
        });
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        *self.broker().signals().connected.borrow()
    }

    /// Tells a room that somebody types, or stops. Core NATS: never stored, best effort.
    pub async fn typing(&self, room: &RoomId, user: &UserId, payload: Bytes) {
        self.broker().say(subject::typing(room, user), payload).await;
    }

    /// Asks a projector query by its name (what follows `chat.query.`).
    pub async fn request(&self, query: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, QueryError> {
        self.broker().request(subject::query(query), payload, timeout).await
    }

    /// The connection, where there is one: for what is no part of the log (services, `chat.user.>`).
    pub fn client(&self) -> Option<&async_nats::Client> {
        match self.broker() {
            Broker::JetStream(broker) => Some(broker.client()),
            Broker::Memory(_) => None,
        }
    }

    /// What puts faults into a log in memory; none for a real one.
    pub fn faults(&self) -> Option<Faults> {
        match self.broker() {
            Broker::JetStream(_) => None,
            Broker::Memory(memory) => Some(memory.faults()),
        }
    }

    pub(crate) fn broker(&self) -> &Broker {
        &self.inner.broker
    }

    pub(crate) fn options(&self) -> &Options {
        &self.inner.options
    }

    pub(crate) fn lanes(&self) -> &Lanes<LaneKey> {
        &self.inner.lanes
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.inner.groups
    }

    pub(crate) fn reads(&self) -> &Semaphore {
        &self.inner.reads
    }

    pub(crate) fn life(&self) -> &watch::Sender<Life> {
        &self.inner.life
    }

    pub(crate) fn patrol(&self) -> &Arc<Patrol> {
        &self.inner.patrol
    }

    pub(crate) fn leases(&self) -> &Mutex<HashMap<EdgeId, Seq>> {
        &self.inner.leases
    }
}
