//! The names that a recording is written in.
//!
//! They are the checker's own, not `klatch-domain`'s: what is judged must not be able to bend the judge, and a recording
//! must be able to hold an id that the product should have refused.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_name {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

macro_rules! number_name {
    ($($(#[$doc:meta])* $name:ident shown $shown:literal)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $shown, self.0)
            }
        }
    )+};
}

text_name! {
    /// A room's id.
    Room
    /// A person's id.
    Person
    /// An edge process: fresh for each start.
    Edge
    /// A projector process: fresh for each start.
    Projector
    /// One life of the stream.
    Epoch
    /// The server's id of a message.
    MessageId
    /// The client's own id of a send: what makes a retry a retry.
    Key
}

number_name! {
    /// A sequence of the stream; 0 lies before the first.
    Seq shown "#{}"
    /// A WebSocket connection, numbered by the recorder.
    Session shown "session {}"
    /// A request of a session, numbered by the recorder.
    CallId shown "call {}"
    /// Milliseconds since the recording began.
    Moment shown "{} ms"
}
