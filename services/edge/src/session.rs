//! One connected client: who it is, what it is attached to, and what becomes of each of its requests.
//!
//! Requests are worked on one after the other, in the order in which they came. Whose words they came in is not known
//! here: [`native`] and the [interpreter](crate::interpreter) read and answer them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use klatch_domain::{ClientId, Position, RoomId, Seq, Timestamp};
use klatch_eventlog::Marks;
use klatch_service::traces;
use klatch_wire::native::Request;
use klatch_wire::native::request::{Auth, InRoom};
use klatch_wire::native::server::{Failure, Pong, Presence, Receipt, Stored, User};
use klatch_wire::query::{HistoryResponse, MembersResponse, RoomsResponse};
use klatch_wire::{CloseCode, Code};
use serde::Serialize;
use tracing::Instrument;

use crate::hub::Hub;
use crate::outbox::Outbox;
use crate::people::{Connection, Doorbell, Ear, Rate};
use crate::room::Room;
use crate::session_id::SessionId;
use crate::token::Person;
use crate::voice::Voice;

mod attach;
mod command;
mod direct;
mod native;
mod query;

/// Typing frames a second that one session passes on, on average, over all its rooms.
const TYPING_PER_SECOND: u32 = 4;
/// Typing frames at once.
const TYPING_BURST: u32 = 20;

/// What a request comes to.
pub(crate) type Answer = Result<Reply, Failure>;

/// The data of an ack.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Reply {
    /// It stored something.
    Stored(Stored),
    /// A room is attached, and stood there.
    Joined(Position),
    /// It was about a room, and is done.
    Room(InRoom),
    /// This is who the session is.
    User(User),
    /// The server is there.
    Pong(Pong),
    /// Marks have moved.
    Marked(Receipt),
    /// Who is attached.
    Presence(Presence),
    /// A page of history.
    History(HistoryResponse),
    /// A page of rooms.
    Rooms(RoomsResponse),
    /// A page of members.
    Members(MembersResponse),
}

/// A client's session.
#[derive(Debug)]
pub(crate) struct Session {
    hub: Arc<Hub>,
    id: SessionId,
    outbox: Arc<Outbox>,
    voice: Voice,
    identity: Identity,
    rooms: HashMap<RoomId, Arc<Room>>,
    /// Where the log stood when the client connected, if that is known.
    came_at: Option<Seq>,
    /// What of rooms of two was handed on before something went wrong: it is not handed on again.
    handed_on: HashMap<RoomId, Seq>,
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
    /// Somebody connected, who is spoken to like this; nobody knows yet who.
    pub(crate) fn new(hub: Arc<Hub>, outbox: Arc<Outbox>, voice: Voice) -> Self {
        Session {
            id: hub.next_session(),
            outbox,
            voice,
            identity: Identity::Unknown,
            rooms: HashMap::new(),
            came_at: None,
            handed_on: HashMap::new(),
            typing_told: HashMap::new(),
            typing: Rate::new(TYPING_PER_SECOND, TYPING_BURST),
            hub,
        }
    }

    /// It is known who this is; refused where the person has too many connections.
    pub(crate) fn admit(&mut self, person: Person, doorbell: Option<Doorbell>) -> Result<(), Failure> {
        let ear = Ear { session: self.id, outbox: self.outbox.clone(), voice: self.voice, doorbell };
        let connection = self.hub.people.connect(&person.user_id, ear)?;
        self.outbox.belongs_to(&person.user_id);
        self.identity = Identity::Known { person, connection };
        Ok(())
    }

    /// The same person has shown anew who they are.
    pub(crate) fn renew(&mut self, person: Person) {
        if let Identity::Known { person: known, .. } = &mut self.identity {
            *known = person;
        }
    }

    /// When the session must end, unless a newer token comes: `None` while nobody has signed in.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.person().map(|person| person.expires)
    }

    /// Whose session it is; nobody's yet, where there was no token.
    pub(crate) fn person(&self) -> Option<&Person> {
        match &self.identity {
            Identity::Unknown => None,
            Identity::Known { person, .. } => Some(person),
        }
    }

    /// Works on one request to its end. With an `id` of the client's own it may be repeated safely.
    pub(crate) async fn perform(&mut self, request: Request, id: Option<ClientId>) -> Answer {
        let span = tracing::trace_span!(
            target: traces::TARGET,
            "edge.request",
            otel.kind = "server",
            event = request.event(),
            code = tracing::field::Empty,
        );
        let answer = self.carry_out(request, id).instrument(span.clone()).await;
        if let Err(failure) = &answer {
            span.record("code", failure.code.as_str());
        }
        answer
    }

    async fn carry_out(&mut self, request: Request, id: Option<ClientId>) -> Answer {
        if let Request::Auth(auth) = &request {
            return self.auth(auth).await;
        }
        let Identity::Known { person, connection } = &self.identity else {
            return Err(Failure::new(Code::NotAuthenticated, "send chat.auth with a token first"));
        };
        if person.expires <= self.hub.now() {
            return Err(Failure::new(Code::TokenExpired, "the token has expired: send chat.auth with a newer one"));
        }
        let person = person.clone();
        if is_stored(&request) {
            connection.sends.take("messages and commands")?;
        }
        match request {
            Request::Auth(_) => unreachable!("answered above"),
            Request::Ping(_) => Ok(Reply::Pong(Pong { server_time: self.hub.now() })),
            Request::Join(join) => self.join(&person, join).await.map(Reply::Joined),
            Request::Leave(leave) => Ok(Reply::Room(self.leave(leave))),
            Request::Typing(typing) => self.typing(&person, typing).await.map(Reply::Room),
            Request::Delivered(mark) => self.mark(&person, mark, |seq| Marks { delivered: seq, read: Seq::ZERO }).await,
            Request::Read(mark) => self.mark(&person, mark, |seq| Marks { delivered: seq, read: seq }).await,
            Request::History(history) => self.history(&person, history).await.map(Reply::History),
            Request::Rooms(rooms) => self.list_rooms(&person, rooms).await.map(Reply::Rooms),
            Request::Members(members) => self.members(&person, members).await.map(Reply::Members),
            Request::Presence(room) => self.presence(&person, room).await.map(Reply::Presence),
            request => self.command(&person, request, id).await.map(Reply::Stored),
        }
    }

    /// A first token, or a newer one of the same person.
    async fn auth(&mut self, auth: &Auth) -> Answer {
        let person = self.hub.verifier.verify_anew(&auth.token).await?;
        let user = person.user();
        match &mut self.identity {
            Identity::Unknown => {
                if let Err(failure) = self.admit(person, None) {
                    self.outbox.close(CloseCode::TooManyConnections);
                    return Err(failure);
                }
                self.welcome();
                Ok(Reply::User(user))
            }
            Identity::Known { person: known, .. } if known.user_id == person.user_id => {
                *known = person;
                Ok(Reply::User(user))
            }
            Identity::Known { .. } => {
                Err(Failure::new(Code::Forbidden, "a session stays with its person: connect anew for another"))
            }
        }
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
