//! What every service is made of: configuration, telemetry, health, drain, metrics, traces, guarded requests to other
//! people's servers, and children that do not outlive us.
//!
//! Nothing here knows a chat, a frame or an event; a service's `run(config, shutdown)` is told what it needs and hands
//! back conditions and numbers that an outer surface (HTTP, the command line) shows.

pub mod config;
pub mod drain;
pub mod health;
pub mod metrics;
pub mod outgoing;
pub mod secret;
pub mod shutdown;
pub mod surface;
pub mod telemetry;
pub mod tether;
pub mod traces;

pub use drain::Drain;
pub use health::{Condition, Health};
pub use metrics::Metrics;
pub use secret::Secret;
