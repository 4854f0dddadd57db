//! The bucket `CHAT_ACCOUNTS`: keys with revisions, in `nats/buckets/chat-accounts.json`, created or verified at start.
//!
//! Every write names the revision that it stands on, so that any number of copies can work on the same keys; several
//! writes go in as one atomic batch (ADR-50), all of them or none. Reads are answered by the stream's leader: the bucket
//! allows no direct gets, which a follower would answer with what was.

use std::time::Duration;

use async_nats::jetstream::kv::{Operation, Store, Watch};
use async_nats::jetstream::stream::{Config as StreamConfig, RetentionPolicy};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, HeaderMap, Request, header};
use bytes::Bytes;
use klatch_eventlog::subject;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// How long one write may take.
const WRITE_WITHIN: Duration = Duration::from_secs(3);
/// How often a write is tried that a cluster is just too busy for, and the longest pause between.
const BUSY_TRIES: u32 = 8;
const BUSY_PAUSE_MS_MAX: u64 = 20;
/// Until a deleted key leaves no trace.
const MARKER_TTL: Duration = Duration::from_secs(60);

/// What says in a key-value bucket that a key was deleted (ADR-8).
const KV_OPERATION: &str = "KV-Operation";
const KV_DELETED: &str = "DEL";

/// nats-server's `errors.json`, by number: the revision is another; it is just being written (R3 only).
const WRONG_LAST_SEQUENCE: u64 = 10_071;
const WRONG_LAST_SEQUENCE_NOW: u64 = 10_164;

/// The bucket can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is there, but so that it would lose or refuse what is stored.
    #[error("the stream {stream} is not as nats/buckets/chat-accounts.json says: {0}", stream = subject::ACCOUNTS_STREAM)]
    Drift(String),
    /// The server doesn't answer as it should.
    #[error("{0}")]
    Unavailable(String),
}

/// Why nothing was read or stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    /// One of the revisions is another by now. Nothing was stored.
    #[error("changed meanwhile")]
    Conflict,
    /// No answer, or none of use. Whether it was stored is unclear.
    #[error("{0}")]
    Unavailable(String),
    /// What lies there is none of ours.
    #[error("{key} can't be read: {cause}")]
    Damaged { key: String, cause: String },
}

/// What lies under a key, and the revision that a change of it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held<T> {
    pub(crate) value: Option<T>,
    /// 0 where there never was anything.
    pub(crate) revision: u64,
}

/// A change of one key, which holds only while the key has that revision.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    key: String,
    revision: u64,
    /// None deletes.
    value: Option<Bytes>,
    ttl: Option<Duration>,
}

impl Change {
    /// Stores a value for good.
    pub(crate) fn put(key: String, revision: u64, value: &impl Serialize) -> Change {
        let value = serde_json::to_vec(value).expect("what is stored has string keys");
        Change { key, revision, value: Some(value.into()), ttl: None }
    }

    /// Stores a value that goes by itself after so long.
    pub(crate) fn put_for(ttl: Duration, key: String, revision: u64, value: &impl Serialize) -> Change {
        Change { ttl: Some(ttl), ..Change::put(key, revision, value) }
    }

    /// Deletes what is there.
    pub(crate) fn delete(key: String, revision: u64) -> Change {
        Change { key, revision, value: None, ttl: Some(MARKER_TTL) }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, self.revision.to_string());
        if self.value.is_none() {
            headers.insert(KV_OPERATION, KV_DELETED);
        }
        if let Some(ttl) = self.ttl {
            headers.insert(header::NATS_MESSAGE_TTL, format!("{}s", ttl.as_secs().max(1)));
        }
        headers
    }

    fn payload(&self) -> Bytes {
        self.value.clone().unwrap_or_default()
    }
}

/// The bucket. Clones share the connection.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    client: Client,
    store: Store,
}

impl Bucket {
    /// Creates or verifies it.
    pub(crate) async fn open(client: &Client, replicas: usize) -> Result<Bucket, OpenError> {
        let unavailable = |error: &dyn std::fmt::Display| OpenError::Unavailable(error.to_string());
        let context = jetstream::new(client.clone());
        let wanted = StreamConfig { num_replicas: replicas.max(1), ..described() };
        let found = match context.get_stream(subject::ACCOUNTS_STREAM).await {
            Ok(found) => found,
            Err(error) => match error.kind() {
                jetstream::context::GetStreamErrorKind::JetStream(why)
                    if why.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    // Two copies that create it alike are both told that it is theirs.
                    context.create_stream(wanted).await.map_err(|error| unavailable(&error))?
                }
                _ => return Err(unavailable(&error)),
            },
        };
        let differences = drift(&found.cached_info().config);
        if !differences.is_empty() {
            return Err(OpenError::Drift(differences.join("; ")));
        }
        let store = context.get_key_value(subject::ACCOUNTS_BUCKET).await.map_err(|error| unavailable(&error))?;
        Ok(Bucket { client: client.clone(), store })
    }

    /// What lies under a key now.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Held<T>, BucketError> {
        let entry = self.store.entry(key).await.map_err(|error| BucketError::Unavailable(error.to_string()))?;
        let Some(entry) = entry else { return Ok(Held { value: None, revision: 0 }) };
        let value = match entry.operation {
            Operation::Put => Some(decode(key, &entry.value)?),
            Operation::Delete | Operation::Purge => None,
        };
        Ok(Held { value, revision: entry.revision })
    }

    /// Makes all of the changes, or none. A change that a cluster is too busy for is tried again for a moment.
    pub(crate) async fn change(&self, changes: &[Change]) -> Result<(), BucketError> {
        for attempt in 1.. {
            match self.try_change(changes).await? {
                Answer::Stored => break,
                Answer::Conflict => return Err(BucketError::Conflict),
                Answer::Busy if attempt == BUSY_TRIES => {
                    return Err(BucketError::Unavailable("the key is written to by too many".to_owned()));
                }
                Answer::Busy => {
                    tokio::time::sleep(Duration::from_millis(rand::random_range(1..=BUSY_PAUSE_MS_MAX))).await;
                }
            }
        }
        Ok(())
    }

    async fn try_change(&self, changes: &[Change]) -> Result<Answer, BucketError> {
        let Some((last, before)) = changes.split_last() else { return Ok(Answer::Stored) };
        let mut headers = last.headers();
        if !before.is_empty() {
            let batch = self.begin(before).await?;
            number(&mut headers, &batch, changes.len());
            headers.insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
        }
        let request = Request::new().headers(headers).payload(last.payload()).timeout(Some(WRITE_WITHIN));
        let reply = self.client.send_request(subject::account_key(&last.key), request).await;
        Answer::read(&reply.map_err(|error| BucketError::Unavailable(error.to_string()))?.payload)
    }

    /// Sends what comes before the commit: the server holds it back, and forgets it where no commit follows.
    pub(crate) async fn begin(&self, changes: &[Change]) -> Result<String, BucketError> {
        let batch = Uuid::new_v4().simple().to_string();
        for (index, change) in changes.iter().enumerate() {
            let mut headers = change.headers();
            number(&mut headers, &batch, index + 1);
            let at = subject::account_key(&change.key);
            let queued = self.client.publish_with_headers(at, headers, change.payload()).await;
            queued.map_err(|error| BucketError::Unavailable(error.to_string()))?;
        }
        Ok(batch)
    }

    /// The newest under every key that these patterns name, then each change.
    pub(crate) async fn watch(&self, patterns: &[&str]) -> Result<Watch, BucketError> {
        let watch = self.store.watch_many_with_history(patterns.iter().copied()).await;
        watch.map_err(|error| BucketError::Unavailable(error.to_string()))
    }
}

/// Reads a value.
pub(crate) fn decode<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, BucketError> {
    serde_json::from_slice(value)
        .map_err(|error| BucketError::Damaged { key: key.to_owned(), cause: error.to_string() })
}

fn number(headers: &mut HeaderMap, batch: &str, number: usize) {
    headers.insert(header::NATS_BATCH_ID, batch);
    headers.insert(header::NATS_BATCH_SEQUENCE, number.to_string());
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Stored,
    Conflict,
    Busy,
}

impl Answer {
    fn read(payload: &[u8]) -> Result<Answer, BucketError> {
        #[derive(serde::Deserialize)]
        struct Ack {
            error: Option<ApiError>,
        }
        #[derive(serde::Deserialize)]
        struct ApiError {
            #[serde(default)]
            err_code: u64,
            #[serde(default)]
            description: String,
        }
        let ack: Ack = serde_json::from_slice(payload).map_err(|error| BucketError::Unavailable(error.to_string()))?;
        match ack.error {
            None => Ok(Answer::Stored),
            Some(error) if error.err_code == WRONG_LAST_SEQUENCE => Ok(Answer::Conflict),
            Some(error) if error.err_code == WRONG_LAST_SEQUENCE_NOW => Ok(Answer::Busy),
            Some(error) => Err(BucketError::Unavailable(error.description)),
        }
    }
}

/// As the file says.
fn described() -> StreamConfig {
    let json = include_str!("../../../nats/buckets/chat-accounts.json");
    serde_json::from_str(json).expect("the file is checked by a test")
}

/// What differs between the bucket that is there and the file, where it would lose, refuse or show what is stored. Copies,
/// placement and compression are the operator's.
pub fn drift(found: &StreamConfig) -> Vec<String> {
    let wanted = described();
    let mut differences = Vec::new();
    let mut compare = |what: &str, found: String, wanted: String| {
        if found != wanted {
            differences.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    macro_rules! same {
        ($($field:ident),* $(,)?) => {
            $(compare(stringify!($field), format!("{:?}", found.$field), format!("{:?}", wanted.$field));)*
        };
    }
    same!(
        subjects,
        storage,
        max_age,
        max_messages_per_subject,
        sealed,
        deny_delete,
        republish,
        allow_direct,
        allow_atomic_publish,
        allow_message_ttl,
        mirror,
        persist_mode,
    );
    // The server answers 0 as -1, "unlimited".
    compare("max_messages", found.max_messages.max(0).to_string(), wanted.max_messages.max(0).to_string());
    compare("max_bytes", found.max_bytes.max(0).to_string(), wanted.max_bytes.max(0).to_string());
    compare("retention", format!("{:?}", found.retention), format!("{:?}", RetentionPolicy::Limits));
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_agrees_with_the_code() {
        let config = described();
        assert_eq!(config.name, subject::ACCOUNTS_STREAM);
        assert_eq!(config.subjects, [subject::ACCOUNTS]);
        assert!(config.republish.is_none(), "nobody else is to see what lies there");
        assert!(!config.allow_direct && config.allow_atomic_publish && config.allow_message_ttl);
        assert_eq!(drift(&config), Vec::<String>::new());
        let forgetful = StreamConfig { max_age: Duration::from_secs(1), ..config };
        assert_eq!(drift(&forgetful), ["max_age is 1s, not 0ns"]);
    }

    #[test]
    fn an_answer_says_whether_it_was_stored() {
        let read = |json: &str| Answer::read(json.as_bytes());
        assert_eq!(read(r#"{"stream":"S","seq":7}"#).unwrap(), Answer::Stored);
        assert_eq!(read(r#"{"error":{"code":400,"err_code":10071}}"#).unwrap(), Answer::Conflict);
        assert_eq!(read(r#"{"error":{"code":400,"err_code":10164}}"#).unwrap(), Answer::Busy);
        assert!(matches!(read(r#"{"error":{"code":503,"err_code":10076}}"#), Err(BucketError::Unavailable(_))));
        assert!(matches!(read(""), Err(BucketError::Unavailable(_))));
    }
}
