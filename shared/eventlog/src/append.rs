//! One decision, appended: an event, or an atomic batch of events, each under its guard.

use bytes::Bytes;
use klatch_domain::{Address, Decision, Draft, Guard, MessageId, Seq, UserId};

/// An event to append.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it goes.
    pub address: Address,
    /// The stored event, encoded.
    pub payload: Bytes,
    /// The condition under which it is stored.
    pub guard: Option<Guard>,
    /// What makes it idempotent.
    pub id: Option<MessageId>,
}

impl From<Draft> for Entry {
    fn from(draft: Draft) -> Self {
        Entry { address: draft.event.address(), payload: draft.event.encode().into(), guard: draft.guard, id: None }
    }
}

/// One decision: one entry, or several, all or nothing (ADR-50).
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose decision; with the room of the first entry it names the queue.
    pub author: UserId,
    /// What to store, in this order.
    pub entries: Vec<Entry>,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored now; the sequence of its last entry.
    Appended {
        /// The last entry's sequence.
        seq: Seq,
    },
    /// Stored before, under the same id; the sequence that its last entry got then.
    Duplicate {
        /// The last entry's sequence.
        seq: Seq,
    },
    /// A guard refused it: read again what the decision stood on, and decide again.
    StandingChanged,
}

#[allow(unused)]
fn _decision(_: Decision) {}
