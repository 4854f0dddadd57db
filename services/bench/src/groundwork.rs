//! What is in the log before a measurement begins: rooms, members, messages, stored as an edge would have stored them, but
//! straight into the stream, where a million takes seconds.

use std::collections::VecDeque;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishAckFuture;
use bytes::Bytes;
use klatch_domain::{
    Access, Cause, Event, HistoryFrom, Membership, MessageId, Role, RoomId, RoomInfo, RoomType, Settings, Standing,
    UserId,
};
use klatch_eventlog::subject;

use crate::error::Error;
use crate::target::{message, now, random_id};

/// Publishes that wait for their acknowledgement at once; beyond it the server drops rather than queues.
const IN_FLIGHT: usize = 1_024;

/// Publishes one after the other, and waits for the acknowledgements behind.
pub(crate) struct Groundwork {
    context: Context,
    in_flight: VecDeque<PublishAckFuture>,
}

impl Groundwork {
    /// Over a connection of its own.
    pub(crate) fn over(client: async_nats::Client) -> Groundwork {
        Groundwork { context: async_nats::jetstream::new(client), in_flight: VecDeque::new() }
    }

    /// An open room with these members, the first its owner.
    pub(crate) async fn room(&mut self, room: &RoomId, members: impl IntoIterator<Item = UserId>) -> Result<(), Error> {
        let mut members = members.into_iter().peekable();
        let Some(owner) = members.peek().cloned() else { return Ok(()) };
        self.store(&Event::Room(info(room, &owner)), None).await?;
        for user in members {
            let role = if user == owner { Role::Owner } else { Role::Member };
            self.store(&Event::Member(membership(room, &user, role)), None).await?;
        }
        Ok(())
    }

    /// Something that somebody said.
    pub(crate) async fn say(&mut self, room: &RoomId, user: &UserId, text: &str) -> Result<(), Error> {
        let id = random_id();
        self.store(&Event::MessageSent(message(room, user, &id, text)), Some(&id)).await
    }

    /// Returns once everything is acknowledged.
    pub(crate) async fn finish(mut self) -> Result<(), Error> {
        while self.acknowledged().await? {}
        Ok(())
    }

    async fn store(&mut self, event: &Event, id: Option<&MessageId>) -> Result<(), Error> {
        let subject = subject::event(&event.address());
        let payload = Bytes::from(event.encode());
        let mut headers = HeaderMap::new();
        if let Some(id) = id {
            headers.insert(async_nats::header::NATS_MESSAGE_ID, id.as_str());
        }
        let publishing = self.context.publish_with_headers(subject, headers, payload);
        let ack = publishing.await.map_err(|error| failed(&error))?;
        self.in_flight.push_back(ack);
        if self.in_flight.len() >= IN_FLIGHT {
            self.acknowledged().await?;
        }
        Ok(())
    }

    /// Waits for the oldest; false where none is left.
    async fn acknowledged(&mut self) -> Result<bool, Error> {
        let Some(oldest) = self.in_flight.pop_front() else { return Ok(false) };
        oldest.await.map_err(|error| failed(&error))?;
        Ok(true)
    }
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::Broker { doing: "laying the groundwork", cause: error.to_string() }
}

fn info(room: &RoomId, owner: &UserId) -> RoomInfo {
    RoomInfo {
        room_id: room.clone(),
        room_type: RoomType::Group,
        name: room.to_string(),
        owners: vec![owner.clone()],
        settings: Settings { access: Access::Open, history: HistoryFrom::Beginning },
        archived: false,
        created_by: owner.clone(),
        created_at: now(),
        timestamp: now(),
    }
}

fn membership(room: &RoomId, user: &UserId, role: Role) -> Membership {
    Membership {
        room_id: room.clone(),
        user_id: user.clone(),
        username: user.to_string(),
        avatar: None,
        standing: Standing::Joined,
        role,
        muted: None,
        cause: Cause::Created,
        timestamp: now(),
    }
}
