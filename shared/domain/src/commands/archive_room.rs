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

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Event, Seq};

    #[test]
    fn to_archive_is_a_notice_and_the_rooms_new_state() {
        let scene = Scene::staffed();
        assert_eq!(scene.plan("ada", archive(true)), ["timeline if ada = 2", "info if info = 1"]);
        assert!(matches!(&scene.events("ada", archive(true))[0], Event::RoomUpdated(notice) if notice.archived));
        assert_eq!(scene.given("ada", archive(true)).stands("ada", archive(true)), Seq(8));
    }

    #[test]
    fn an_archived_room_opens_again() {
        let scene = Scene::staffed().given("ada", archive(true));
        assert_eq!(scene.refuses("ben", say("hi")), Refusal::Archived);
        assert!(scene.given("ada", archive(false)).when("ben", say("hi")).is_ok());
    }

    #[test]
    fn only_owners_archive() {
        assert!(matches!(Scene::staffed().refuses("mod", archive(true)), Refusal::Forbidden(_)));
    }
}
