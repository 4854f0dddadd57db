//! What is stored: one, the last, a range.

use crate::stored::Stored;

/// A part of a room's timeline.
#[derive(Debug, Clone)]
pub struct Range {
    /// Oldest first.
    pub events: Vec<Stored>,
    /// Whether these are all of what was asked for.
    pub complete: bool,
}
