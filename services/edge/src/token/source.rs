//! Where keys come from while the edge runs: our own accounts, over NATS, or an address of the operator's.
//!
//! Each source is asked at the start, every few minutes, and when a token names a key that is not known; however many such
//! tokens come, only once in a while. What was fetched holds until something newer is: an edge goes on verifying while a
//! source is away.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use klatch_wire::account::{JwksResponse, name};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::key::{BadKeys, Issuance, Key};
use crate::hub::Hub;

/// How often a source is asked.
const ASK_EVERY: Duration = Duration::from_secs(300);
/// How soon at the earliest after an answer, whatever tokens come.
const ASK_PAUSE_MIN: Duration = Duration::from_secs(5);
/// Between tries where none answered: doubled each time.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a token waits for the answer about its key.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// How long one question may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a key set at most.
const SET_BYTES_MAX: usize = 256 * 1024;

/// Somewhere that keys come from.
pub(super) struct Source {
    from: From,
    known: RwLock<Known>,
    wanted: Notify,
    /// How often it was asked, answered or not.
    asked: watch::Sender<u64>,
}

enum From {
    Accounts,
    Url { client: reqwest::Client, url: reqwest::Url, issuance: Arc<Issuance> },
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<[Key]>,
    published: Option<Arc<JwksResponse>>,
    answered_at: Option<Instant>,
}

impl Source {
    /// Our own accounts: they say themselves what their tokens say.
    pub(super) fn accounts() -> Source {
        Source::new(From::Accounts)
    }

    /// An address: https, or http on this machine.
    pub(super) fn at_url(url: &str, issuance: Arc<Issuance>) -> Result<Source, BadKeys> {
        let bad = |why: &dyn fmt::Display| BadKeys::Url(format!("{url}: {why}"));
        let parsed = reqwest::Url::parse(url).map_err(|error| bad(&error))?;
        let is_here = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if parsed.scheme() != "https" && !(parsed.scheme() == "http" && is_here) {
            return Err(bad(&"not https: anybody on the way could put in a key of their own"));
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWERS_WITHIN)
            .user_agent(concat!("klatch/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(|error| bad(&error))?;
        Ok(Source::new(From::Url { client, url: parsed, issuance }))
    }

    fn new(from: From) -> Source {
        Source { from, known: RwLock::default(), wanted: Notify::new(), asked: watch::Sender::new(0) }
    }

    /// The keys that it gave last.
    pub(super) fn keys(&self) -> Arc<[Key]> {
        self.known().keys
    }

    /// The same as they were published; of our own accounts only.
    pub(super) fn published(&self) -> Option<Arc<JwksResponse>> {
        self.known().published
    }

    /// Has it asked again, unless it answered just now, and waits for that a moment.
    pub(super) async fn look_again(&self) {
        if self.known().answered_at.is_some_and(|at| at.elapsed() < ASK_PAUSE_MIN) {
            return;
        }
        let mut asked = self.asked.subscribe();
        asked.mark_unchanged();
        self.wanted.notify_one();
        // Never ends by a closed channel: `self` holds the sender.
        let _ = timeout(LOOK_WITHIN, asked.changed()).await;
    }

    /// Asks it for ever.
    async fn keep(&self, hub: &Hub) {
        let mut pause = RETRY_PAUSE;
        loop {
            let asked_at = Instant::now();
            let (earliest, latest) = match self.ask(hub).await {
                Ok(known) => {
                    self.take(known);
                    pause = RETRY_PAUSE;
                    (ASK_PAUSE_MIN, ASK_EVERY)
                }
                Err(why) => {
                    tracing::debug!(from = %self.from, why, "no keys: those that are known go on");
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                    (RETRY_PAUSE, pause)
                }
            };
            self.asked.send_modify(|count| *count += 1);
            sleep_until(asked_at + earliest).await;
            let _ = timeout_at(asked_at + latest, self.wanted.notified()).await;
        }
    }

    async fn ask(&self, hub: &Hub) -> Result<Known, String> {
        match &self.from {
            From::Accounts => {
                let answer = timeout(ANSWERS_WITHIN, hub.ask_accounts::<_, JwksResponse>(name::JWKS, &())).await;
                let answer = answer.map_err(|_| "no answer".to_owned())?.map_err(|failure| failure.message)?;
                Ok(Known::of_accounts(answer))
            }
            From::Url { client, url, issuance } => {
                let body = fetch(client, url).await?;
                #[derive(Deserialize)]
                struct Set {
                    keys: Vec<Value>,
                }
                let set: Set = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
                Ok(Known::of(Key::of_set(&set.keys, issuance), None))
            }
        }
    }

    fn take(&self, known: Known) {
        let mut held = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if held.keys.len() != known.keys.len() {
            tracing::info!(from = %self.from, keys = known.keys.len(), "keys that tokens are verified with");
        }
        *held = known;
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            From::Accounts => f.write_str("the accounts"),
            From::Url { url, .. } => url.fmt(f),
        }
    }
}

impl Known {
    fn of(keys: Vec<Key>, published: Option<Arc<JwksResponse>>) -> Known {
        Known { keys: keys.into(), published, answered_at: Some(Instant::now()) }
    }

    fn of_accounts(answer: JwksResponse) -> Known {
        let issuance = Arc::new(Issuance { issuer: answer.issuer.clone(), audience: answer.audience.clone() });
        let keys: Vec<Value> = answer.keys.iter().filter_map(|key| serde_json::to_value(key).ok()).collect();
        Known::of(Key::of_set(&keys, &issuance), Some(Arc::new(answer)))
    }
}

async fn fetch(client: &reqwest::Client, url: &reqwest::Url) -> Result<Vec<u8>, String> {
    let failed = |error: reqwest::Error| error.to_string();
    let mut response = client.get(url.clone()).send().await.map_err(failed)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("it answers {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > SET_BYTES_MAX {
            return Err(format!("more than {SET_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Keeps the keys new, for as long as the edge runs.
pub(crate) async fn keep_keys(hub: Arc<Hub>) {
    let sources = hub.verifier.sources().map(|source| source.keep(&hub));
    futures_util::future::join_all(sources).await;
}
