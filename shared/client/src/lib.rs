//! The Rust client of Klatch: one connection at a time, kept up for as long as the client lives; rooms that stay
//! attached through reconnects, each resumed from its own position; messages that are stored once, however often
//! they had to be sent.
//!
//! ```no_run
//! # async fn example() -> Result<(), klatch_client::Failure> {
//! use klatch_client::{Client, Event, RoomId};
//!
//! let client = Client::builder("ws://127.0.0.1:5004/chat/ws").token("eyJ…").connect().await?;
//! let lobby = RoomId::parse("lobby").expect("a fine id");
//! client.join(&lobby, None).await?;
//! client.send(&lobby, "Hello!").await?;
//! let events = client.events();
//! while let Some(event) = events.next().await {
//!     if let Event::Timeline(event) = event {
//!         println!("{} {:?}", event.seq, event.what);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All that decides lies in `session`, which has no socket and no clock: inputs go in with the time, actions come
//! out, and one loop, `driver`, performs them. What grows has a limit with a name: [`Limits`].

mod backoff;
mod builder;
mod client;
mod connection;
mod driver;
mod ending;
mod event;
mod failure;
mod frame;
mod inbox;
mod limits;
mod outbox;
mod place;
mod recent;
mod requests;
mod rooms;
mod session;
#[cfg(test)]
mod tests;

pub use builder::Builder;
pub use client::{Client, HistoryPage, Window};
pub use ending::{Advice, Ending};
pub use event::{Detached, Event, Happened, TimelineEvent};
pub use failure::Failure;
pub use frame::Frame;
pub use inbox::Events;
pub use limits::Limits;

pub use klatch_domain::{ClientId, Epoch, MessageId, MessageItem, Position, RoomId, Seq, UserId};
pub use klatch_wire::Code;
pub use klatch_wire::native::request::{Message, Request};
pub use klatch_wire::native::server::{Joined, Stored, User};
