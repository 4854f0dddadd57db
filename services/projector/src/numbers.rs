//! What the projector counts, for Prometheus.

use std::sync::atomic::AtomicU64;

use klatch_service::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// The numbers; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    pub(crate) events: Counter,
    pub(crate) undecodable: Counter,
    pub(crate) position: Gauge,
    pub(crate) batch_seconds: Histogram,
    pub(crate) rebuilds: Counter,
    pub(crate) queries: Counter,
    pub(crate) queries_refused: Counter,
    pub(crate) query_seconds: Histogram,
    pub(crate) erased: Counter,
    pub(crate) batch_events: Histogram,
    pub(crate) lag_events: Gauge,
    pub(crate) lag_seconds: Gauge<f64, AtomicU64>,
    pub(crate) progress: Gauge<f64, AtomicU64>,
}

impl Numbers {
    /// Registers them under `projector`.
    pub(crate) fn register(metrics: &Metrics) -> Numbers {
        let metrics = metrics.scope("projector");
        Numbers {
            events: metrics.counter("events", "Events folded"),
            undecodable: metrics.counter("undecodable_events", "Events passed over because they could not be decoded"),
            batch_events: metrics.sizes("batch_events", "Events in one batch"),
            lag_events: metrics.gauge("lag_events", "Events that are stored and not folded, every five seconds"),
            lag_seconds: metrics.register(
                "lag_seconds",
                "Age of the oldest event that is not folded, by the broker's clock, every five seconds",
                Gauge::default(),
            ),
            progress: metrics.register(
                "progress_ratio",
                "How far a rebuild or a catching up is: 1 when the views are up to date, every five seconds",
                Gauge::default(),
            ),
            position: metrics.gauge("position", "The sequence up to which everything is folded"),
            batch_seconds: metrics.seconds("batch_seconds", "Time to fold and store one batch"),
            rebuilds: metrics.counter("rebuilds", "Times that the views were set aside and made anew"),
            queries: metrics.counter("queries", "Queries answered"),
            queries_refused: metrics.counter("queries_refused", "Queries answered with an error"),
            query_seconds: metrics.seconds("query_seconds", "Time to answer a query"),
            erased: metrics
                .counter("erased_messages", "Messages of the stream erased because what they say was deleted"),
        }
    }
}
