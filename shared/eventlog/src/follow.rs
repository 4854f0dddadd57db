//! Everything from a sequence on.

use klatch_domain::Seq;

use crate::error::FollowError;
use crate::marks::Marked;
use crate::stored::Stored;

/// Follows all events of the log.
#[derive(Debug)]
pub struct Follow {
    position: Seq,
}

/// Some events, in order.
#[derive(Debug, Clone)]
pub struct FollowBatch {
    /// The events, oldest first; may be empty where only foreign messages were passed.
    pub events: Vec<Stored>,
    /// Everything up to here was given out.
    pub position: Seq,
    /// Whether nothing further was stored when the last of these was sent.
    pub caught_up: bool,
}

impl Follow {
    /// Everything up to here was given out.
    pub fn position(&self) -> Seq {
        self.position
    }

    /// Waits for events and gives those that are ready, at most `max`. Cancel-safe.
    pub async fn next_batch(&mut self, max: usize) -> Result<FollowBatch, FollowError> {
        let _ = max;
        unimplemented!()
    }
}

/// Follows all marks.
#[derive(Debug)]
pub struct FollowMarks {}

/// Some marks, in order.
#[derive(Debug, Clone)]
pub struct MarkBatch {
    /// The marks, oldest first.
    pub marks: Vec<Marked>,
    /// Everything up to here (a sequence of the marks' own stream) was given out.
    pub position: Seq,
    /// Whether nothing further was stored when the last of these was sent.
    pub caught_up: bool,
}

impl FollowMarks {
    /// Waits for marks and gives those that are ready, at most `max`. Cancel-safe.
    pub async fn next_batch(&mut self, max: usize) -> Result<MarkBatch, FollowError> {
        let _ = max;
        unimplemented!()
    }
}
