//! Who is at the other end of a WebSocket: a native client, or one that speaks a dialect in frames of
//! `{"event", "data"}`.

use bytes::Bytes;
use klatch_domain::{Timestamp, UserId};
use klatch_wire::Code;
use klatch_wire::dialects::Dialect;
use klatch_wire::native::ClientFrame;
use klatch_wire::native::server::{self, Failure, Goodbye};
use serde::Deserialize;
use serde_json::Value;

use crate::interpreter::Interpreter;
use crate::outbox::Frame;
use crate::session::Session;
use crate::socket::frame;
use crate::voice::{Carrier, Voice};

/// Works on what the client says.
#[derive(Debug)]
pub(crate) enum Client {
    /// In Klatch's own words.
    Native(Session),
    /// In others.
    Foreign(Interpreter),
}

/// What a client's frames are written in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tongue {
    /// Klatch's own.
    Native,
    /// A dialect.
    Foreign(&'static dyn Dialect),
}

/// Something that a client said, read and not worked on yet.
#[derive(Debug)]
pub(crate) enum Word {
    /// In Klatch's own words.
    Native(ClientFrame),
    /// In others.
    Foreign {
        /// The event.
        event: String,
        /// What came with it.
        data: Option<Value>,
    },
}

/// Something that can't be read or is too much.
#[derive(Debug)]
pub(crate) struct Unheard {
    /// What it was, as far as that is known.
    id: Option<String>,
    event: String,
    /// Why.
    pub failure: Failure,
}

impl Client {
    /// Works on a word to its end.
    pub(crate) async fn handle(&mut self, word: Word) {
        match (self, word) {
            (Client::Native(session), Word::Native(frame)) => session.handle(frame).await,
            (Client::Foreign(interpreter), Word::Foreign { event, data }) => {
                interpreter.hear(&event, data.as_slice()).await;
            }
            (Client::Native(_), Word::Foreign { .. }) | (Client::Foreign(_), Word::Native(_)) => {
                debug_assert!(false, "a word that was read for another client");
            }
        }
    }

    /// When the session must end, unless a newer token comes: `None` while nobody has signed in.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        match self {
            Client::Native(session) => session.expires(),
            Client::Foreign(interpreter) => interpreter.expires(),
        }
    }

    /// Whose session it is; nobody's yet, where there was no token.
    pub(crate) fn user(&self) -> Option<&UserId> {
        match self {
            Client::Native(session) => session.person().map(|person| &person.user_id),
            Client::Foreign(interpreter) => interpreter.user(),
        }
    }
}

impl Tongue {
    /// Reads a frame.
    pub(crate) fn read(self, text: &str) -> Result<Word, Unheard> {
        #[derive(Deserialize)]
        struct Envelope {
            event: String,
            #[serde(default)]
            data: Option<Value>,
        }
        match self {
            Tongue::Native => ClientFrame::parse(text).map(Word::Native).map_err(|bad| Unheard {
                id: bad.id,
                event: String::new(),
                failure: Failure::new(bad.code, bad.message),
            }),
            Tongue::Foreign(_) => match serde_json::from_str(text) {
                Ok(Envelope { event, data }) => Ok(Word::Foreign { event, data }),
                Err(_) => {
                    let why = "a frame is a JSON object {\"event\", \"data\"}";
                    let failure = Failure::new(Code::InvalidFrame, why);
                    Err(Unheard { id: None, event: String::new(), failure })
                }
            },
        }
    }

    /// A frame that says why something came to nothing.
    pub(crate) fn refusal(self, unheard: &Unheard) -> Frame {
        match self {
            Tongue::Native => frame::text(&server::error(unheard.id.as_deref(), &unheard.failure)).into(),
            Tongue::Foreign(dialect) => {
                Voice::new(dialect, Carrier::WebSocket).frame(dialect.refused(&unheard.event, &unheard.failure))
            }
        }
    }

    /// What is said before the server goes, where there are words for it.
    pub(crate) fn goodbye(self, goodbye: &Goodbye) -> Option<Bytes> {
        matches!(self, Tongue::Native).then(|| frame::text(&server::frame("chat.goodbye", goodbye)))
    }

    /// Whether a binary message is answered by an error, rather than by the end of the connection.
    pub(crate) fn bears_binary(self) -> bool {
        matches!(self, Tongue::Foreign(_))
    }

    /// Whether a client must sign in within a time; those of dialects are heard without, and told so with each event.
    pub(crate) fn signs_in(self) -> bool {
        matches!(self, Tongue::Native)
    }
}

impl Word {
    /// The same, refused.
    pub(crate) fn refused(self, failure: Failure) -> Unheard {
        match self {
            Word::Native(frame) => Unheard { id: frame.id.map(|id| id.to_string()), event: String::new(), failure },
            Word::Foreign { event, .. } => Unheard { id: None, event, failure },
        }
    }
}

impl Unheard {
    /// A message that is no text.
    pub(crate) fn binary() -> Self {
        let failure = Failure::new(Code::InvalidFrame, "binary messages are not taken");
        Unheard { id: None, event: String::new(), failure }
    }

    /// For another reason.
    pub(crate) fn because(self, failure: Failure) -> Self {
        Unheard { failure, ..self }
    }
}
