//! One connected client: who it is, what it is attached to, and what becomes of each of its frames.
//!
//! Frames are worked on one after the other, in the order in which they came; each with an `id` gets exactly one
//! `ack` or `error`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use klatch_domain::{ClientId, RoomId, Seq, Timestamp, UserId};
use klatch_eventlog::Marks;
use klatch_wire::native::request::Auth;
use klatch_wire::native::server::{self, Failure, Retry, User, Welcome};
use klatch_wire::native::{ClientFrame, Request};
use klatch_wire::{CloseCode, Code, ShownLimits};
use uuid::Uuid;

use crate::hub::Hub;
use crate::outbox::Outbox;
use crate::people::{Connection, Rate};
use crate::room::Room;
use crate::session_id::SessionId;
use crate::socket::frame;
use crate::token::Person;

mod attach;
mod command;
mod query;

/// Typing frames a second that one session passes on, on average, over all its rooms.
const TYPING_PER_SECOND: u32 = 4;
/// Typing frames at once.
const TYPING_BURST: u32 = 20;

/// What a request comes to: the data of its ack, already written, or why not.
type Answer = Result<Ack, Failure>;

/// The data of an ack.
struct Ack(Box<dyn FnOnce(&str) -> Bytes + Send>);

impl Ack {
    fn of<T: serde::Serialize + Send + 'static>(data: T) -> Self {
        Ack(Box::new(move |id| server::ack(id, &data)))
    }
}

/// A client's session.
#[derive(Debug)]
pub(crate) struct Session {
    hub: Arc<Hub>,
    id: SessionId,
    outbox: Arc<Outbox>,
    identity: Identity,
    rooms: HashMap<RoomId, Arc<Room>>,
    typing_told: HashMap<RoomId, Told>,
    typing: Rate,
}

#[derive(Debug)]
enum Identity {
    /// No token yet.
    Unknown,
    /// A token that holds.
    Known { person: Person, connection: Connection },
}

impl Session {
    /// Somebody connected; nobody knows yet who.
    pub(crate) fn new(hub: Arc<Hub>, outbox: Arc<Outbox>) -> Self {
        Session {
            id: hub.next_session(),
            outbox,
            identity: Identity::Unknown,
            rooms: HashMap::new(),
            typing_told: HashMap::new(),
            typing: Rate::new(TYPING_PER_SECOND, TYPING_BURST),
            hub,
        }
    }

    /// The upgrade brought a token that holds: says welcome, unless the person has too many connections.
    pub(crate) fn admit(&mut self, person: Person) -> Result<(), Failure> {
        let connection = self.hub.people.connect(&person.user_id, self.id, self.outbox.clone())?;
        let welcome = Welcome {
            session_id: Uuid::now_v7().to_string(),
            user: User { user_id: person.user_id.clone(), username: person.username.clone() },
            limits: ShownLimits::from(&self.hub.config.limits),
            server_time: self.hub.now(),
            retry: Retry::default(),
        };
        self.identity = Identity::Known { person, connection };
        self.tell(server::frame("chat.welcome", &welcome));
        Ok(())
    }

    /// When the session must end, unless a newer token comes: `None` while nobody has signed in.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        match &self.identity {
            Identity::Unknown => None,
            Identity::Known { person, .. } => Some(person.expires),
        }
    }

    /// Works on one frame to its end; what there is to say lies in the outbox then.
    pub(crate) async fn handle(&mut self, frame: ClientFrame) {
        let id = frame.id.clone();
        let answer = self.answer(frame).await;
        let id = id.as_ref().map(ClientId::as_str);
        match (answer, id) {
            (Ok(Ack(write)), Some(id)) => self.tell(write(id)),
            (Ok(_), None) => {}
            (Err(failure), id) => {
                self.hub.metrics.refused(failure.code);
                self.tell(server::error(id, &failure));
            }
        }
    }

    /// Whose session it is; nobody's yet, where there was no token.
    pub(crate) fn user(&self) -> Option<&UserId> {
        match &self.identity {
            Identity::Unknown => None,
            Identity::Known { person, .. } => Some(&person.user_id),
        }
    }

    async fn answer(&mut self, frame: ClientFrame) -> Answer {
        if let Request::Auth(auth) = &frame.request {
            return self.auth(auth).await;
        }
        let Identity::Known { person, connection } = &self.identity else {
            return Err(Failure::new(Code::NotAuthenticated, "send chat.auth with a token first"));
        };
        if person.expires <= self.hub.now() {
            return Err(Failure::new(Code::TokenExpired, "the token has expired: send chat.auth with a newer one"));
        }
        let person = person.clone();
        if is_stored(&frame.request) {
            connection.sends.take("messages and commands")?;
        }
        match frame.request {
            Request::Auth(_) => unreachable!("answered above"),
            Request::Ping(_) => Ok(Ack::of(server::Pong { server_time: self.hub.now() })),
            Request::Join(join) => self.join(&person, join).await,
            Request::Leave(leave) => self.leave(leave),
            Request::Typing(typing) => self.typing(&person, typing).await,
            Request::Delivered(mark) => self.mark(&person, mark, |seq| Marks { delivered: seq, read: Seq::ZERO }).await,
            Request::Read(mark) => self.mark(&person, mark, |seq| Marks { delivered: seq, read: seq }).await,
            Request::History(history) => self.history(&person, history).await,
            Request::Rooms(rooms) => self.list_rooms(&person, rooms).await,
            Request::Members(members) => self.members(&person, members).await,
            Request::Presence(room) => self.presence(&person, room).await,
            request => self.command(&person, request, frame.id).await,
        }
    }

    /// A first token, or a newer one of the same person.
    async fn auth(&mut self, auth: &Auth) -> Answer {
        let person = self.hub.verifier.verify_anew(&auth.token).await?;
        match &mut self.identity {
            Identity::Unknown => {
                let user = User { user_id: person.user_id.clone(), username: person.username.clone() };
                if let Err(failure) = self.admit(person) {
                    self.outbox.close(CloseCode::TooManyConnections);
                    return Err(failure);
                }
                Ok(Ack::of(user))
            }
            Identity::Known { person: known, .. } if known.user_id == person.user_id => {
                let user = User { user_id: person.user_id.clone(), username: person.username.clone() };
                *known = person;
                Ok(Ack::of(user))
            }
            Identity::Known { .. } => {
                Err(Failure::new(Code::Forbidden, "a session stays with its person: connect anew for another"))
            }
        }
    }

    fn tell(&self, json: Bytes) {
        self.outbox.answer(frame::text(&json));
    }

    /// Whether to pass it on: each change, and once in a while that somebody still writes; all of it within a rate, so
    /// that changing to and fro is no flood.
    fn typing_is_due(&mut self, room: &RoomId, is_typing: bool) -> bool {
        let pause = Duration::from_millis(self.hub.config.limits.typing_ms_min);
        let is_news = match self.typing_told.get(room) {
            None => is_typing,
            Some(told) => told.is_typing != is_typing || (is_typing && told.at.elapsed() >= pause),
        };
        let is_due = is_news && self.typing.take("typing frames").is_ok();
        if is_due {
            self.typing_told.insert(room.clone(), Told { at: Instant::now(), is_typing });
        }
        is_due
    }
}

/// The last that a room was told of a session's typing.
#[derive(Debug)]
struct Told {
    at: Instant,
    is_typing: bool,
}

impl Drop for Session {
    /// The client is gone, or must go.
    fn drop(&mut self) {
        for room in self.rooms.values() {
            room.leave(self.id);
        }
    }
}

/// Whether a request stores an event of somebody's own making, and so counts against the person's rate.
fn is_stored(request: &Request) -> bool {
    !matches!(
        request,
        Request::Auth(_)
            | Request::Ping(_)
            | Request::Join(_)
            | Request::Leave(_)
            | Request::Typing(_)
            | Request::Delivered(_)
            | Request::Read(_)
            | Request::History(_)
            | Request::Rooms(_)
            | Request::Members(_)
            | Request::Presence(_)
    )
}
