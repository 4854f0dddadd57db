//! Who is attached where, and which edges live.
//!
//! An edge stores an entry for each person it has in each room, without a time to live, and one lease with one: an entry
//! counts while its edge's lease lives. So a dead edge takes all of its entries along, with no heartbeat per session. The
//! server itself says when a lease expired: with `allow_msg_ttl` and a `subject_delete_marker_ttl` it stores a marker in
//! its place, and republishes it (ADR-43). The stream is in memory; after the broker lost it, whoever is there says so
//! again: [`Renewal::Fresh`].

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{RoomId, Seq, UserId};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::append::Written;
use crate::broker::{Record, Write};
use crate::error::{AppendError, EraseError, ReadError};
use crate::log::Log;
use crate::streams::Stream;
use crate::subject;

/// How long it stays stored that somebody went: long enough for whoever reads a room just then.
const TOMBSTONE_TTL: Duration = Duration::from_secs(10);

/// One process of the edge, from its start to its end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(Arc<str>);

impl EdgeId {
    /// A new one: never the same twice.
    pub fn fresh() -> Self {
        EdgeId::of(Uuid::now_v7())
    }

    /// One by an id that is no other edge's.
    pub fn of(id: Uuid) -> Self {
        EdgeId(id.simple().to_string().into())
    }

    /// Reads one: 1 to 64 characters of `[A-Za-z0-9_-]`, fit for a subject as they are.
    pub fn parse(id: &str) -> Option<Self> {
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
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
    /// There was none: it is the first, or it had lapsed, or the stream is a new one. Publish all entries again.
    Fresh,
}

/// An edge's lease was renewed, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseEvent {
    /// Which edge.
    pub edge: EdgeId,
    /// Whether it lives.
    pub alive: bool,
}

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    username: std::borrow::Cow<'a, str>,
}

/// The name in a stored entry; the id where there is none to be read.
pub(crate) fn username(payload: &[u8], user: &UserId) -> String {
    match serde_json::from_slice::<Entry<'_>>(payload) {
        Ok(entry) => entry.username.into_owned(),
        Err(_) => user.as_str().to_owned(),
    }
}

impl Log {
    /// Stores and tells that somebody is attached to a room through an edge. Again does no harm.
    pub async fn attach(&self, room: &RoomId, user: &UserId, edge: &EdgeId, username: &str) -> Result<(), AppendError> {
        let entry = Entry { username: username.into() };
        let write = Write {
            subject: subject::presence(room, user, edge),
            payload: Bytes::from(serde_json::to_vec(&entry).expect("a string")),
            ..Write::default()
        };
        self.write_presence(write).await.map(drop)
    }

    /// Stores and tells that somebody is attached to a room through this edge no more. Again does no harm.
    pub async fn detach(&self, room: &RoomId, user: &UserId, edge: &EdgeId) -> Result<(), AppendError> {
        self.write_presence(tombstone(subject::presence(room, user, edge))).await.map(drop)
    }

    /// Says that an edge lives for at least `ttl` more (whole seconds, rounded up).
    pub async fn renew_lease(&self, edge: &EdgeId, ttl: Duration) -> Result<Renewal, AppendError> {
        let subject = subject::lease(edge);
        let lease = |guard| Write {
            subject: subject.clone(),
            payload: Bytes::from_static(b"{}"),
            ttl: Some(ttl),
            guard,
            ..Write::default()
        };
        if let Some(held) = self.held_lease(edge) {
            // Still our own last message there: it was never gone, and the stream is the same.
            match self.write_presence(lease(Some((subject.clone(), held)))).await? {
                Written::At(seq) => {
                    self.hold_lease(edge, Some(seq));
                    return Ok(Renewal::Held);
                }
                Written::Guarded => self.hold_lease(edge, None),
            }
        }
        match self.write_presence(lease(None)).await? {
            Written::At(seq) => self.hold_lease(edge, Some(seq)),
            Written::Guarded => {}
        }
        Ok(Renewal::Fresh)
    }

    /// Says that an edge lives no more, and with it all of its entries.
    pub async fn end_lease(&self, edge: &EdgeId) -> Result<(), AppendError> {
        self.hold_lease(edge, None);
        self.write_presence(tombstone(subject::lease(edge))).await.map(drop)
    }

    /// Everybody attached to a room, by edges living and dead: what counts is told by [`Log::live_edges`].
    pub async fn attached(&self, room: &RoomId) -> Result<Vec<Presence>, ReadError> {
        let records = self.present(&subject::presence_of_room(room)).await?;
        let entries = records.into_iter().filter_map(|record| {
            let (_, user, edge) = subject::parse_presence(&record.subject)?;
            Some(Presence { username: username(&record.payload, &user), user, edge })
        });
        Ok(entries.collect())
    }

    /// The edges whose lease lives.
    pub async fn live_edges(&self) -> Result<HashSet<EdgeId>, ReadError> {
        let records = self.present(subject::LEASES).await?;
        Ok(records.iter().filter_map(|record| subject::parse_lease(&record.subject)).collect())
    }

    /// The edges that have entries, alive or dead. Reads every entry there is: for a look once in a while.
    pub async fn present_edges(&self) -> Result<HashSet<EdgeId>, ReadError> {
        let records = self.present(subject::PRESENCE_OF_ROOMS).await?;
        Ok(records.iter().filter_map(|record| Some(subject::parse_presence(&record.subject)?.2)).collect())
    }

    /// Removes all entries of a dead edge.
    pub async fn forget_edge(&self, edge: &EdgeId) -> Result<(), EraseError> {
        self.broker().purge(Stream::Presence, &subject::presence_of_edge(edge)).await
    }

    async fn present(&self, subject: &str) -> Result<Vec<Record>, ReadError> {
        match self.all_of(Stream::Presence, subject).await {
            Ok(mut records) => {
                records.retain(|record| !record.removal);
                Ok(records)
            }
            // Lost with the broker's memory, and nobody has said anything since.
            Err(ReadError::Gone) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn write_presence(&self, write: Write) -> Result<Written, AppendError> {
        let deadline = Instant::now() + self.options().append_deadline;
        self.write_until(Stream::Presence, write, deadline).await
    }

    fn held_lease(&self, edge: &EdgeId) -> Option<Seq> {
        self.leases().lock().unwrap_or_else(PoisonError::into_inner).get(edge).copied()
    }

    fn hold_lease(&self, edge: &EdgeId, seq: Option<Seq>) {
        let mut leases = self.leases().lock().unwrap_or_else(PoisonError::into_inner);
        match seq {
            Some(seq) => leases.insert(edge.clone(), seq),
            None => leases.remove(edge),
        };
    }
}

fn tombstone(subject: String) -> Write {
    Write { subject, ttl: Some(TOMBSTONE_TTL), tombstone: true, ..Write::default() }
}
