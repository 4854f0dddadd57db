//! Why not: what a decision says no with. `shared/wire` gives each its stable code.

use crate::time::Timestamp;

/// A command's refusal. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The room is not there, or is private and not for the asker to know of.
    #[error("there is no such room")]
    NoSuchRoom,
    /// What the command refers to is not there (any more), or lies in another room.
    #[error("there is no such message in this room")]
    NoSuchMessage,
    /// The asker is not a member.
    #[error("only members of the room may do this")]
    NotAMember,
    /// The asker is banned.
    #[error("you are banned from this room")]
    Banned {
        /// The end of the ban; none is for ever.
        until: Option<Timestamp>,
    },
    /// The asker is muted.
    #[error("you are muted in this room")]
    Muted {
        /// The end of the mute; none is for ever.
        until: Option<Timestamp>,
    },
    /// The asker's role does not allow it, or not towards this person, or not in this kind of room.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The room is closed for writing.
    #[error("the room is archived")]
    Archived,
    /// It contradicts what stands: the room exists already, the last owner can't go.
    #[error("{0}")]
    Conflict(&'static str),
    /// A field of the command is longer than its limit.
    #[error("{field}: is longer than {bytes_max} bytes")]
    TooLarge {
        /// The field, as the frame names it.
        field: &'static str,
        /// Its limit.
        bytes_max: usize,
    },
    /// A field of the command can't be so.
    #[error("{field}: {why}")]
    Invalid {
        /// The field, as the frame names it.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}
