//! What the accounts count, for Prometheus.

use klatch_service::Metrics;
use klatch_wire::Code;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    kind: &'static str,
    code: &'static str,
}

/// The numbers; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    requests: Family<Answered, Counter>,
    pub(crate) request_seconds: Histogram,
    pub(crate) hash_seconds: Histogram,
    pub(crate) opened: Counter,
    pub(crate) reused: Counter,
    pub(crate) mails: Counter,
    pub(crate) mails_lost: Counter,
    pub(crate) known: Gauge,
}

impl Numbers {
    /// Registers them under `accounts`.
    pub(crate) fn register(metrics: &Metrics) -> Numbers {
        let metrics = metrics.scope("accounts");
        Numbers {
            requests: metrics.register(
                "requests",
                "Requests answered, by kind and error code, which is none where all went well (labels kind, code)",
                Family::default(),
            ),
            request_seconds: metrics.seconds("request_seconds", "Time to answer a request"),
            hash_seconds: metrics.seconds("hash_seconds", "Time to hash a password, waiting for a turn included"),
            opened: metrics.counter("opened", "Registrations that became accounts here"),
            reused: metrics.counter("refresh_tokens_reused", "Sessions ended because a spent refresh token came again"),
            mails: metrics.counter("mails", "Mails that the server took"),
            mails_lost: metrics.counter("mails_lost", "Mails given up on"),
            known: metrics.gauge("known", "Accounts that a search for people finds"),
        }
    }

    /// A request of this kind was answered.
    pub(crate) fn answered(&self, kind: &'static str, refused: Option<Code>) {
        let code = refused.map_or("none", Code::as_str);
        self.requests.get_or_create(&Answered { kind, code }).inc();
    }
}
