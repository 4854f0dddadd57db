//! The log, on JetStream or in memory.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use klatch_domain::{Address, Epoch, RoomId, Seq, UserId};
use tokio::sync::watch;

use crate::append::{Append, Outcome};
use crate::error::{AppendError, EraseError, OpenError, QueryError, ReadError};
use crate::follow::{Follow, FollowMarks};
use crate::live::{LiveLeases, LiveMembers, LiveRoom};
use crate::marks::Marks;
use crate::options::Options;
use crate::presence::{EdgeId, Presence, Renewal};
use crate::read::Range;
use crate::stored::Stored;

/// The log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {}

#[allow(unused_variables)]
impl Log {
    /// Connects, creates or verifies the streams, reads the epoch.
    pub async fn open(options: Options) -> Result<Log, OpenError> {
        unimplemented!()
    }

    /// The twin in memory.
    pub fn memory() -> Log {
        unimplemented!()
    }

    /// The epoch as last read.
    pub fn epoch(&self) -> Epoch {
        unimplemented!()
    }

    /// Reads the epoch again.
    pub async fn refresh_epoch(&self) -> Result<Epoch, ReadError> {
        unimplemented!()
    }

    /// Begins a new epoch: every position given out so far is void.
    pub async fn renew_epoch(&self) -> Result<Epoch, ReadError> {
        unimplemented!()
    }

    /// Appends one decision.
    pub async fn append(&self, append: Append) -> Result<Outcome, AppendError> {
        unimplemented!()
    }

    /// The last event at an address, asked of the leader.
    pub async fn last(&self, address: &Address) -> Result<Option<Stored>, ReadError> {
        unimplemented!()
    }

    /// The event at a sequence; none where it was erased or never was.
    pub async fn get(&self, seq: Seq) -> Result<Option<Stored>, ReadError> {
        unimplemented!()
    }

    /// The stream's last sequence.
    pub async fn last_seq(&self) -> Result<Seq, ReadError> {
        unimplemented!()
    }

    /// The room's timeline in (after, up_to], oldest first.
    pub async fn timeline(
        &self,
        room: &RoomId,
        after: Seq,
        up_to: Seq,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Range, ReadError> {
        unimplemented!()
    }

    /// The last timeline sequence of each room.
    pub async fn last_timelines(&self, rooms: &[RoomId]) -> Result<Vec<Option<Seq>>, ReadError> {
        unimplemented!()
    }

    /// Follows all events after a sequence.
    pub fn follow(&self, after: Seq) -> Follow {
        unimplemented!()
    }

    /// A room's events from now on.
    pub async fn live_room(&self, room: &RoomId) -> Result<LiveRoom, ReadError> {
        unimplemented!()
    }

    /// Every member event from now on.
    pub async fn live_members(&self) -> Result<LiveMembers, ReadError> {
        unimplemented!()
    }

    /// Every lease from now on.
    pub async fn live_leases(&self) -> Result<LiveLeases, ReadError> {
        unimplemented!()
    }

    /// Counts what may have cost live messages: reconnects, slow consumers.
    pub fn disruptions(&self) -> watch::Receiver<u64> {
        unimplemented!()
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        unimplemented!()
    }

    /// Publishes that somebody is attached.
    pub async fn attach(&self, room: &RoomId, user: &UserId, edge: &EdgeId, username: &str) -> Result<(), AppendError> {
        unimplemented!()
    }

    /// Publishes that somebody is attached no more.
    pub async fn detach(&self, room: &RoomId, user: &UserId, edge: &EdgeId) -> Result<(), AppendError> {
        unimplemented!()
    }

    /// Renews an edge's lease.
    pub async fn renew_lease(&self, edge: &EdgeId, ttl: Duration) -> Result<Renewal, AppendError> {
        unimplemented!()
    }

    /// Ends an edge's lease.
    pub async fn end_lease(&self, edge: &EdgeId) -> Result<(), AppendError> {
        unimplemented!()
    }

    /// Everybody attached to a room, by edges living and dead: compare with [`Log::live_edges`].
    pub async fn attached(&self, room: &RoomId) -> Result<Vec<Presence>, ReadError> {
        unimplemented!()
    }

    /// The edges whose lease lives.
    pub async fn live_edges(&self) -> Result<HashSet<EdgeId>, ReadError> {
        unimplemented!()
    }

    /// Removes all entries of a dead edge.
    pub async fn forget_edge(&self, edge: &EdgeId) -> Result<(), EraseError> {
        unimplemented!()
    }

    /// Moves somebody's marks forward; never back.
    pub async fn mark(&self, room: &RoomId, user: &UserId, marks: Marks) -> Result<Marks, AppendError> {
        unimplemented!()
    }

    /// Somebody's marks.
    pub async fn marks(&self, room: &RoomId, user: &UserId) -> Result<Marks, ReadError> {
        unimplemented!()
    }

    /// Follows all marks after a sequence of their own stream.
    pub fn follow_marks(&self, after: Seq) -> FollowMarks {
        unimplemented!()
    }

    /// Tells a room that somebody types; never stored.
    pub async fn typing(&self, room: &RoomId, user: &UserId, payload: Bytes) {
        unimplemented!()
    }

    /// Asks a query of the projector.
    pub async fn request(&self, query: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, QueryError> {
        unimplemented!()
    }

    /// The connection, where there is one.
    pub fn client(&self) -> Option<&async_nats::Client> {
        unimplemented!()
    }

    /// Erases a message for good; one already gone is fine.
    pub async fn erase(&self, seq: Seq) -> Result<(), EraseError> {
        unimplemented!()
    }
}
