//! The notifier at work: a real nats-server, real HTTP receivers.

mod delivering;
mod receiver;
mod scene;
mod telling;
mod trouble;
