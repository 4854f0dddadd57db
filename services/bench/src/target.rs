//! What clients are pointed at: Klatch, or a bare hub that does nothing but hand frames on. Both are told and tell the
//! same bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use klatch_domain::{Event, MessageId, MessageSent, MessageType, RoomId, Seq, Timestamp, UserId};
use klatch_wire::native::server::positioned;
use serde_json::json;

use crate::error::Error;
use crate::socket::{Dial, Socket};

/// Makes a token that the edge under test takes.
pub type Tokens = Arc<dyn Fn(&UserId) -> String + Send + Sync>;

/// Where clients connect, and how they are taken.
#[derive(Clone)]
pub(crate) enum Target {
    /// An edge.
    Klatch {
        /// Where it listens.
        address: SocketAddr,
        /// For its people.
        tokens: Tokens,
    },
    /// A hub that takes anybody; the path of the upgrade is the room.
    Bare {
        /// Where it listens.
        address: SocketAddr,
    },
}

/// A client to be.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// Counts from 0 in each swarm.
    pub(crate) number: usize,
    pub(crate) user: UserId,
    pub(crate) room: RoomId,
}

impl Person {
    /// Somebody in a room, by their number.
    pub(crate) fn new(number: usize, room: &RoomId) -> Person {
        Person { number, user: user(number), room: room.clone() }
    }
}

/// The person of a number.
pub(crate) fn user(number: usize) -> UserId {
    UserId::parse(format!("u{number}")).expect("short and plain")
}

/// The room of a number.
pub(crate) fn room(number: usize) -> RoomId {
    RoomId::parse(format!("r{number}")).expect("short and plain")
}

impl Target {
    /// Connects somebody, signed in, attached to nothing.
    pub(crate) async fn open(&self, person: &Person, receive_bytes: Option<usize>) -> Result<Socket, Error> {
        match self {
            Target::Bare { address } => {
                let path = format!("/{}", person.room);
                let dial = Dial { address: *address, path: &path, token: None, number: person.number, receive_bytes };
                Socket::open(dial).await
            }
            Target::Klatch { address, tokens } => {
                let token = tokens(&person.user);
                let (path, token) = ("/chat/ws", Some(token.as_str()));
                let dial = Dial { address: *address, path, token, number: person.number, receive_bytes };
                let mut socket = Socket::open(dial).await?;
                socket.next_with("\"chat.welcome\"").await?;
                Ok(socket)
            }
        }
    }

    /// Connects somebody and attaches them to their room.
    pub(crate) async fn join(&self, person: &Person, receive_bytes: Option<usize>) -> Result<Socket, Error> {
        let mut socket = self.open(person, receive_bytes).await?;
        if let Target::Klatch { .. } = self {
            // A page of one item: what is measured is not the newest page.
            let join = json!({"event": "chat.join", "id": "join", "data": {"roomId": person.room, "limit": 1}});
            socket.send(&crate::frames::text(join.to_string().as_bytes())).await?;
            socket.next_with("\"event\":\"ack\",\"id\":\"join\"").await?;
        }
        Ok(socket)
    }

    /// The frame by which somebody says something. A bare hub is given what it is to tell: the very bytes of an edge.
    pub(crate) fn say(&self, person: &Person, id: &str, text: &str) -> Vec<u8> {
        match self {
            Target::Klatch { .. } => {
                let data = json!({"roomId": person.room, "message": text});
                crate::frames::text(json!({"event": "chat.message", "id": id, "data": data}).to_string().as_bytes())
            }
            Target::Bare { .. } => {
                let event = Event::MessageSent(message(&person.room, &person.user, &random_id(), text));
                crate::frames::text(&positioned(Seq(123_457), Some(Seq(123_456)), &event.encode()))
            }
        }
    }
}

/// An id as long as those that messages have.
pub(crate) fn random_id() -> MessageId {
    MessageId::parse(uuid::Uuid::new_v4().simple().to_string()).expect("32 plain characters")
}

/// A message as it is stored.
pub(crate) fn message(room: &RoomId, user: &UserId, id: &MessageId, text: &str) -> MessageSent {
    MessageSent {
        room_id: room.clone(),
        message_id: id.clone(),
        user_id: user.clone(),
        username: user.to_string(),
        avatar: None,
        message: text.to_owned(),
        message_type: MessageType::Text,
        timestamp: now(),
        reply_to: None,
        attachments: Vec::new(),
        mentions: Vec::new(),
    }
}

/// The present, for stored events.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
