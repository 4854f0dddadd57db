//! What a notifier can be told.

use std::collections::HashSet;
use std::time::Duration;

use klatch_eventlog::WebhookName;
use klatch_service::outgoing::{Outgoing, OutgoingConfig, Refused};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::announcement::EventType;
use crate::signature::SigningSecret;

/// Configuration of a notifier. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whom to tell over HTTP, like [{ name = "crm", url = "https://crm.example/hook", secrets = ["whsec_…"] }]. See
    /// docs/webhooks.md.
    pub webhooks: Vec<Webhook>,
    /// What requests to webhooks may do.
    pub outgoing: OutgoingConfig,
    /// Requests for one message to one webhook, after which it is given up and put with the dead letters.
    pub webhook_tries_max: u32,
    /// Milliseconds between one try and the next, each lengthened or shortened by up to a quarter. The last is repeated.
    pub webhook_retry_ms: Vec<u64>,
    /// The longest that a webhook may put off the next try by Retry-After, in milliseconds.
    pub webhook_retry_after_ms_max: u64,
    /// Requests to one webhook at the same time, by one notifier.
    pub webhook_in_flight_max: usize,
    /// Milliseconds until an event that a notifier took and did not finish is given to another.
    pub events_again_ms: u64,
    /// Direct rooms whose two people are kept in memory.
    pub direct_rooms_kept_max: usize,
    /// How long requests go on after the notifier was told to stop, in milliseconds; then they are cut off and made again
    /// by whichever notifier runs next, at once.
    pub drain_ms_max: u64,
}

/// A server that is told of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// What it is called here: 1 to 31 of A-Z a-z 0-9 _ -. Its waiting jobs and dead letters belong to the name.
    #[schemars(with = "String")]
    pub name: WebhookName,
    /// Where requests go.
    #[schemars(with = "String")]
    pub url: Url,
    /// What requests are signed with, each "whsec_" and 24 to 64 bytes in base64. To change one without a break: add the
    /// new one, let the receiver learn it, take the old one away.
    pub secrets: Vec<SigningSecret>,
    /// What it is told of.
    #[serde(default = "EventType::all")]
    pub events: Vec<EventType>,
}

/// Settings that can't be meant.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// Two of a name would take each other's jobs.
    #[error("notifier.webhooks: two are called {0}")]
    Twice(WebhookName),
    /// Nobody could tell its requests from forged ones.
    #[error("notifier.webhooks: {0} needs a secret to sign with")]
    NoSecret(WebhookName),
    /// Every request would be refused.
    #[error("notifier.webhooks: {name} can't be reached at {url}: {why}")]
    Address {
        /// The webhook.
        name: WebhookName,
        /// Its address.
        url: Box<Url>,
        /// Why not.
        why: Refused,
    },
    /// A number without which nothing would ever be delivered.
    #[error("notifier.{0} must be more than nothing")]
    Zero(&'static str),
}

impl Config {
    /// How long a job may be in one notifier's hands: longer than any request, so that no other makes the same one.
    pub(crate) fn job_ack_wait(&self) -> Duration {
        Duration::from_millis(self.outgoing.request_ms_max) * 4
    }

    /// What can be said without asking where requests may go.
    pub(crate) fn check(&self) -> Result<(), BadConfig> {
        let numbers = [
            ("webhook_tries_max", self.webhook_tries_max as usize),
            ("webhook_retry_ms", self.webhook_retry_ms.len()),
            ("webhook_in_flight_max", self.webhook_in_flight_max),
            ("events_again_ms", self.events_again_ms as usize),
            ("outgoing.request_ms_max", self.outgoing.request_ms_max as usize),
        ];
        if let Some((name, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(BadConfig::Zero(name));
        }
        let mut names = HashSet::new();
        for Webhook { name, secrets, .. } in &self.webhooks {
            if !names.insert(name) {
                return Err(BadConfig::Twice(name.clone()));
            }
            if secrets.is_empty() {
                return Err(BadConfig::NoSecret(name.clone()));
            }
        }
        Ok(())
    }

    pub(crate) fn check_addresses(&self, outgoing: &Outgoing) -> Result<(), BadConfig> {
        self.webhooks.iter().try_for_each(|Webhook { name, url, .. }| {
            outgoing.check(url).map_err(|why| {
                let (name, url) = (name.clone(), Box::new(url.clone()));
                BadConfig::Address { name, url, why }
            })
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        const MINUTE: u64 = 60_000;
        const HOUR: u64 = 60 * MINUTE;
        Config {
            webhooks: Vec::new(),
            outgoing: OutgoingConfig::default(),
            // With the pauses below: given up after about three days.
            webhook_tries_max: 16,
            webhook_retry_ms: vec![
                1_000,
                5_000,
                30_000,
                2 * MINUTE,
                10 * MINUTE,
                30 * MINUTE,
                HOUR,
                2 * HOUR,
                4 * HOUR,
                8 * HOUR,
            ],
            webhook_retry_after_ms_max: HOUR,
            webhook_in_flight_max: 8,
            events_again_ms: 30_000,
            direct_rooms_kept_max: 10_000,
            drain_ms_max: 5_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(webhooks: serde_json::Value) -> Result<(), String> {
        let config: Config =
            serde_json::from_value(serde_json::json!({ "webhooks": webhooks })).map_err(|error| error.to_string())?;
        let outgoing = Outgoing::new(&config.outgoing).unwrap();
        config.check().and_then(|()| config.check_addresses(&outgoing)).map_err(|error| error.to_string())
    }

    fn webhook(name: &str, url: &str, secrets: &[&str]) -> serde_json::Value {
        serde_json::json!({ "name": name, "url": url, "secrets": secrets })
    }

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn what_can_not_be_meant_is_said_at_the_start() {
        let good = webhook("crm", "https://crm.example/hook", &[SECRET]);
        assert_eq!(checked(serde_json::json!([good])), Ok(()));
        for (webhooks, why) in [
            (vec![good.clone(), good], "two are called crm"),
            (vec![webhook("crm", "https://crm.example/", &[])], "crm needs a secret"),
            (vec![webhook("crm", "http://crm.example/", &[SECRET])], "http:// is not allowed"),
            (vec![webhook("crm", "https://127.1/", &[SECRET])], "127.0.0.1, which is not public"),
            (vec![webhook("a.b", "https://crm.example/", &[SECRET])], "\"a.b\" is no name"),
            (vec![webhook("crm", "https://crm.example/", &["secret"])], "whsec_"),
        ] {
            let error = checked(webhooks.into()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_file_of_the_consumer_says_what_the_defaults_make_of_it() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../nats/consumers/webhook.json")).unwrap();
        assert_eq!(file["ack_wait"], Config::default().job_ack_wait().as_nanos() as u64);
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../nats/consumers/notifier.json")).unwrap();
        assert_eq!(file["ack_wait"], Config::default().events_again_ms * 1_000_000);
    }
}
