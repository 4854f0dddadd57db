//! What a decision stands on, and what it comes to: events to append, each under its guard.

use crate::event::{Address, Event};
use crate::id::Seq;

/// A subject's last content as it was read, with the sequence that a guard can hold the log to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known<T> {
    /// The content; none where nothing was ever stored.
    pub value: Option<T>,
    /// The sequence of that content; [`Seq::ZERO`] where nothing was ever stored.
    pub seq: Seq,
}

impl<T> Known<T> {
    /// Nothing was ever stored there.
    pub const NOTHING: Known<T> = Known { value: None, seq: Seq::ZERO };

    /// What was stored at `seq`.
    pub fn at(seq: Seq, value: T) -> Self {
        Known { value: Some(value), seq }
    }
}

/// The condition under which the log stores an event: the last message on `address` is still `expected`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The subject that must not have moved. Never a wildcard: those were seen to let through what they should refuse.
    pub address: Address,
    /// Its last sequence; [`Seq::ZERO`] for none.
    pub expected: Seq,
}

/// An event to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What will have happened.
    pub event: Event,
    /// The condition; none only for what the operator's own key does.
    pub guard: Option<Guard>,
}

/// What a command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Append these, all or nothing, in this order.
    Append(Vec<Draft>),
    /// What was asked for stands already, since this sequence.
    Stands(Seq),
}
