//! What is known of one life of the stream. In another life sequences begin anew: what was known by them is void, and must
//! not be compared with what comes.

use std::ops::{Deref, DerefMut};

use klatch_domain::Epoch;

/// Something that is forgotten when the stream is another one.
#[derive(Debug, Default)]
pub(crate) struct OfLife<T> {
    epoch: Option<Epoch>,
    known: T,
}

impl<T: Default> OfLife<T> {
    /// To be called with the present epoch before each look.
    pub(crate) fn enter(&mut self, epoch: Epoch) {
        if self.epoch != Some(epoch) {
            *self = OfLife { epoch: Some(epoch), known: T::default() };
        }
    }
}

impl<T> Deref for OfLife<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.known
    }
}

impl<T> DerefMut for OfLife<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.known
    }
}
