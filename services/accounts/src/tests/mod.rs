//! Accounts over a real nats-server: several desks are several copies of the service.

mod codes;
mod copies;
mod mails;
mod scene;
mod sessions;
mod uniqueness;
