//! What an edge counts. No label names a room or a person.

use std::sync::Arc;
use std::time::Duration;

use klatch_wire::{CloseCode, Code};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::hub::Hub;

/// How often what is only there is counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// The edge's metrics.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: klatch_service::Metrics,
    /// WebSocket connections now.
    pub connections: Gauge,
    /// Client frames worked on.
    pub frames_in: Counter,
    /// Frames that WebSockets took.
    pub frames_out: Counter,
    /// People who are connected now.
    people: Gauge,
    /// Rooms that somebody is attached to now.
    rooms: Gauge,
    /// Bytes that wait in outboxes.
    outbox_bytes: Gauge,
    /// Outboxes that are at least half full.
    slow_readers: Gauge,
    /// Events passed over because nobody can read them.
    pub undecodable: Counter,
    refusals: Family<CodeLabel, Counter>,
    closes: Family<CloseLabel, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabel {
    code: u32,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn new(registry: &klatch_service::Metrics) -> Self {
        let edge = registry.scope("edge");
        Metrics {
            connections: edge.gauge("connections", "WebSocket connections open now"),
            frames_in: edge.counter("frames_in", "Client frames worked on"),
            frames_out: edge.counter("frames_out", "Frames that WebSockets took"),
            people: edge.gauge("people", "People with a connection here, counted every five seconds"),
            rooms: edge.gauge("rooms", "Rooms that somebody here is attached to, counted every five seconds"),
            outbox_bytes: edge.gauge("outbox_bytes", "Bytes that wait for clients, counted every five seconds"),
            slow_readers: edge.gauge("slow_readers", "Connections whose outbox is half full, counted every five seconds"),
            undecodable: edge.counter("undecodable_events", "Events passed over because they could not be decoded"),
            refusals: edge.register("refusals", "Requests refused, by error code (label code)", Family::default()),
            closes: edge.register(
                "closes",
                "Connections closed by the server, by close code, of which docs/errors.md has the meanings (label code)",
                Family::default(),
            ),
            registry: registry.clone(),
        }
    }

    /// A request was refused.
    pub(crate) fn refused(&self, code: Code) {
        self.refusals.get_or_create(&CodeLabel { code: code.as_str() }).inc();
    }

    /// The server closed a connection.
    pub(crate) fn closed(&self, code: CloseCode) {
        self.closes.get_or_create(&CloseLabel { code: code.number().into() }).inc();
    }

    /// All metrics of the process, as Prometheus reads them.
    pub(crate) fn encode(&self) -> String {
        self.registry.encode()
    }
}

/// Counts again and again what nobody counts as it comes and goes. Never ends.
pub(crate) async fn keep(hub: Arc<Hub>) {
    let mut each = tokio::time::interval(COUNT_EVERY);
    each.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        each.tick().await;
        count(&hub);
    }
}

fn count(hub: &Hub) {
    let (mut bytes, mut slow) = (0, 0);
    let people = hub.people.ids();
    for ear in people.iter().flat_map(|user| hub.people.sessions_of(user)) {
        let waiting = ear.outbox.bytes_waiting();
        bytes += waiting;
        slow += i64::from(waiting * 2 >= ear.outbox.bytes_max().max(1));
    }
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    hub.metrics.people.set(number(people.len()));
    hub.metrics.rooms.set(number(hub.interest.rooms().len()));
    hub.metrics.outbox_bytes.set(number(bytes));
    hub.metrics.slow_readers.set(slow);
}
