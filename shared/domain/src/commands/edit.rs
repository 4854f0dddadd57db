//! Change what one has said.

use super::facts::{Facts, Reference};
use super::send::{not_empty, not_too_long};
use crate::authority::Act;
use crate::event::Event;
use crate::{Decision, MessageEdited, Refusal, RoomId, Timestamp};

/// The command `chat.edit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The room.
    pub room_id: RoomId,
    /// Which message.
    pub message_ref: Reference,
    /// What it shall say.
    pub message: String,
}

pub(super) fn decide(facts: &Facts, command: &Edit, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit(Act::Edit, now)?;
    not_empty(&command.message)?;
    not_too_long(&command.message)?;
    let user_id = facts.actor.user_id();
    let found = facts.referred(&info.room_id, &command.message_ref)?;
    if found.sent.user_id != user_id {
        return Err(Refusal::Forbidden("a message is edited by its author"));
    }
    let edited = MessageEdited {
        room_id: info.room_id.clone(),
        message_id: found.sent.message_id.clone(),
        user_id,
        username: facts.actor.username().to_owned(),
        message: command.message.clone(),
        timestamp: now,
    };
    Ok(Decision::Append(vec![facts.on_timeline(info, Event::MessageEdited(edited))]))
}

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;

    #[test]
    fn an_edit_names_its_message_by_id_and_is_guarded_by_its_authors_standing() {
        let scene = Scene::staffed().given("ben", say("hi"));
        assert_eq!(scene.plan("ben", edit("hi", 7, "ho")), ["timeline if ben = 3"]);
        let events = scene.events("ben", edit("hi", 7, "ho"));
        assert!(matches!(&events[0], Event::MessageEdited(e) if e.message == "ho" && e.message_id == message_id("hi")));
    }

    #[test]
    fn nobody_edits_what_another_said_not_even_an_owner() {
        let scene = Scene::staffed().given("ben", say("hi"));
        assert!(matches!(scene.refuses("ada", edit("hi", 7, "ho")), Refusal::Forbidden(_)));
        assert!(matches!(scene.refuses("~system", edit("hi", 7, "ho")), Refusal::Forbidden(_)));
    }

    #[test]
    fn what_is_not_there_cannot_be_edited_nor_made_empty_or_endless() {
        let scene = Scene::staffed().given("ben", say("hi"));
        assert_eq!(scene.refuses("ben", edit("hi", 6, "ho")), Refusal::NoSuchMessage);
        assert_eq!(scene.refuses("ben", edit("no", 7, "ho")), Refusal::NoSuchMessage);
        assert!(matches!(scene.refuses("ben", edit("hi", 7, " ")), Refusal::Invalid { field: "message", .. }));
        let long = scene.refuses("ben", edit("hi", 7, &"x".repeat(40_000)));
        assert!(matches!(long, Refusal::TooLarge { field: "message", .. }));
    }

    #[test]
    fn the_muted_and_who_is_gone_edit_nothing() {
        let scene = Scene::staffed().given("ben", say("hi"));
        let muted = scene.clone().given("ada", mute("ben", None));
        assert_eq!(muted.refuses("ben", edit("hi", 7, "ho")), Refusal::Muted { until: None });
        assert_eq!(scene.clone().given("ben", exit()).refuses("ben", edit("hi", 7, "ho")), Refusal::NotAMember);
        assert_eq!(scene.given("ada", archive(true)).refuses("ben", edit("hi", 7, "ho")), Refusal::Archived);
    }

    #[test]
    fn a_message_of_another_room_is_not_here() {
        let scene = Scene::staffed().given("ben", say("hi"));
        let command = edit("hi", 7, "ho");
        let mut facts = scene.log.facts_as_of(7, &person("ben"), &command);
        facts.message.as_mut().unwrap().sent.room_id = RoomId::parse("elsewhere").unwrap();
        assert_eq!(command.decide(&facts, scene.now), Err(Refusal::NoSuchMessage));
    }
}
