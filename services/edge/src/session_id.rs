//! Which session of this edge.

/// A session of this edge; never used twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub u64);
