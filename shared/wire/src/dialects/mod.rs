//! Other clients' words for what Klatch does. A dialect translates names, fields and shapes, both ways, and nothing else:
//! it holds no state, decides nothing, and knows no transport.
//!
//! What a client says becomes an [`Ask`]; what happens in a room ([`Happening`]) becomes a [`Spoken`] event, the same for
//! everybody who speaks the dialect. To add one: a file here that implements [`Dialect`], and its place in [`ALL`]: by
//! that it has golden files, and its clients are let in.

mod fields;
mod happening;
mod seed000;
mod seed001;
mod seed002;
mod seed003;

use std::fmt;

use klatch_domain::{MessageId, RoomId, Timestamp, UserId};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub use happening::{Encoded, Happening, Line, Timeline};
pub use seed000::SEED_000;
pub use seed001::{SEED_001, history as history_of_seed_001};
pub use seed002::SEED_002;
pub use seed003::SEED_003;

use crate::Code;
use crate::native::Request;
use crate::native::request::Message;
use crate::native::server::{Failure, Joined, User};

/// Every dialect. Where several share a door, a client there speaks the one that stands first until it uses an event of
/// another.
pub const ALL: &[&dyn Dialect] = &[&SEED_000, &SEED_003, &SEED_001, &SEED_002];

/// A way in: edges open those that a dialect names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Socket.IO's default namespace, with a token in its `auth`.
    Token,
    /// Socket.IO's default namespace, without.
    Plain,
    /// A namespace of Socket.IO's own, where `?userId=` may say who comes.
    Namespace(&'static str),
    /// WebSocket frames of `{"event", "data"}` at a path of their own.
    WebSocket(&'static str),
}

/// The dialects that are spoken at a door.
pub fn at(door: Door) -> impl Iterator<Item = &'static dyn Dialect> {
    ALL.iter().copied().filter(move |dialect| dialect.doors().contains(&door))
}

/// A translation between a client's words and Klatch's.
pub trait Dialect: fmt::Debug + Send + Sync {
    /// Its name, unlike every other's.
    fn name(&self) -> &'static str;

    /// Where its clients come in.
    fn doors(&self) -> &'static [Door];

    /// Whether this is one of the events that a client of it sends.
    fn knows(&self, event: &str) -> bool;

    /// The room that its clients hear from their connection on, without asking.
    fn home(&self) -> Option<RoomId> {
        None
    }

    /// Whether its clients hear what people write to them alone, without asking.
    fn hears_direct(&self) -> bool {
        false
    }

    /// Who a client says it is, where this event says that. Whether it is believed is not decided here.
    fn claim(&self, _: Heard<'_>) -> Option<Result<Claim, Failure>> {
        None
    }

    /// What a client that is known as `speaker` asks for.
    fn read(&self, heard: Heard<'_>, speaker: &User) -> Result<Ask, Failure>;

    /// What its clients hear of something that happened in a room, if anything. `hearer` is one of them: in a direct
    /// room, where there is only one beside the author, it may be named; elsewhere what is said must be the same for all.
    fn tell(&self, happening: &Happening<'_>, hearer: &UserId) -> Option<Spoken>;

    /// What a client hears when it has come into a room, before anything else from there.
    fn joined(&self, _: &Joined) -> Vec<Spoken> {
        Vec::new()
    }

    /// What a client hears when what it said is stored.
    fn sent(&self, _: &Sent<'_>) -> Option<Spoken> {
        None
    }

    /// What a client hears when its event `event` came to nothing.
    fn refused(&self, _event: &str, failure: &Failure) -> Spoken {
        #[derive(Serialize)]
        struct Error<'a> {
            message: &'a str,
            code: Code,
        }
        Spoken::new("error", &Error { message: &failure.message, code: failure.code })
    }
}

/// An event as a client's transport carried it.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// Its name.
    pub event: &'a str,
    /// What came with it.
    pub args: &'a [Value],
}

/// Who a client says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The person.
    pub user_id: Option<UserId>,
    /// Their name.
    pub username: Option<String>,
    /// What proves it.
    pub token: Option<String>,
}

/// What a client asks for, in Klatch's words.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// What a native client asks for with a frame.
    Request(Request),
    /// To say something in a room, and to become a member by that where one isn't.
    SayHere(Message),
    /// To say something to one person alone.
    SayTo {
        /// To whom.
        receiver: UserId,
        /// What.
        message: String,
    },
    /// To hear no more of a room, and stay there for the others to see.
    Quiet(RoomId),
}

/// Something that a client said, stored.
#[derive(Debug)]
pub struct Sent<'a> {
    /// What it had asked for.
    pub message: &'a Message,
    /// Whose it is.
    pub author: &'a User,
    /// The id that it has for ever.
    pub message_id: &'a MessageId,
    /// When it was said, by the edge's clock.
    pub timestamp: Timestamp,
}

/// An event for a client: a name and one value.
#[derive(Debug, Clone)]
pub struct Spoken {
    /// The event.
    pub event: &'static str,
    /// What comes with it, as JSON.
    pub data: Box<RawValue>,
    /// Who of those who speak the dialect is not to hear it: the one whom it comes from.
    pub except: Option<UserId>,
}

impl Spoken {
    /// For everybody.
    pub fn new<T: Serialize + ?Sized>(event: &'static str, data: &T) -> Self {
        let data = serde_json::value::to_raw_value(data).expect("what is said has string keys");
        Spoken { event, data, except: None }
    }

    /// For everybody but one person.
    pub fn to_others<T: Serialize>(event: &'static str, data: &T, except: &UserId) -> Self {
        Spoken { except: Some(except.clone()), ..Spoken::new(event, data) }
    }
}

/// The dialect that CONTRIBUTING.md shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../../CONTRIBUTING.md")]
struct Contributing;

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidField, message)
}

fn unknown(event: &str) -> Failure {
    invalid(format!("there is no event {event:?}"))
}
