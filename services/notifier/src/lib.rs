//! The notifier: tells other systems what was said, on NATS and by webhooks.
//!
//! ```text
//! stream → told   CHAT_EVENTS → expand → chat.notify.message.sent, and a job for each webhook in CHAT_PUSH
//! job → webhook   CHAT_PUSH → deliver → attempt → verdict → done, later (schedule), or CHAT_DEAD
//! ```
//!
//! Invariants: an event is acknowledged only after everybody concerned was told or has a job. A job is acknowledged only
//! after the webhook took it, its message was erased, or a dead letter is stored; one that nobody tried to the end in seven
//! days goes by the stream's own limit. A job and a dead letter name a message and
//! hold nothing of it. One job is never in two requests at once, and no webhook waits for another. Any number of notifiers
//! share the work; none keeps anything.

mod announcement;
mod attempt;
mod config;
mod deliver;
mod directs;
mod expand;
mod job;
mod numbers;
mod schedule;
mod signature;
#[cfg(test)]
mod tests;
mod verdict;

use std::time::Duration;

use klatch_eventlog::{Consumer, Log, OpenError};
use klatch_service::outgoing::{Failure, Outgoing};
use klatch_service::{Condition, Metrics};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use announcement::EventType;
pub use config::{BadConfig, Config, Webhook};
pub use signature::{BadSecret, SigningSecret};

use deliver::Line;
use expand::Expansion;
use numbers::Numbers;

/// The notifier could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings that can't be meant.
    #[error(transparent)]
    Config(#[from] BadConfig),
    /// No request could ever be made.
    #[error("no requests can be made: {0}")]
    Outgoing(Failure),
    /// A consumer differs from what it must be.
    #[error(transparent)]
    Drift(OpenError),
}

/// Runs a notifier until `shutdown`. `ready` says whether what is said now is told at once, and else why not.
///
/// What the broker or a webhook refuse is tried again, more and more slowly; for a webhook, up to a number of tries.
pub async fn run(
    config: Config,
    log: Log,
    shutdown: CancellationToken,
    ready: Condition,
    metrics: &Metrics,
) -> Result<(), RunError> {
    config.check()?;
    let numbers = Numbers::register(metrics);
    log.count_into(metrics);
    let lines = lines(&config, &log, &numbers)?;
    verify(&config, &log).await?;
    let mut delivering: JoinSet<()> = lines.into_iter().map(|line| line.run(shutdown.clone())).collect();
    Expansion::new(&config, &log, &numbers, ready).run(shutdown).await;
    // They end with the shutdown; a panic there was told by the panic itself.
    while delivering.join_next().await.is_some() {}
    Ok(())
}

/// Registers what a notifier counts, without running one: for the catalogue.
pub fn register_numbers(registry: &Metrics) {
    Numbers::register(registry);
}

fn lines(config: &Config, log: &Log, numbers: &Numbers) -> Result<Vec<Line>, RunError> {
    if config.webhooks.is_empty() {
        // A system without certificates can still tell NATS.
        return Ok(Vec::new());
    }
    let outgoing = Outgoing::new(&config.outgoing).map_err(RunError::Outgoing)?;
    config.check_addresses(&outgoing)?;
    Ok(config.webhooks.iter().map(|webhook| Line::new(config, webhook, log, &outgoing, numbers)).collect())
}

/// A consumer that was changed by hand is for the operator to look at. One that can't be read yet is tried again later.
async fn verify(config: &Config, log: &Log) -> Result<(), RunError> {
    let events = (Consumer::Notifier { after: None }, Duration::from_millis(config.events_again_ms));
    let of_webhook = |webhook: &Webhook| (Consumer::Webhook(webhook.name.clone()), config.job_ack_wait());
    let consumers = std::iter::once(events).chain(config.webhooks.iter().map(of_webhook));
    for (consumer, ack_wait) in consumers {
        match log.consumer(&consumer, ack_wait).await {
            Err(drift @ OpenError::ConsumerDrift { .. }) => return Err(RunError::Drift(drift)),
            Err(error) => tracing::warn!(%error, "not there yet"),
            Ok(_) => {}
        }
    }
    Ok(())
}
