//! The numbers of a process, for Prometheus to fetch.
//!
//! A service registers its numbers once at start, under its own scope, and then only touches atomics. Encoding locks the
//! registry, never a number. What is registered can be listed ([`Metrics::catalogue`]): `docs/metrics.md` is made from it.

mod process;

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::text;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

/// What `/metrics` answers as its `Content-Type` (OpenMetrics 1.0.0).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry, and the scope that a service's names get as their prefix. Clones share the registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    shared: Arc<RwLock<Shared>>,
    scope: String,
}

#[derive(Debug, Default)]
struct Shared {
    registry: Registry,
    catalogue: Vec<Described>,
    known: HashMap<String, Box<dyn Any + Send + Sync>>,
}

/// A metric as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Described {
    /// As Prometheus shows it: a counter's `_total` included, a histogram's `_bucket`, `_sum` and `_count` not.
    pub name: String,
    /// "counter", "gauge" or "histogram".
    pub kind: &'static str,
    /// A sentence without its full stop.
    pub help: String,
}

impl Metrics {
    /// The registry of a process, with what the system knows of it (`process_…`); all other names begin with `klatch_`.
    pub fn new() -> Metrics {
        let mut shared = Shared::default();
        shared.catalogue.extend(process::described());
        shared.registry.register_collector(Box::new(process::Process));
        Metrics { shared: Arc::new(RwLock::new(shared)), scope: String::from("klatch") }
    }

    /// The same registry, for names that begin with `<this scope>_<name>_`.
    pub fn scope(&self, name: &str) -> Metrics {
        Metrics { shared: Arc::clone(&self.shared), scope: format!("{}_{name}", self.scope) }
    }

    /// Registers any metric, families with labels included. `help` is a sentence without its full stop; it names the
    /// labels. No label may name a room or a person.
    ///
    /// Counters are shown with `_total` at the end: leave that off the name. Units come last (`_seconds`, `_bytes`).
    /// What another part of the process registered under the same name, of the same type, is given in place of `metric`.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        let kind = match metric.metric_type() {
            MetricType::Counter => "counter",
            MetricType::Histogram => "histogram",
            _ => "gauge",
        };
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{}_{name}", self.scope);
        if let Some(there) = shared.known.get(&name).and_then(|known| known.downcast_ref::<M>()) {
            return there.clone();
        }
        shared.known.insert(name.clone(), Box::new(metric.clone()));
        shared.registry.register(name.clone(), help, metric.clone());
        let shown = if kind == "counter" { format!("{name}_total") } else { name };
        shared.catalogue.push(Described { name: shown, kind, help: help.to_owned() });
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

    /// Sizes of batches, from 1 to 32,768 in 16 buckets, each twice the one before.
    pub fn sizes(&self, name: &str, help: &str) -> Histogram {
        self.register(name, help, Histogram::new(exponential_buckets(1.0, 2.0, 16)))
    }

    /// Everything registered, as OpenMetrics text (see [`CONTENT_TYPE`]).
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        // A String takes any write.
        let _ = text::encode(&mut text, &shared.registry);
        text
    }

    /// Everything registered, by name.
    pub fn catalogue(&self) -> Vec<Described> {
        let mut all = self.shared.read().unwrap_or_else(PoisonError::into_inner).catalogue.clone();
        all.sort();
        all
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

    #[test]
    fn a_name_that_is_taken_stands_for_the_same_number() {
        let metrics = Metrics::new();
        metrics.counter("appends", "Appends").inc();
        metrics.counter("appends", "Appends").inc();
        let text = metrics.encode();
        assert!(text.contains("klatch_appends_total 2\n"), "{text}");
        assert_eq!(text.matches("# HELP klatch_appends ").count(), 1, "{text}");
    }

    #[test]
    fn the_catalogue_names_what_prometheus_will_see() {
        let metrics = Metrics::new();
        metrics.scope("edge").counter("frames_in", "Client frames worked on");
        metrics.scope("edge").seconds("append_seconds", "Time to append");
        let text = metrics.encode();
        for Described { name, kind, .. } in metrics.catalogue() {
            let of_a_family = if kind == "histogram" { format!("{name}_bucket") } else { name };
            assert!(text.contains(&format!("\n{of_a_family}")), "{of_a_family} in {text}");
        }
    }
}
