//! What is known of one life of the stream. In another life sequences begin anew: what was known by them is void, and must
//! not be compared with what comes.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use klatch_domain::Epoch;
use klatch_eventlog::Log;

/// Something that is forgotten when the stream is another one.
#[derive(Debug)]
pub(crate) struct OfLife<T> {
    log: Log,
    held: Mutex<Held<T>>,
}

/// What is known of the present life.
#[derive(Debug, Default)]
pub(crate) struct Held<T> {
    epoch: Option<Epoch>,
    known: T,
}

impl<T: Default> OfLife<T> {
    /// Nothing known yet.
    pub(crate) fn new(log: Log) -> Self {
        OfLife { log, held: Mutex::default() }
    }

    /// What is known of the life that the log is in by now.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held<T>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = self.log.epoch();
        if held.epoch != Some(epoch) {
            *held = Held { epoch: Some(epoch), known: T::default() };
        }
        held
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.known
    }
}

impl<T> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.known
    }
}
