//! Writing: one guarded publish, or an atomic batch of them (ADR-50).
//!
//! `publish().await` only queues, and a reconnect drops what was buffered: nothing counts but the server's answer.

use std::time::Duration;

use async_nats::{HeaderMap, Message, Request, RequestErrorKind, header};
use bytes::Bytes;
use klatch_domain::{MessageId, Seq};
use klatch_service::traces::Traceparent;
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::{JetStream, record};
use crate::broker::{Ack, Write, WriteError};
use crate::streams::Stream;

/// The subject that `Nats-Expected-Last-Subject-Sequence` speaks of; the library has no name for it.
const EXPECTED_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
/// No kind of roll-up: the server knows `sub` and `all`, and refuses these too on a stream that allows none.
const NO_ROLLUP: &str = "none";
/// Headers of a write are shorter than this, so a payload this much below the server's limit fits.
pub(super) const HEADER_BYTES_MAX: usize = 2_048;

/// nats-server's `errors.json`, by number: async-nats has no names for most of these.
mod code {
    pub(super) const WRONG_LAST_SEQUENCE: u64 = 10_071;
    /// A guard's subject is being written to: R3 only, or named by an earlier message of the same batch.
    pub(super) const WRONG_LAST_SEQUENCE_NOW: u64 = 10_164;
    /// The same id is being written: R3 only.
    pub(super) const DUPLICATE_IN_PROCESS: u64 = 10_158;
    pub(super) const BATCH_HOLDS_KNOWN_ID: u64 = 10_201;
    /// A message of the batch didn't arrive, or its first one was refused.
    pub(super) const BATCH_INCOMPLETE: u64 = 10_176;
    /// 50 batches a stream, 1,000 a server.
    pub(super) const TOO_MANY_BATCHES: u64 = 10_210;
    pub(super) const MESSAGE_TOO_LARGE: u64 = 10_054;
    pub(super) const ROLLUP_FAILED: u64 = 10_111;
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    #[serde(borrow)]
    error: Option<ApiError<'a>>,
}

#[derive(Deserialize)]
struct ApiError<'a> {
    code: u16,
    #[serde(default)]
    err_code: u64,
    #[serde(default, borrow)]
    description: std::borrow::Cow<'a, str>,
}

impl JetStream {
    pub(crate) async fn write(&self, stream: Stream, writes: &[Write], within: Duration) -> Result<Ack, WriteError> {
        let bytes_max = self.client.max_payload().saturating_sub(HEADER_BYTES_MAX);
        if writes.iter().any(|write| write.payload.len() > bytes_max) {
            return Err(WriteError::TooLarge);
        }
        let answer = match writes {
            [] => return Err(WriteError::Refused("nothing to write".to_owned())),
            [one] => self.ask(&one.subject, headers(one), one.payload.clone(), within).await,
            // Without a connection the client's own queue fills up, and even queueing waits.
            batch => match tokio::time::timeout(within, self.write_batch(batch, within)).await {
                Ok(written) => written,
                Err(_) => Err(WriteError::Unclear("the batch was not sent in time".to_owned())),
            },
        };
        if stream == Stream::Presence && matches!(answer, Err(WriteError::Unavailable(_))) {
            // It lives in memory: a restart of a single server loses it whole.
            if let Err(error) = self.setup.presence_again().await {
                tracing::warn!(%error, "presence can't be set up again");
            }
        }
        answer
    }

    /// All but the last are only queued: the server counts them, so one that got lost fails the commit (10176), and each
    /// try is a batch of its own.
    async fn write_batch(&self, writes: &[Write], within: Duration) -> Result<Ack, WriteError> {
        let batch = Uuid::new_v4().simple().to_string();
        let (last, before) = writes.split_last().expect("a batch has two messages at least");
        for (index, write) in before.iter().enumerate() {
            let headers = in_batch(headers(write), &batch, index + 1);
            let queued = self.client.publish_with_headers(write.subject.clone(), headers, write.payload.clone()).await;
            queued.map_err(|error| WriteError::Unavailable(error.to_string()))?;
        }
        let mut headers = in_batch(headers(last), &batch, writes.len());
        headers.insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
        self.ask(&last.subject, headers, last.payload.clone(), within).await
    }

    /// Asks the server's own memory of ids: a publish under the same id that can't be stored, for it asks for a roll-up that
    /// there is not. The server looks at the id right before it looks at that, at R1 (stream.go
    /// `processJetStreamMsgWithBatch`) and at R3 (batching.go `checkMsgHeadersPreClusteredProposal`): a known id is answered
    /// with its sequence, an unknown one is refused with 10111. A test holds both to it.
    ///
    /// Other conditions won't do. A guard is looked at before the id at R1. `Nats-Expected-Last-Msg-Id` is looked at only
    /// after the proposal at R3, and 2.15.1 was seen to hang from then on.
    pub(crate) async fn find_id(
        &self,
        id: &MessageId,
        subject: &str,
        within: Duration,
    ) -> Result<Option<Seq>, WriteError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MESSAGE_ID, id.as_str());
        headers.insert(header::NATS_ROLLUP, NO_ROLLUP);
        let reply = self.send(subject, headers, Bytes::new(), within).await?;
        match parse(&reply)? {
            Answer { error: Some(error), .. } if error.err_code == code::ROLLUP_FAILED => Ok(None),
            answer => ack(answer).map(|ack| ack.duplicate.then_some(ack.seq)),
        }
    }

    async fn ask(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        within: Duration,
    ) -> Result<Ack, WriteError> {
        let reply = self.send(subject, headers, payload, within).await?;
        ack(parse(&reply)?)
    }

    /// Publishes and waits for the answer. A reconnect meanwhile makes it unclear at once: what was buffered is gone.
    async fn send(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, WriteError> {
        let begun = Instant::now();
        let mut reconnects = self.told.signals.reconnects.subscribe();
        let request = Request::new().headers(headers).payload(payload).timeout(Some(within));
        let answer = tokio::select! {
            answer = self.client.send_request(subject.to_owned(), request) => answer,
            _ = reconnects.changed() => return Err(WriteError::Unclear("the connection broke".to_owned())),
        };
        answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => WriteError::Unavailable("no stream answers".to_owned()),
            RequestErrorKind::MaxPayloadExceeded => WriteError::TooLarge,
            RequestErrorKind::InvalidSubject => WriteError::Refused(error.to_string()),
            RequestErrorKind::TimedOut | RequestErrorKind::Other => match self.denied(subject, begun) {
                Some(why) => WriteError::Unavailable(why),
                None => WriteError::Unclear(error.to_string()),
            },
        })
    }
}

/// The one place that builds a guard. Its subject must lie in the stream and be literal: the server lets a guard at 0 on a
/// foreign subject pass, and wildcards at R3 pass what they should refuse. [`Write`]s come from addresses only.
fn headers(write: &Write) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(id) = &write.id {
        headers.insert(header::NATS_MESSAGE_ID, id.as_str());
    }
    if let Some((subject, expected)) = &write.guard {
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        if *subject != write.subject {
            headers.insert(EXPECTED_SUBJECT, subject.as_str());
        }
    }
    if let Some(ttl) = write.ttl {
        // Whole seconds, one at least (ADR-43).
        headers.insert(header::NATS_MESSAGE_TTL, format!("{}s", ttl.as_secs_f64().ceil().max(1.0)));
    }
    if let Some(trace) = write.trace {
        headers.insert(Traceparent::HEADER, trace.to_string());
    }
    if write.tombstone {
        let (name, value) = record::TOMBSTONE;
        headers.insert(name, value);
    }
    headers
}

fn in_batch(mut headers: HeaderMap, batch: &str, number: usize) -> HeaderMap {
    headers.insert(header::NATS_BATCH_ID, batch);
    headers.insert(header::NATS_BATCH_SEQUENCE, number.to_string());
    headers
}

fn parse(reply: &Message) -> Result<Answer<'_>, WriteError> {
    serde_json::from_slice(&reply.payload)
        .map_err(|error| WriteError::Unclear(format!("the server's answer is none: {error}")))
}

fn ack(answer: Answer<'_>) -> Result<Ack, WriteError> {
    let Some(error) = answer.error else {
        return Ok(Ack { seq: Seq(answer.seq), duplicate: answer.duplicate });
    };
    let said = || format!("{} ({})", error.description, error.err_code);
    Err(match error.err_code {
        code::WRONG_LAST_SEQUENCE => WriteError::Guard,
        code::BATCH_HOLDS_KNOWN_ID => WriteError::KnownId,
        code::WRONG_LAST_SEQUENCE_NOW
        | code::DUPLICATE_IN_PROCESS
        | code::BATCH_INCOMPLETE
        | code::TOO_MANY_BATCHES => WriteError::Busy,
        code::MESSAGE_TOO_LARGE => WriteError::TooLarge,
        _ if error.code >= 500 || error.code == 429 => WriteError::Unavailable(said()),
        _ => WriteError::Refused(said()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Result<Ack, WriteError> {
        ack(serde_json::from_str(answer).unwrap())
    }

    #[test]
    fn the_servers_answers_are_told_apart_by_number() {
        let error = |code: u16, number: u64| {
            format!(r#"{{"error":{{"code":{code},"err_code":{number},"description":"why"}},"stream":"S","seq":0}}"#)
        };
        assert_eq!(read(r#"{"stream":"S","seq":7}"#), Ok(Ack { seq: Seq(7), duplicate: false }));
        assert_eq!(read(r#"{"stream":"S","seq":7,"duplicate": true}"#), Ok(Ack { seq: Seq(7), duplicate: true }));
        assert_eq!(read(&error(400, 10_071)), Err(WriteError::Guard));
        assert_eq!(read(&error(400, 10_201)), Err(WriteError::KnownId));
        for busy in [(400, 10_164), (409, 10_158), (429, 10_210), (400, 10_176)] {
            assert_eq!(read(&error(busy.0, busy.1)), Err(WriteError::Busy));
        }
        assert_eq!(read(&error(400, 10_054)), Err(WriteError::TooLarge));
        assert_eq!(read(&error(503, 10_077)), Err(WriteError::Unavailable("why (10077)".to_owned())));
        assert_eq!(read(&error(400, 10_174)), Err(WriteError::Refused("why (10174)".to_owned())));
    }

    #[test]
    fn a_guard_names_its_subject_unless_it_is_the_messages_own() {
        let guard = |subject: &str| Write {
            subject: "a.b".to_owned(),
            guard: Some((subject.to_owned(), Seq(3))),
            ..Write::default()
        };
        let own = headers(&guard("a.b"));
        assert_eq!(own.get(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE).unwrap().as_str(), "3");
        assert!(own.get(EXPECTED_SUBJECT).is_none());
        assert_eq!(headers(&guard("a.c")).get(EXPECTED_SUBJECT).unwrap().as_str(), "a.c");
    }

    #[test]
    fn a_time_to_live_is_rounded_up_to_whole_seconds() {
        for (ttl, header) in [(1, "1s"), (1_000, "1s"), (1_001, "2s"), (15_000, "15s")] {
            let write = Write { ttl: Some(Duration::from_millis(ttl)), ..Write::default() };
            assert_eq!(headers(&write).get(header::NATS_MESSAGE_TTL).unwrap().as_str(), header);
        }
    }
}
