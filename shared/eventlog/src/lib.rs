//! The event log: what a room has seen, in order, for ever; and what comes live from it.

mod append;
mod error;
mod follow;
mod live;
mod log;
mod marks;
mod options;
mod presence;
mod read;
mod stored;
pub mod subject;

pub use append::{Append, Entry, Outcome};
pub use error::{AppendError, EraseError, FollowError, LostWhy, OpenError, QueryError, ReadError};
pub use follow::{Follow, FollowBatch, FollowMarks, MarkBatch};
pub use live::{LiveEvent, LiveLeases, LiveMembers, LiveRoom};
pub use log::Log;
pub use marks::{Marked, Marks};
pub use options::{Credentials, Options};
pub use presence::{EdgeId, LeaseEvent, Presence, Renewal};
pub use read::Range;
pub use stored::Stored;
