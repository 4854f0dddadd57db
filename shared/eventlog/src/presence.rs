//! Who is attached where, and which edges live.

use std::fmt;
use std::sync::Arc;

use klatch_domain::UserId;
use uuid::Uuid;

/// One process of the edge, from its start to its end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(Arc<str>);

impl EdgeId {
    /// A new one: never the same twice.
    pub fn fresh() -> Self {
        EdgeId(Uuid::now_v7().simple().to_string().into())
    }

    /// Reads one: 1 to 64 characters of `[A-Za-z0-9_-]`, fit for a subject as they are.
    pub fn parse(id: &str) -> Option<Self> {
        let fit = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        (!id.is_empty() && id.len() <= 64 && id.bytes().all(fit)).then(|| EdgeId(id.into()))
    }

    /// As it stands in a subject.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EdgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EdgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody attached to a room through an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Who.
    pub user: UserId,
    /// Their name.
    pub username: String,
    /// Through which edge.
    pub edge: EdgeId,
}

/// What renewing a lease found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The lease was held without a break.
    Held,
    /// There was none (the first, it had lapsed, or the stream is a new one): publish all entries again.
    Fresh,
}

/// An edge's lease was renewed or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseEvent {
    /// Which edge.
    pub edge: EdgeId,
    /// Whether it lives.
    pub alive: bool,
}
