//! Accounts: registration with a code by mail, sign-in, and the tokens that edges verify without asking.
//!
//! ```text
//! request → answer   requests → desk → opening (register, verify) or sessions (login, refresh, logout) → bucket
//! bucket → memory    directory: who can be found by name; signing: the keys
//! letter → person    opening → mail
//! ```
//!
//! Invariants: what is to stay lies in the bucket, so any number of copies serve at once and none holds what another would
//! need. Nothing is written but at the revision that the decision stood on. A name or an address is one person's or
//! nobody's, whenever whatever crashes. No answer, and no answer's time, tells whether there is an account. No password, code
//! or token is stored but as a hash, and none is logged.

mod attempts;
mod bucket;
mod clock;
mod config;
mod desk;
mod directory;
mod mail;
mod name;
mod numbers;
mod opening;
mod password;
mod record;
mod registrations;
mod requests;
mod sessions;
mod signing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use klatch_service::{Condition, Metrics};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use bucket::{OpenError, drift as bucket_drift};
pub use config::{Config, Encryption, MailConfig, Rates};
pub use mail::BadMail;

use attempts::Attempts;
use bucket::Bucket;
use clock::Clock;
use desk::Desk;
use directory::Directory;
use mail::Post;
use numbers::Numbers;
use password::Hasher;
use requests::Serving;
use signing::KeyRing;

/// Between tries where the broker refuses: doubled each time, up to ten seconds.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often attempts that no longer count are forgotten.
/// Whether the broker is there is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The accounts could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bucket would lose what is stored.
    #[error(transparent)]
    Bucket(OpenError),
    /// The mail settings can't be used.
    #[error(transparent)]
    Mail(#[from] BadMail),
    /// No password can be hashed here.
    #[error("{0}")]
    Hash(String),
    /// The micro service could not be registered.
    #[error("requests can't be served: {0}")]
    Service(async_nats::Error),
}

/// Runs one copy of the accounts until `shutdown`, over a connection of its own: of the log it needs nothing. `ready` says
/// when it answers.
///
/// What the broker refuses is tried again for ever, more and more slowly; the condition says what.
pub async fn run(
    config: Config,
    client: Client,
    shutdown: CancellationToken,
    ready: Condition,
    metrics: &Metrics,
) -> Result<(), RunError> {
    let numbers = Numbers::register(metrics);
    let opening = Box::pin(open(&client, &config, &ready));
    let Some(opened) = shutdown.run_until_cancelled(opening).await else { return Ok(()) };
    let (bucket, keys) = opened?;
    let (post, mailer) = Post::open(&config, &bucket, &numbers)?;
    let desk = Arc::new(desk(config, bucket, keys, post, Clock::system(), numbers).await?);
    let mailing = mailer.map(|mailer| tokio::spawn(mailer.run(shutdown.clone())));
    let upkeep = tokio::spawn(upkeep(Arc::clone(&desk), shutdown.clone()));
    let serving = Serving::start(&client, &desk).await.map_err(RunError::Service)?;
    shutdown.run_until_cancelled(watch(&client, &ready)).await;
    serving.stop().await;
    // Both end with the shutdown; a panic there was told by the panic itself.
    let _ = upkeep.await;
    if let Some(mailing) = mailing {
        let _ = mailing.await;
    }
    Ok(())
}

/// Registers what accounts count, without running any: for the catalogue.
pub fn register_numbers(registry: &Metrics) {
    Numbers::register(registry);
}

/// The bucket and the keys in it, however long the broker takes.
async fn open(client: &Client, config: &Config, ready: &Condition) -> Result<(Bucket, KeyRing), RunError> {
    let mut pause = PAUSE;
    loop {
        let reason = match Bucket::open(client, config.replicas).await {
            Ok(bucket) => match KeyRing::open(&bucket, Clock::system().now()).await {
                Ok(keys) => return Ok((bucket, keys)),
                Err(error) => error.to_string(),
            },
            Err(OpenError::Unavailable(reason)) => reason,
            Err(drift) => return Err(RunError::Bucket(drift)),
        };
        ready.not_ready(&*reason);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn desk(
    config: Config,
    bucket: Bucket,
    keys: KeyRing,
    post: Post,
    clock: Clock,
    numbers: Numbers,
) -> Result<Desk, RunError> {
    let hasher = Hasher::new(config.hashes_at_once, numbers.hash_seconds.clone()).await;
    Ok(Desk {
        hasher: hasher.map_err(|failure| RunError::Hash(failure.message))?,
        attempts: Attempts::new(&config.rates),
        directory: Directory::new(numbers.known.clone()),
        waiting: Semaphore::new(config.requests_waiting_max.max(1)),
        bucket,
        keys,
        post,
        clock,
        numbers,
        config,
    })
}

/// What the accounts do beside answering.
async fn upkeep(desk: Arc<Desk>, shutdown: CancellationToken) {
    let forgetting = async {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            desk.attempts.forget();
        }
    };
    tokio::join!(desk.directory.follow(&desk.bucket, &desk.keys, &shutdown), shutdown.run_until_cancelled(forgetting));
}

/// Says whether the broker is there, for as long as it is polled.
async fn watch(client: &Client, ready: &Condition) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        match client.connection_state() {
            async_nats::connection::State::Connected => ready.ready(),
            _ => ready.not_ready("not connected to the broker"),
        }
    }
}
