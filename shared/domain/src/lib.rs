//! What a chat is: ids, what can have happened ([`Event`]), what may be asked ([`commands`]), and the two pure
//! functions everything else stands on: `decide(facts, command) -> Decision | Refusal` and `evolve(state, event)`.
//!
//! Invariants: no I/O, no clock, no randomness, no tokio; time and ids come in as arguments. `evolve` is total.
//! A test reads the dependency tree and fails when that stops being true.

pub mod authority;
pub mod commands;
pub mod decision;
pub mod event;
pub mod id;
pub mod member;
pub mod message;
#[cfg(test)]
mod properties;
pub mod refusal;
pub mod room;
pub mod roster;
pub mod time;
pub mod timeline;

pub use commands::{Actor, Command, Facts, Needs, Reference, Referred};
pub use decision::{Decision, Draft, Guard, Known};
pub use event::{Address, Event, EventName};
pub use id::{ClientId, Epoch, InvalidId, MessageId, Position, RoomId, Seq, UserId};
pub use member::{Cause, Change, MemberChanged, Membership, Mute, Role, Standing};
pub use message::{Attachment, MessageDeleted, MessageEdited, MessageSent, MessageType};
pub use refusal::Refusal;
pub use room::{Access, HistoryFrom, Room, RoomInfo, RoomType, RoomUpdated, Settings};
pub use roster::{Roster, Seat};
pub use time::Timestamp;
pub use timeline::{Entry, Message, MessageItem, Timeline, Tombstone};
