//! What Klatch says to clients and hears from them: frames, error and close codes, limits. Pure: bytes in, types
//! out, and back; no I/O, no clock.
//!
//! [`native`] is the protocol of `GET /chat/ws`; [`dialects`] are other clients' words for the same; [`query`] is what
//! edges ask the projector, [`account`] what they ask the accounts.

pub mod account;
pub mod close;
pub mod code;
pub mod dialects;
pub mod limits;
pub mod native;
pub mod query;

pub use close::CloseCode;
pub use code::Code;
pub use limits::{Limits, ShownLimits};
