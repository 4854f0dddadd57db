//! Many messages in one request: batched and multi-subject direct gets (ADR-31).
//!
//! Any replica answers, so an answer may lag behind the leader; whoever needs the last word asks it.

use async_nats::{Message, Request, header};
use futures_util::StreamExt;
use klatch_domain::Seq;
use serde::Serialize;
use tokio::time::Instant;

use super::{JetStream, record};
use crate::broker::{Page, Record};
use crate::error::ReadError;
use crate::streams::Stream;

/// A bulk answer is asked for in parts of this size, so that no connection holds more.
const BULK_BYTES_MAX: usize = 8 << 20;

#[derive(Serialize, Default)]
struct Get<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_last: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    up_to_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    max_bytes: usize,
}

/// What the end of an answer says.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Nothing matched.
    Nothing,
    /// How many more there were, the last one given, and for bulk requests the sequence up to which they were looked for.
    Batch { pending: u64, last: u64, up_to: Option<u64> },
}

impl JetStream {
    pub(crate) async fn page(
        &self,
        stream: Stream,
        subject: &str,
        from: Seq,
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<Page, ReadError> {
        let get = Get {
            seq: Some(from.0.max(1)),
            next_by_subj: Some(subject),
            batch: Some(messages_max.min(self.answers_max())),
            max_bytes: bytes_max.max(1),
            ..Get::default()
        };
        let mut records = Vec::new();
        let end = self.get_many(stream, &get, &mut records).await?;
        Ok(Page { records, more: matches!(end, End::Batch { pending: 1.., .. }) })
    }

    pub(crate) async fn lasts(&self, stream: Stream, subjects: &[String]) -> Result<Vec<Record>, ReadError> {
        let mut records = Vec::with_capacity(subjects.len());
        let batch = Some(self.answers_max());
        let mut get = Get { multi_last: Some(subjects), batch, max_bytes: BULK_BYTES_MAX, ..Get::default() };
        loop {
            match self.get_many(stream, &get, &mut records).await? {
                End::Batch { pending: 1.., last, up_to } => {
                    get.seq = Some(last + 1);
                    get.up_to_seq = up_to;
                }
                End::Batch { .. } | End::Nothing => return Ok(records),
            }
        }
    }

    /// Messages asked for at once: the end of the answer needs a place too.
    fn answers_max(&self) -> usize {
        self.buffered_max.saturating_sub(1).max(1)
    }

    async fn get_many(&self, stream: Stream, get: &Get<'_>, records: &mut Vec<Record>) -> Result<End, ReadError> {
        let unavailable = |error: &dyn std::fmt::Display| ReadError::Unavailable(error.to_string());
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(|error| unavailable(&error))?;
        let body = serde_json::to_vec(get).expect("strings and numbers");
        let request = Request::new().payload(body.into()).inbox(inbox);
        let begun = Instant::now();
        let sent = self.context.send_request(format!("DIRECT.GET.{}", stream.name()), request).await;
        sent.map_err(|error| unavailable(&error))?;
        let collecting = tokio::time::timeout(self.read_patience, collect(&mut answers, records));
        let late = |_| Err(ReadError::Unavailable(self.cause("DIRECT.GET", stream, begun, &"no answer in time")));
        let collected = collecting.await.unwrap_or_else(late);
        // Dropping would do it too, but only if there is room in the connection's queue just then.
        let _ = answers.unsubscribe().await;
        if collected.as_ref().is_err_and(|error| *error == ReadError::Gone) {
            // Nobody answers: because the stream isn't there, or because its server isn't.
            self.status(stream).await?;
            return Err(ReadError::Unavailable("no replica answers".to_owned()));
        }
        collected
    }
}

/// Each message of an answer names the one before it, so nothing can be lost on the way unseen.
async fn collect(
    answers: &mut (impl futures_util::Stream<Item = Message> + Unpin),
    records: &mut Vec<Record>,
) -> Result<End, ReadError> {
    let mut before = 0;
    let follows = |message: &Message, before: u64| {
        let headers = message.headers.as_ref();
        headers.and_then(|headers| record::number(headers, header::NATS_LAST_SEQUENCE)) == Some(before)
    };
    let lost = || ReadError::Unavailable("a part of the answer was lost".to_owned());
    while let Some(message) = answers.next().await {
        let Some(status) = message.status else {
            if !follows(&message, before) {
                return Err(lost());
            }
            let malformed = || ReadError::Malformed("a direct get's answer has no sequence".to_owned());
            let record = record::from_direct(message).ok_or_else(malformed)?;
            before = record.seq.0;
            records.push(record);
            continue;
        };
        return match status.as_u16() {
            204 if follows(&message, before) => Ok(end(&message)),
            204 => Err(lost()),
            404 if before == 0 => Ok(End::Nothing),
            // One of several was erased between being found and being read.
            404 => Err(lost()),
            503 => Err(ReadError::Gone),
            other => {
                Err(ReadError::Unavailable(format!("{other} {}", message.description.as_deref().unwrap_or_default())))
            }
        };
    }
    Err(ReadError::Unavailable("the connection was closed".to_owned()))
}

fn end(message: &Message) -> End {
    let number = |name| message.headers.as_ref().and_then(|headers| record::number(headers, name));
    End::Batch {
        pending: number("Nats-Num-Pending".parse().expect("a header's name")).unwrap_or(0),
        last: number(header::NATS_LAST_SEQUENCE).unwrap_or(0),
        up_to: number("Nats-UpTo-Sequence".parse().expect("a header's name")),
    }
}

#[cfg(test)]
mod tests {
    use async_nats::{HeaderMap, StatusCode};
    use bytes::Bytes;

    use super::*;

    fn message(status: Option<u16>, headers: &[(&'static str, u64)]) -> Message {
        let mut map: HeaderMap =
            headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.to_string().into())).collect();
        map.insert(header::NATS_SUBJECT, "chat.event.43.room.general.timeline");
        Message {
            subject: "_INBOX.x".into(),
            reply: None,
            payload: Bytes::new(),
            headers: Some(map),
            status: status.map(|status| StatusCode::from_u16(status).unwrap()),
            description: None,
            length: 0,
        }
    }

    fn event(seq: u64, before: u64) -> Message {
        message(None, &[("Nats-Sequence", seq), ("Nats-Last-Sequence", before)])
    }

    fn eob(last: u64) -> Message {
        message(Some(204), &[("Nats-Num-Pending", 3), ("Nats-Last-Sequence", last)])
    }

    async fn read(answer: Vec<Message>) -> Result<(End, Vec<u64>), ReadError> {
        let mut records = Vec::new();
        let end = collect(&mut futures_util::stream::iter(answer), &mut records).await?;
        Ok((end, records.iter().map(|record| record.seq.0).collect()))
    }

    #[tokio::test]
    async fn an_answer_is_whole_or_an_error() {
        let whole = read(vec![event(4, 0), event(9, 4), eob(9)]).await.unwrap();
        assert_eq!(whole, (End::Batch { pending: 3, last: 9, up_to: None }, vec![4, 9]));
        assert_eq!(read(vec![message(Some(404), &[])]).await.unwrap(), (End::Nothing, vec![]));
        for (what, holey) in [
            ("its beginning", vec![event(9, 4), eob(9)]),
            ("its middle", vec![event(4, 0), event(12, 9), eob(12)]),
            ("its last", vec![event(4, 0), eob(9)]),
            ("its end", vec![event(4, 0)]),
            ("one that was erased meanwhile", vec![event(4, 0), message(Some(404), &[])]),
        ] {
            assert!(matches!(read(holey).await, Err(ReadError::Unavailable(_))), "without {what}");
        }
    }
}
