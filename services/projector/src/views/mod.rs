//! The views: for each its key, value, fold step and query, side by side.
//!
//! A fold step changes the rows of the batch under way and the digest with them; it is total: whatever an event says,
//! the fold goes on. A query reads the tree as it is, and shows nothing after the position that it answers for.

pub(crate) mod history;
pub(crate) mod item;
pub(crate) mod members;
pub(crate) mod retention;
pub(crate) mod rooms;
pub(crate) mod seen;
pub(crate) mod sight;
pub(crate) mod unread;

use klatch_domain::{Position, Refusal, Timestamp};
use klatch_wire::Code;

use crate::store::{Damage, Store};
use retention::Retention;

/// What a query stands on.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// The tree.
    pub(crate) store: Store,
    /// Everything up to here is folded; what lies after it is not shown.
    pub(crate) position: Position,
    /// When it is asked.
    pub(crate) now: Timestamp,
    /// The most bytes that fit an answer.
    pub(crate) bytes_max: usize,
    /// How much of a room's past is served.
    pub(crate) retention: Retention,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The asker gets this code and these words.
    #[error("{code:?}: {message}")]
    Refused {
        /// The stable code.
        code: Code,
        /// For people.
        message: String,
    },
    /// The views are damaged: they must be rebuilt.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl Failure {
    /// A refusal.
    pub(crate) fn refused(code: Code, message: impl Into<String>) -> Failure {
        Failure::Refused { code, message: message.into() }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::refused(Code::from(&refusal), refusal.to_string())
    }
}
