//! Events that somebody missed, as they lie in the log, without what was deleted since.

use bytes::Bytes;
use klatch_domain::{Event, MessageId, Seq};
use klatch_eventlog::Stored;

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

impl From<Stored> for Past {
    fn from(stored: Stored) -> Self {
        Past { seq: stored.seq, body: stored.payload.slice(stored.payload.len().min(1)..) }
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
