//! Take away what was said: one's own, or another's as a moderator. The eraser then removes it from the log.

use super::facts::{Facts, Reference};
use crate::authority::Act;
use crate::event::Event;
use crate::{Decision, MessageDeleted, Refusal, RoomId, Timestamp};

/// The command `chat.delete`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The room.
    pub room_id: RoomId,
    /// Which message.
    pub message_ref: Reference,
}

pub(super) fn decide(facts: &Facts, command: &Delete, now: Timestamp) -> Result<Decision, Refusal> {
    // Before the message is looked at, so that a stranger learns nothing of what lies at a sequence.
    let info = facts.permit(Act::DeleteOwn, now)?;
    let found = facts.referred(&info.room_id, &command.message_ref)?;
    let user_id = facts.actor.user_id();
    if found.sent.user_id != user_id {
        facts.permit(Act::DeleteOthers, now)?;
    }
    let deleted = MessageDeleted {
        room_id: info.room_id.clone(),
        message_id: found.sent.message_id.clone(),
        user_id,
        username: facts.actor.username().to_owned(),
        author: found.sent.user_id.clone(),
        position: found.position,
        sent_at: found.sent.timestamp,
        timestamp: now,
    };
    Ok(Decision::Append(vec![facts.on_timeline(info, Event::MessageDeleted(deleted))]))
}

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Role, Seq};

    #[test]
    fn a_deletion_holds_where_whose_and_when_but_nothing_of_what_was_said() {
        let scene = Scene::staffed().given("ben", say("secret"));
        assert_eq!(scene.plan("mod", delete("secret", 7)), ["timeline if mod = 6"]);
        let events = scene.events("mod", delete("secret", 7));
        let Event::MessageDeleted(deleted) = &events[0] else { panic!() };
        assert_eq!((deleted.author.as_str(), deleted.user_id.as_str()), ("ben", "mod"));
        assert_eq!((deleted.position.seq, deleted.sent_at), (Seq(7), scene.now));
        assert!(!String::from_utf8(events[0].encode()).unwrap().replace("m-secret", "").contains("secret"));
    }

    #[test]
    fn ones_own_is_deleted_also_muted_and_also_in_an_archived_room() {
        let scene = Scene::staffed().given("ben", say("hi")).given("ada", mute("ben", None));
        assert!(scene.when("ben", delete("hi", 7)).is_ok());
        assert!(scene.given("ada", archive(true)).when("ben", delete("hi", 7)).is_ok());
    }

    #[test]
    fn members_delete_no_others_readers_nothing_and_strangers_learn_nothing() {
        let scene = Scene::staffed().given("ada", say("hi")).given("ben", say("ho"));
        assert!(matches!(scene.refuses("ben", delete("hi", 7)), Refusal::Forbidden(_)));
        assert_eq!(scene.refuses("eve", delete("hi", 7)), Refusal::NotAMember);
        assert_eq!(scene.refuses("mod", delete("hi", 8)), Refusal::NoSuchMessage);
        let reader = scene.given("ada", role("ben", Role::Reader));
        assert!(matches!(reader.refuses("ben", delete("ho", 8)), Refusal::Forbidden(_)));
    }

    #[test]
    fn the_operator_deletes_anything() {
        let scene = Scene::staffed().given("ada", say("hi"));
        assert_eq!(scene.plan("~system", delete("hi", 7)), ["timeline"]);
    }
}
