//! What an edge counts. No label names a room or a person.

use klatch_wire::{CloseCode, Code};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// The edge's metrics.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: klatch_service::Metrics,
    /// WebSocket connections now.
    pub connections: Gauge,
    /// Client frames worked on.
    pub frames_in: Counter,
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
            undecodable: edge.counter("undecodable_events", "Events passed over because they could not be decoded"),
            refusals: edge.register("refusals", "Requests refused, by error code", Family::default()),
            closes: edge.register("closes", "Connections closed by the server, by close code", Family::default()),
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
