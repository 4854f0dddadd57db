//! What the notifier counts, for Prometheus.

use klatch_eventlog::WebhookName;
use klatch_service::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    webhook: String,
}

/// The numbers; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    pub(crate) told: Counter,
    pub(crate) undecodable: Counter,
    jobs: Family<Label, Counter>,
    delivered: Family<Label, Counter>,
    failed: Family<Label, Counter>,
    withdrawn: Family<Label, Counter>,
    dead: Family<Label, Counter>,
    in_flight: Family<Label, Gauge>,
}

/// The numbers of one webhook.
#[derive(Debug, Clone)]
pub(crate) struct OfWebhook {
    pub(crate) jobs: Counter,
    pub(crate) delivered: Counter,
    pub(crate) failed: Counter,
    pub(crate) withdrawn: Counter,
    pub(crate) dead: Counter,
    pub(crate) in_flight: Gauge,
}

impl Numbers {
    /// Registers them under `notifier`.
    pub(crate) fn register(metrics: &Metrics) -> Numbers {
        let metrics = metrics.scope("notifier");
        let family = |name: &str, help: &str| metrics.register(name, help, Family::default());
        Numbers {
            told: metrics.counter("told", "Messages that were told on NATS, and to whom it may concern by jobs"),
            undecodable: metrics.counter("undecodable_events", "Events passed over because they could not be decoded"),
            jobs: family("webhook_jobs", "Jobs put into the queue"),
            delivered: family("webhook_delivered", "Jobs that the webhook took"),
            failed: family("webhook_failed", "Requests that came to nothing"),
            withdrawn: family("webhook_withdrawn", "Jobs whose message was erased before it was delivered"),
            dead: family("webhook_dead", "Jobs given up and put with the dead letters"),
            in_flight: metrics.register("webhook_in_flight", "Requests under way", Family::default()),
        }
    }

    pub(crate) fn of_webhook(&self, webhook: &WebhookName) -> OfWebhook {
        let label = Label { webhook: webhook.to_string() };
        let number = |family: &Family<Label, Counter>| family.get_or_create_owned(&label);
        OfWebhook {
            jobs: number(&self.jobs),
            delivered: number(&self.delivered),
            failed: number(&self.failed),
            withdrawn: number(&self.withdrawn),
            dead: number(&self.dead),
            in_flight: self.in_flight.get_or_create_owned(&label),
        }
    }
}
