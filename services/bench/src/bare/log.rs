//! The broker alone, through async-nats: what a publish, an acknowledgement, a republish and a replay cost when nobody
//! decides anything and nobody listens to sockets. In a stream of its own beside Klatch's, with the same settings.

use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::stream::{Config, Republish};
use async_nats::{HeaderMap, header};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use klatch_domain::Event;

use crate::error::Error;
use crate::target::{message, random_id, room, user};

const STREAM: &str = "BENCH";
const MEMBER: &str = "bench.event.member";
const TIMELINE: &str = "bench.event.timeline";
const LIVE: &str = "bench.live.>";
/// The subject that a guard speaks of; the library has no name for it.
const EXPECTED_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";

/// A stream like `CHAT_EVENTS`, and a connection to it.
pub(crate) struct BareLog {
    client: async_nats::Client,
    context: Context,
    guard: u64,
}

impl BareLog {
    /// Makes the stream unless it is there, and what guards will name.
    pub(crate) async fn open(client: async_nats::Client) -> Result<BareLog, Error> {
        let context = async_nats::jetstream::new(client.clone());
        let config = Config {
            name: STREAM.to_owned(),
            subjects: vec!["bench.event.>".to_owned()],
            republish: Some(Republish {
                source: "bench.event.>".to_owned(),
                destination: LIVE.to_owned(),
                headers_only: false,
            }),
            duplicate_window: Duration::from_secs(120),
            allow_direct: true,
            allow_atomic_publish: true,
            ..Config::default()
        };
        context.get_or_create_stream(config).await.map_err(|error| failed(&error))?;
        let ack = context.publish(MEMBER, "{}".into()).await.map_err(|error| failed(&error))?;
        let guard = ack.await.map_err(|error| failed(&error))?.sequence;
        Ok(BareLog { client, context, guard })
    }

    /// From a guarded publish to its republish, one after the other: the time of each.
    pub(crate) async fn republished(&self, count: usize, text: &str) -> Result<Vec<Duration>, Error> {
        let mut live = self.client.subscribe(LIVE).await.map_err(|error| failed(&error))?;
        self.client.flush().await.map_err(|error| failed(&error))?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let (headers, payload) = (self.headers(), payload(text));
            let begun = Instant::now();
            let ack = self.context.publish_with_headers(TIMELINE, headers, payload);
            let ack = ack.await.map_err(|error| failed(&error))?;
            if live.next().await.is_none() {
                return Err(Error::Broker { doing: "listening", cause: "the subscription ended".to_owned() });
            }
            times.push(begun.elapsed());
            ack.await.map_err(|error| failed(&error))?;
        }
        Ok(times)
    }

    /// Publishes one after the other, each acknowledged before the next: the time of each.
    pub(crate) async fn acknowledged(&self, count: usize, text: &str) -> Result<Vec<Duration>, Error> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let (headers, payload) = (self.headers(), payload(text));
            let begun = Instant::now();
            let ack = self.context.publish_with_headers(TIMELINE, headers, payload);
            ack.await.map_err(|error| failed(&error))?.await.map_err(|error| failed(&error))?;
            times.push(begun.elapsed());
        }
        Ok(times)
    }

    /// Publishes with so many unacknowledged at once: how long all of it took.
    pub(crate) async fn ingest(&self, count: usize, window: usize, text: &str) -> Result<Duration, Error> {
        let payloads: Vec<(HeaderMap, Bytes)> = (0..count).map(|_| (with_id(), payload(text))).collect();
        let begun = Instant::now();
        futures_util::stream::iter(payloads)
            .map(|(headers, payload)| async move {
                let ack = self.context.publish_with_headers(TIMELINE, headers, payload);
                ack.await.map_err(|error| failed(&error))?.await.map_err(|error| failed(&error))
            })
            .buffered(window)
            .try_for_each(async |_| Ok(()))
            .await?;
        Ok(begun.elapsed())
    }

    /// Publishes atomic batches (ADR-50), one after the other: how long all of it took.
    pub(crate) async fn batches(&self, count: usize, size: usize, text: &str) -> Result<Duration, Error> {
        let begun = Instant::now();
        for _ in 0..count {
            let batch = uuid::Uuid::new_v4().simple().to_string();
            for number in 1..size {
                let headers = in_batch(&batch, number);
                let queued = self.client.publish_with_headers(TIMELINE, headers, payload(text)).await;
                queued.map_err(|error| failed(&error))?;
            }
            let mut headers = in_batch(&batch, size);
            headers.insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
            let answer = self.client.request_with_headers(TIMELINE, headers, payload(text)).await;
            let answer = answer.map_err(|error| failed(&error))?;
            if crate::socket::contains(&answer.payload, "\"error\"") {
                let cause = String::from_utf8_lossy(&answer.payload).into_owned();
                return Err(Error::Broker { doing: "publishing a batch", cause });
            }
        }
        Ok(begun.elapsed())
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = with_id();
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, self.guard.to_string());
        headers.insert(EXPECTED_SUBJECT, MEMBER);
        headers
    }
}

/// Reads a stream from its beginning and decodes every event, and does nothing with it: how many there were, and how long
/// it took.
pub(crate) async fn decode_only(client: async_nats::Client, stream: &str) -> Result<(u64, Duration), Error> {
    let context = async_nats::jetstream::new(client);
    let stream = context.get_stream(stream).await.map_err(|error| failed(&error))?;
    let end = stream.cached_info().state.last_sequence;
    let begun = Instant::now();
    let config = OrderedConfig { deliver_policy: DeliverPolicy::All, ..OrderedConfig::default() };
    let consumer = stream.create_consumer(config).await.map_err(|error| failed(&error))?;
    let mut messages = consumer.messages().await.map_err(|error| failed(&error))?;
    let mut decoded = 0;
    while let Some(message) = messages.next().await {
        let message = message.map_err(|error| failed(&error))?;
        decoded += u64::from(Event::decode(&message.payload).is_ok());
        let seq = message.info().map_err(|cause| Error::Broker { doing: "replaying", cause: cause.to_string() })?;
        if seq.stream_sequence >= end {
            break;
        }
    }
    Ok((decoded, begun.elapsed()))
}

fn payload(text: &str) -> Bytes {
    Event::MessageSent(message(&room(0), &user(0), &random_id(), text)).encode().into()
}

fn with_id() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::NATS_MESSAGE_ID, random_id().as_str());
    headers
}

fn in_batch(batch: &str, number: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::NATS_BATCH_ID, batch);
    headers.insert(header::NATS_BATCH_SEQUENCE, number.to_string());
    headers
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::Broker { doing: "measuring it alone", cause: error.to_string() }
}
