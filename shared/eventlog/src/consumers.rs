//! The durable consumers, as data: `nats/consumers/*.json`, in the JetStream API's own shape, created or verified by
//! whoever takes from them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{self, DeliverPolicy, FromConsumer, pull};
use klatch_domain::Seq;
use serde::{Deserialize, Deserializer, Serialize};

use crate::streams::Stream;
use crate::subject;

/// Longer ones would make a job's id longer than an id may be.
const NAME_BYTES_MAX: usize = 31;
/// What stands for the webhook's name in `nats/consumers/webhook.json`.
const NAME: &str = "NAME";

/// What an operator calls a webhook: 1 to 31 of `A-Z a-z 0-9 _ -`, for it is a token of subjects and of a consumer's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct WebhookName(Arc<str>);

impl WebhookName {
    /// The name, if it is one.
    pub fn parse(name: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain);
        is_name.then(|| WebhookName(name.into()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for WebhookName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        WebhookName::parse(&name).ok_or_else(|| {
            serde::de::Error::custom(format!("{name:?} is no name: 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 _ -"))
        })
    }
}

/// A durable consumer: what it has not seen acknowledged it gives again, to any of those who take from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consumer {
    /// Every room's timeline.
    Notifier {
        /// Where it begins, if it is not there yet: after this sequence, or with what comes from now on.
        after: Option<Seq>,
    },
    /// The jobs for a webhook.
    Webhook(WebhookName),
}

impl Consumer {
    /// Whose consumer it is.
    pub fn stream(&self) -> Stream {
        match self {
            Consumer::Notifier { .. } => Stream::Events,
            Consumer::Webhook(_) => Stream::Push,
        }
    }

    /// What it is called.
    pub fn name(&self) -> String {
        match self {
            Consumer::Notifier { .. } => "notifier".to_owned(),
            Consumer::Webhook(name) => format!("webhook-{name}"),
        }
    }

    /// As the file in `nats/consumers` says; what was taken is given again after `ack_wait`.
    pub(crate) fn config(&self, ack_wait: Duration) -> pull::Config {
        let (json, name, filter) = match self {
            Consumer::Notifier { .. } => {
                (include_str!("../../../nats/consumers/notifier.json"), None, subject::TIMELINES.to_owned())
            }
            Consumer::Webhook(name) => {
                (include_str!("../../../nats/consumers/webhook.json"), Some(name.as_str()), subject::push_webhook(name))
            }
        };
        let json = name.map_or_else(|| json.to_owned(), |name| json.replace(NAME, name));
        let config: pull::Config = serde_json::from_str(&json).expect("the files are checked by a test");
        let deliver_policy = match self {
            Consumer::Notifier { after: Some(seq) } => DeliverPolicy::ByStartSequence { start_sequence: seq.next().0 },
            _ => config.deliver_policy,
        };
        pull::Config { filter_subject: filter, deliver_policy, ack_wait, ..config }
    }

    /// The consumer of ours that is called so.
    pub fn named(name: &str) -> Option<Consumer> {
        match name.strip_prefix("webhook-") {
            None => (name == "notifier").then_some(Consumer::Notifier { after: None }),
            Some(webhook) => WebhookName::parse(webhook).map(Consumer::Webhook),
        }
    }

    /// What differs between a consumer that is there, of whatever kind, and the file.
    pub fn differences(&self, found: consumer::Config) -> Vec<String> {
        match pull::Config::try_from_consumer_config(found) {
            Ok(found) => self.drift(&found),
            Err(error) => vec![error.to_string()],
        }
    }

    /// What differs between the consumer that is there and the file, where it matters. Where it began is history, and how
    /// long it waits is set anew at every start.
    pub(crate) fn drift(&self, found: &pull::Config) -> Vec<String> {
        let wanted = self.config(found.ack_wait);
        let mut differences = Vec::new();
        macro_rules! same {
            ($($field:ident),* $(,)?) => {
                $(if found.$field != wanted.$field {
                    let (found, wanted) = (&found.$field, &wanted.$field);
                    differences.push(format!("{} is {found:?}, not {wanted:?}", stringify!($field)));
                })*
            };
        }
        same!(filter_subject, filter_subjects, ack_policy, max_deliver, replay_policy, headers_only, backoff);
        differences
    }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::consumer::AckPolicy;

    use super::*;

    fn all() -> [Consumer; 2] {
        [Consumer::Notifier { after: None }, Consumer::Webhook(WebhookName::parse("crm").unwrap())]
    }

    #[test]
    fn the_files_agree_with_the_code() {
        for consumer in all() {
            assert_eq!(Consumer::named(&consumer.name()), Some(consumer.clone()));
            let config = consumer.config(Duration::from_secs(7));
            assert_eq!(config.durable_name, Some(consumer.name()));
            assert_eq!((config.ack_policy, config.max_deliver), (AckPolicy::Explicit, -1));
            assert_eq!(config.ack_wait, Duration::from_secs(7));
            assert!(subject::matches(&consumer.stream().config().subjects[0], &config.filter_subject));
            assert_eq!(consumer.drift(&config), Vec::<String>::new());
        }
        for json in [
            include_str!("../../../nats/consumers/notifier.json"),
            &include_str!("../../../nats/consumers/webhook.json").replace(NAME, "crm"),
        ] {
            let file: pull::Config = serde_json::from_str(json).unwrap();
            let consumer = all().into_iter().find(|one| file.durable_name == Some(one.name())).unwrap();
            assert_eq!(consumer.config(file.ack_wait), file, "the code would change what the file says");
        }
    }

    #[test]
    fn a_notifier_begins_with_what_comes_or_where_another_stopped() {
        let begin = |after| Consumer::Notifier { after }.config(Duration::from_secs(1)).deliver_policy;
        assert_eq!(begin(None), DeliverPolicy::New);
        assert_eq!(begin(Some(Seq(7))), DeliverPolicy::ByStartSequence { start_sequence: 8 });
    }

    #[test]
    fn a_drift_that_would_lose_jobs_is_named() {
        let consumer = Consumer::Notifier { after: None };
        let mut found = consumer.config(Duration::from_secs(30));
        found.max_deliver = 1;
        found.deliver_policy = DeliverPolicy::All;
        assert_eq!(consumer.drift(&found), ["max_deliver is 1, not -1"]);
    }

    #[test]
    fn a_webhooks_name_is_one_plain_token() {
        for bad in ["", "a.b", "*", "a b", "ü", &"x".repeat(32)] {
            assert_eq!(WebhookName::parse(bad), None, "{bad:?}");
        }
        assert_eq!(WebhookName::parse("CRM_2-b").unwrap().as_str(), "CRM_2-b");
    }
}
