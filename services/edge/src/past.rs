//! Events that somebody missed, as they lie in the log, without what was deleted since.

use std::borrow::Cow;

use bytes::Bytes;
use klatch_domain::{Event, MessageId, Seq};
use klatch_eventlog::Stored;
use serde::Deserialize;

/// The event's name stands first in what is stored.
const DELETION: &[u8] = br#""event":"chat.messageDeleted""#;

/// An event that was missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    /// Its sequence.
    pub(crate) seq: Seq,
    /// What was stored, without its opening brace.
    pub(crate) body: Bytes,
}

/// What every event has, whatever its kind and version.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, rename = "event")]
    _event: Cow<'a, str>,
}

/// Whether what lies in a timeline can be made a frame of: a text that is one JSON object and names an event. Nothing of
/// ours writes anything else, but whoever may write to the stream can; it is passed over, as by the projector.
///
/// A frame is spliced out of the stored bytes, so half an object would reach everybody in the room.
pub(crate) fn is_readable(stored: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(stored) else { return false };
    text.starts_with('{') && serde_json::from_str::<Named<'_>>(text).is_ok()
}

impl Past {
    /// An event as it is stored; none where it can't be read.
    pub(crate) fn of(stored: &Stored) -> Option<Past> {
        is_readable(&stored.payload).then(|| Past { seq: stored.seq, body: stored.payload.slice(1..) })
    }
}

impl Past {
    /// The message that this event deletes, if it deletes one.
    pub(crate) fn deletes(&self) -> Option<MessageId> {
        if !self.body.starts_with(DELETION) {
            return None;
        }
        match Event::decode(&[b"{", &self.body[..]].concat()) {
            Ok(Event::MessageDeleted(deleted)) => Some(deleted.message_id),
            _ => None,
        }
    }
}

/// What was deleted is not shown again, neither the message nor an edit of it, even where the log's eraser has not come
/// to it yet.
pub(crate) fn forget_deleted(events: &mut Vec<Past>) {
    let deleted: Vec<MessageId> = events.iter().filter_map(Past::deletes).collect();
    for id in deleted {
        // Within a string of JSON the quotes would be escaped: this can only be a field.
        let field = format!("\"messageId\":\"{id}\"");
        let finder = memchr::memmem::Finder::new(&field);
        events.retain(|event| event.body.starts_with(DELETION) || finder.find(&event.body).is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_named_object_is_not_readable() {
        assert!(is_readable(br#"{"event":"chat.message","v":1,"data":{}}"#));
        assert!(is_readable(br#"{"event":"chat.ofTomorrow","v":9,"data":[1,2]}"#), "a newer version's is passed on");
        let poison: [&[u8]; 8] = [
            b"",
            b"{}",
            b"\xff",
            br#"["event"]"#,
            br#" {"event":"chat.message"}"#,
            br#"{"event":"chat.mess"#,
            br#"{"event":"chat.message"} and more"#,
            b"{\"event\":\"chat.message\",\"data\":\"\xff\"}",
        ];
        for stored in poison {
            assert!(!is_readable(stored), "{}", String::from_utf8_lossy(stored));
        }
    }
}
