//! What a log counts, for Prometheus: one set of names for all services of a process, told apart by the label `service`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use klatch_domain::Timestamp;
use klatch_service::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::append::Outcome;
use crate::broker::WriteError;
use crate::error::AppendError;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    service: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Again {
    service: String,
    why: &'static str,
}

/// The numbers of one log; clones share them.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) connected: Gauge,
    pub(crate) reconnects: Counter,
    pub(crate) dropped: Counter,
    pub(crate) reads_in_flight: Gauge,
    pub(crate) gaps_filled: Counter,
    pub(crate) gap_events: Counter,
    append_seconds: Histogram,
    outcomes: [Counter; 6],
    retries: [Counter; 3],
    group_events: Histogram,
    groups_refused: Counter,
    live_lag: Gauge<f64, std::sync::atomic::AtomicU64>,
}

const OUTCOMES: [&str; 6] = ["appended", "duplicate", "standing_changed", "unavailable", "unclear", "refused"];
const RETRIES: [&str; 3] = ["busy", "unavailable", "unclear"];

impl Numbers {
    /// Registers them, or finds those that another log of this process has registered, and counts for `service`.
    pub(crate) fn register(metrics: &Metrics, service: &str) -> Numbers {
        let metrics = metrics.scope("log");
        let of = Of { service: service.to_owned() };
        let counter = |name: &str, help: &str| {
            let family: Family<Of, Counter> = metrics.register(name, help, Family::default());
            family.get_or_create_owned(&of)
        };
        let gauge = |name: &str, help: &str| {
            let family: Family<Of, Gauge> = metrics.register(name, help, Family::default());
            family.get_or_create_owned(&of)
        };
        // From 100 µs to 13 s.
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_1, 2.0, 18));
        let seconds: Family<Of, Histogram, fn() -> Histogram> = Family::new_with_constructor(seconds);
        let append_seconds =
            metrics.register("append_seconds", "Time to append, waiting and retries included (label service)", seconds);
        // From 1 to 1,024.
        let sizes: fn() -> Histogram = || Histogram::new(exponential_buckets(1.0, 2.0, 11));
        let sizes: Family<Of, Histogram, fn() -> Histogram> = Family::new_with_constructor(sizes);
        let group_events = metrics.register(
            "append_group_events",
            "Events of many people that were stored as one atomic batch: how many (label service)",
            sizes,
        );
        let lag: Family<Of, Gauge<f64, std::sync::atomic::AtomicU64>> = metrics.register(
            "live_lag_seconds",
            "Between the newest live event's storing and its hearing, by the two clocks (label service)",
            Family::default(),
        );
        let ended: Family<Ended, Counter> =
            metrics.register("appends", "Appends, by how they ended (labels service, outcome)", Family::default());
        let again: Family<Again, Counter> = metrics.register(
            "append_retries",
            "Tries of appends made again, by why: busy is the server's 10164 and 10158 (labels service, why)",
            Family::default(),
        );
        let ended = |outcome| ended.get_or_create_owned(&Ended { service: service.to_owned(), outcome });
        let again = |why| again.get_or_create_owned(&Again { service: service.to_owned(), why });
        Numbers {
            connected: gauge("connected", "1 while there is a connection to the broker, else 0 (label service)"),
            reconnects: counter("reconnects", "Times that the connection to the broker was made again (label service)"),
            dropped: counter(
                "live_dropped",
                "Live messages that a full buffer dropped, to be filled in (label service)",
            ),
            reads_in_flight: gauge(
                "reads_in_flight",
                "Reads of the log under way or waiting their turn (label service)",
            ),
            gaps_filled: counter(
                "gaps_filled",
                "Gaps in what was heard that were filled from the stream (label service)",
            ),
            gap_events: counter("gap_events", "Events that gaps were filled with (label service)"),
            append_seconds: append_seconds.get_or_create_owned(&of),
            outcomes: OUTCOMES.map(ended),
            retries: RETRIES.map(again),
            group_events: group_events.get_or_create_owned(&of),
            groups_refused: counter(
                "append_groups_refused",
                "Such batches that were refused for one of their events, and tried again in halves (label service)",
            ),
            live_lag: lag.get_or_create_owned(&of),
        }
    }

    /// An append came to its end.
    pub(crate) fn appended(&self, outcome: &Result<Outcome, AppendError>, took: Duration) {
        let at = match outcome {
            Ok(Outcome::Appended { .. }) => 0,
            Ok(Outcome::Duplicate { .. }) => 1,
            Ok(Outcome::StandingChanged) => 2,
            Err(AppendError::Unavailable(_)) => 3,
            Err(AppendError::Unclear(_)) => 4,
            Err(AppendError::TooLarge | AppendError::Refused(_)) => 5,
        };
        self.outcomes[at].inc();
        self.append_seconds.observe(took.as_secs_f64());
    }

    /// A try is made again.
    pub(crate) fn tried_again(&self, why: &WriteError) {
        let at = match why {
            WriteError::Busy | WriteError::Guard | WriteError::KnownId => 0,
            WriteError::Unavailable(_) => 1,
            WriteError::Unclear(_) | WriteError::TooLarge | WriteError::Refused(_) => 2,
        };
        self.retries[at].inc();
    }

    /// So many events were stored in one batch.
    pub(crate) fn grouped(&self, events: usize) {
        self.group_events.observe(events as f64);
    }

    /// A batch was refused for one of its events.
    pub(crate) fn group_refused(&self) {
        self.groups_refused.inc();
    }

    /// A live event was heard that was stored at this moment.
    pub(crate) fn heard(&self, stored_at: Timestamp) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stored_ms = u64::try_from(stored_at.as_ms()).unwrap_or_default();
        self.live_lag.set(now.as_secs_f64() - stored_ms as f64 / 1_000.0);
    }
}
