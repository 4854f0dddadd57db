//! The numbers of a process, for Prometheus to fetch.
//!
//! A service registers its numbers once at start, under its own scope, and then only touches atomics. Encoding locks the
//! registry, never a number.

use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

/// What `/metrics` answers as its `Content-Type` (OpenMetrics 1.0.0).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry, and the scope that a service's names get as their prefix. Clones share the registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
    scope: String,
}

impl Metrics {
    /// An empty registry; all names begin with `klatch_`.
    pub fn new() -> Metrics {
        Metrics { registry: Arc::default(), scope: String::from("klatch") }
    }

    /// The same registry, for names that begin with `<this scope>_<name>_`.
    pub fn scope(&self, name: &str) -> Metrics {
        Metrics { registry: Arc::clone(&self.registry), scope: format!("{}_{name}", self.scope) }
    }

    /// Registers any metric, families with labels included. `help` is a sentence without its full stop.
    ///
    /// Counters are shown with `_total` at the end: leave that off the name. Units come last (`_seconds`, `_bytes`).
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        registry.register(format!("{}_{name}", self.scope), help, metric.clone());
        metric
    }

    /// A number that only grows.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.register(name, help, Counter::default())
    }

    /// A number that goes up and down.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(name, help, Gauge::default())
    }

    /// Durations in seconds, from 100 µs to 13 s in 18 buckets, each twice the one before.
    pub fn seconds(&self, name: &str, help: &str) -> Histogram {
        self.register(name, help, Histogram::new(exponential_buckets(0.000_1, 2.0, 18)))
    }

    /// Everything registered, as OpenMetrics text (see [`CONTENT_TYPE`]).
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.read().unwrap_or_else(PoisonError::into_inner);
        // A String takes any write.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_share_a_registry_and_prefix_their_names() {
        let metrics = Metrics::new();
        let sessions = metrics.scope("edge").gauge("sessions", "Open sessions");
        let folded = metrics.scope("projector").counter("events_folded", "Events folded");
        sessions.set(3);
        folded.inc_by(2);
        let text = metrics.encode();
        assert!(text.contains("# HELP klatch_edge_sessions Open sessions.\n"), "{text}");
        assert!(text.contains("klatch_edge_sessions 3\n"), "{text}");
        assert!(text.contains("klatch_projector_events_folded_total 2\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
