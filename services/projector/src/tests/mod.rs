//! The projector as a whole: its properties over random logs, and its behaviour over a real broker.

mod erasing;
mod history;
mod properties;
mod recovery;
mod running;
pub(crate) mod scene;
mod service;
mod standing;
