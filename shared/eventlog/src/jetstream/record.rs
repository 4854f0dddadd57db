//! A server's message as a record. Nothing in it is trusted to be there: what is missing or malformed reads as zero or
//! nothing, and whoever uses the record decides whether that will do.

use async_nats::jetstream::message::StreamMessage;
use async_nats::{HeaderMap, Message, header};
use klatch_domain::{MessageId, Seq, Timestamp};
use klatch_service::traces::{self, Traceparent};

use crate::broker::Record;

/// The header of a tombstone, as the server itself knows it: a message so marked leaves no further marker when it expires
/// (sdm.go `isSubjectDeleteMarker`).
pub(super) const TOMBSTONE: (&str, &str) = ("KV-Operation", "PURGE");

/// The last value of a header: republishing and direct gets append theirs, and what a publisher put there before them
/// must not count (stream.go, "use hdr[:end:end]").
fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get_last(name).map(|value| value.as_str())
}

pub(super) fn number(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

fn id(headers: &HeaderMap) -> Option<MessageId> {
    MessageId::parse(text(headers, header::NATS_MESSAGE_ID)?).ok()
}

/// Not looked for where nobody would use it.
fn trace(headers: &HeaderMap) -> Option<Traceparent> {
    if !traces::are_on() {
        return None;
    }
    Traceparent::parse(headers.get_last(Traceparent::HEADER)?.as_str())
}

/// Where the writer of what a consumer delivered stood in a trace.
pub(crate) fn trace_of(message: &async_nats::jetstream::Message) -> Option<Traceparent> {
    trace(message.headers.as_ref()?)
}

fn is_removal(headers: &HeaderMap) -> bool {
    let (name, value) = TOMBSTONE;
    headers.get(header::NATS_MARKER_REASON).is_some() || headers.get(name).is_some_and(|found| found.as_str() == value)
}

/// From an answer of `STREAM.MSG.GET`.
pub(super) fn from_stream(message: StreamMessage) -> Record {
    Record {
        subject: message.subject,
        seq: Seq(message.sequence),
        prev: Seq::ZERO,
        at: message.time.into(),
        id: id(&message.headers),
        trace: trace(&message.headers),
        removal: is_removal(&message.headers),
        payload: message.payload,
    }
}

/// From a republish, or from what was only said: that has no sequence.
pub(super) fn from_live(message: Message) -> Record {
    let headers = message.headers.unwrap_or_default();
    Record {
        subject: message.subject,
        seq: Seq(number(&headers, header::NATS_SEQUENCE).unwrap_or(0)),
        prev: Seq(number(&headers, header::NATS_LAST_SEQUENCE).unwrap_or(0)),
        at: text(&headers, header::NATS_TIME_STAMP).and_then(Timestamp::parse).unwrap_or_default(),
        id: id(&headers),
        trace: trace(&headers),
        removal: is_removal(&headers),
        payload: message.payload,
    }
}

/// From an answer of a direct get, whose subject is the reply's and whose place is in the headers.
pub(super) fn from_direct(message: Message) -> Option<Record> {
    let headers = message.headers?;
    Some(Record {
        subject: text(&headers, header::NATS_SUBJECT)?.into(),
        seq: Seq(number(&headers, header::NATS_SEQUENCE)?),
        prev: Seq::ZERO,
        at: text(&headers, header::NATS_TIME_STAMP).and_then(Timestamp::parse).unwrap_or_default(),
        id: id(&headers),
        trace: trace(&headers),
        removal: is_removal(&headers),
        payload: message.payload,
    })
}

/// From a consumer's delivery, whose place is in its reply subject (ADR-15).
pub(crate) fn from_delivery(message: &async_nats::jetstream::Message) -> Option<(Record, Delivery)> {
    let info = message.info().ok()?;
    let none = HeaderMap::new();
    let headers = message.headers.as_ref().unwrap_or(&none);
    let record = Record {
        subject: message.subject.clone(),
        seq: Seq(info.stream_sequence),
        prev: Seq::ZERO,
        at: info.published.into(),
        id: id(headers),
        trace: trace(headers),
        removal: is_removal(headers),
        payload: message.payload.clone(),
    };
    Some((record, Delivery { number: info.consumer_sequence, pending: info.pending }))
}

/// Where a delivery stands among its consumer's.
pub(crate) struct Delivery {
    /// Counts from 1, without a gap.
    pub(super) number: u64,
    /// How many more were stored when it was sent.
    pub(super) pending: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &[(&str, &str)]) -> Message {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, *value);
        }
        Message {
            subject: "chat.live.43.room.general.timeline".into(),
            reply: None,
            payload: "{}".into(),
            headers: Some(map),
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn what_the_server_appended_counts_not_what_a_publisher_wrote() {
        let forged = message(&[
            ("Nats-Sequence", "999"),
            ("Nats-Last-Sequence", "998"),
            ("Nats-Sequence", "7"),
            ("Nats-Last-Sequence", "5"),
            ("Nats-Time-Stamp", "2025-11-17T00:00:00.007008009Z"),
        ]);
        let record = from_live(forged);
        assert_eq!((record.seq, record.prev), (Seq(7), Seq(5)));
        assert_eq!(record.at.to_string(), "2025-11-17T00:00:00.007Z");
    }

    #[test]
    fn a_malformed_message_reads_as_one_without_a_place() {
        let odd = message(&[("Nats-Sequence", "-1"), ("Nats-Time-Stamp", "now"), ("Nats-Msg-Id", "")]);
        let record = from_live(odd.clone());
        assert_eq!((record.seq, record.prev, record.id), (Seq::ZERO, Seq::ZERO, None));
        assert!(from_direct(odd).is_none());
        assert!(from_direct(Message { headers: None, ..message(&[]) }).is_none());
    }

    #[test]
    fn tombstones_and_the_servers_own_markers_are_removals() {
        assert!(from_live(message(&[("Nats-Marker-Reason", "MaxAge")])).removal);
        assert!(from_live(message(&[TOMBSTONE])).removal);
        assert!(!from_live(message(&[("KV-Operation", "PUT")])).removal);
    }
}
