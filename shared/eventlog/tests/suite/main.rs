//! One suite over all logs: what is written here holds for the one in memory, for a real nats-server, and for three with
//! three copies of each stream.

mod appends;
mod clear;
mod follow;
mod ground;
mod groups;
mod live;
mod presence;
#[cfg(feature = "faults")]
mod races;
mod reads;
mod setup;
mod tls;
