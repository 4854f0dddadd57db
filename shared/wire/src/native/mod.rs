//! The native protocol: `GET /chat/ws`, text frames of `{"event", "data", "id"?}`.

pub mod catalogue;
pub mod client;
mod object;
pub mod request;
pub mod server;

pub use client::{BadFrame, ClientFrame};
pub use request::Request;
