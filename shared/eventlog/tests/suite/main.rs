//! One suite over both logs: what is written here holds for the one in memory and for a real nats-server.

mod appends;
mod clear;
mod follow;
mod ground;
mod live;
mod presence;
mod reads;
mod setup;
mod tls;
