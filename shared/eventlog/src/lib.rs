//! The event log: what happened in every room, in order, for ever; and what comes live from it.
//!
//! A command is a conditional append: the stream stores an event only while the subject that its guard names has the last
//! sequence that the decision stood on. So nobody's message lands after their removal, on any edge, with no central
//! decider. What the stream stored it republishes, and [`LiveRoom`] makes of that an order without repeats and gaps.
//!
//! One type, [`Log`], over two brokers: JetStream, and a twin in memory with faults on demand. The brokers offer small
//! verbs with one try each; whatever is built of them (queues, retries, gap filling, presence) is written once, above.
//!
//! ```text
//! append.rs   Append → queue.rs (one at a time per person and room) → group.rs (alone, or with others where the broker is
//!             slow) → write, retry, settle what is unclear → Outcome
//! live/       republish → chain.rs (next, old, gap) → LiveRoom; patrol.rs compares every live room with the stream
//! read.rs     one, the last, a range, the last of many
//! follow.rs   everything from a sequence on
//! push.rs     jobs for the notifier: put, taken by a durable consumer, given up
//! presence.rs marks.rs epoch.rs     subject.rs streams.rs consumers.rs: the only places that spell a subject, a stream,
//!             a consumer
//! broker.rs   the verbs; jetstream/ and memory/ offer them
//! ```

mod append;
mod broker;
mod clock;
mod consumers;
mod epoch;
mod error;
mod follow;
mod group;
mod jetstream;
mod live;
mod log;
mod marks;
pub mod memory;
mod numbers;
mod options;
mod pace;
mod presence;
mod push;
mod queue;
mod read;
mod sabotage;
mod seen;
mod stored;
mod streams;
pub mod subject;

pub use append::{Append, ENTRIES_MAX, Entry, Outcome};
pub use clock::Clock;
pub use consumers::{Consumer, WebhookName};
pub use error::{AppendError, EraseError, FollowError, LostWhy, OpenError, QueryError, ReadError};
pub use follow::{Follow, FollowBatch, FollowMarks, MarkBatch};
pub use jetstream::{AccountLimits, AccountUse, Inspection, StreamFound, Unseen, connect};
pub use live::{LiveEvent, LiveFacts, LiveLeases, LiveRoom};
pub use log::Log;
pub use marks::{Marked, Marks};
pub use options::{Credentials, Grouping, Missing, Options, Tls};
pub use presence::{EdgeId, LeaseEvent, Presence, Renewal};
pub use push::trace_of_job;
pub use read::Range;
pub use sabotage::Sabotage;
pub use seen::Seen;
pub use stored::Stored;
pub use streams::{Stream, epoch_of};
