//! Close a room for writing, or open it again. Reading, leaving and deleting go on.

use super::facts::Facts;
use super::update_room::changed;
use crate::authority::Act;
use crate::{Decision, Refusal, RoomId, RoomInfo, Timestamp};

/// The command `chat.archiveRoom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveRoom {
    /// The room.
    pub room_id: RoomId,
    /// Whether it shall be closed, or open again.
    pub archived: bool,
}

pub(super) fn decide(facts: &Facts, command: &ArchiveRoom, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit(Act::Archive, now)?;
    Ok(changed(facts, info, RoomInfo { archived: command.archived, ..info.clone() }, now))
}
