//! Say something.

use super::facts::{Facts, Reference};
use crate::authority::Act;
use crate::event::Event;
use crate::{Actor, Attachment, Decision, MessageId, MessageSent, MessageType, Refusal, RoomId, Timestamp, UserId};

/// The longest text of a message, in bytes: what still fits a frame of 64 KiB when every other byte is escaped.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024;

/// How many things can come with a message.
pub const ATTACHMENTS_MAX: usize = 10;

/// How many people a message can name.
pub const MENTIONS_MAX: usize = 50;

/// The longest address of an attachment, in bytes; its name and its media type may have an eighth of it.
const URL_BYTES_MAX: usize = 2048;

/// The command `chat.message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// The room.
    pub room_id: RoomId,
    /// The message to be: derived from the idempotency key.
    pub message_id: MessageId,
    /// What is said.
    pub message: String,
    /// What it is; [`MessageType::System`] is the operator's, and the operator's only.
    pub message_type: MessageType,
    /// The message that this one answers.
    pub reply_to: Option<Reference>,
    /// What comes with it.
    pub attachments: Vec<Attachment>,
    /// Whom it names.
    pub mentions: Vec<UserId>,
}

pub(super) fn decide(facts: &Facts, command: &Send, now: Timestamp) -> Result<Decision, Refusal> {
    let info = facts.permit(Act::Send, now)?;
    let by_system = facts.actor == Actor::System;
    if by_system != (command.message_type == MessageType::System) {
        return Err(Refusal::Invalid { field: "messageType", why: "system is what the operator says, and only that" });
    }
    if command.attachments.is_empty() || command.message_type == MessageType::Text {
        not_empty(&command.message)?;
    }
    not_too_long(&command.message)?;
    if command.attachments.len() > ATTACHMENTS_MAX {
        return Err(Refusal::Invalid { field: "attachments", why: "are too many" });
    }
    command.attachments.iter().try_for_each(check_attachment)?;
    if command.mentions.len() > MENTIONS_MAX {
        return Err(Refusal::Invalid { field: "mentions", why: "are too many" });
    }
    if let Some(reference) = &command.reply_to {
        facts.referred(&info.room_id, reference)?;
    }
    let sent = MessageSent {
        room_id: info.room_id.clone(),
        message_id: command.message_id.clone(),
        user_id: facts.actor.user_id(),
        username: facts.actor.username().to_owned(),
        avatar: facts.actor.avatar().map(str::to_owned),
        message: command.message.clone(),
        message_type: command.message_type,
        timestamp: now,
        reply_to: command.reply_to.as_ref().map(|reference| reference.message_id.clone()),
        attachments: command.attachments.clone(),
        mentions: once_each(&command.mentions),
    };
    let event = if by_system { Event::SystemSaid(sent) } else { Event::MessageSent(sent) };
    Ok(Decision::Append(vec![facts.on_timeline(info, event)]))
}

pub(super) fn not_empty(message: &str) -> Result<(), Refusal> {
    if message.trim().is_empty() {
        return Err(Refusal::Invalid { field: "message", why: "is empty" });
    }
    Ok(())
}

pub(super) fn not_too_long(message: &str) -> Result<(), Refusal> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Refusal::TooLarge { field: "message", bytes_max: MESSAGE_BYTES_MAX });
    }
    Ok(())
}

/// An address that a reader's browser may follow: the web's, or this server's own. Not `javascript:`, not `data:`.
fn check_attachment(attachment: &Attachment) -> Result<(), Refusal> {
    let url = &attachment.url;
    if url.len() > URL_BYTES_MAX {
        return Err(Refusal::TooLarge { field: "attachments", bytes_max: URL_BYTES_MAX });
    }
    // Browsers read a backslash as a slash.
    let own = url.starts_with('/') && !url.starts_with("//") && !url.contains('\\');
    let web = ["https://", "http://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
    if !(own || web) || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Refusal::Invalid {
            field: "attachments",
            why: "have an address that is not http, https or a path",
        });
    }
    for text in [&attachment.name, &attachment.content_type].into_iter().flatten() {
        if text.len() > URL_BYTES_MAX / 8 {
            return Err(Refusal::TooLarge { field: "attachments", bytes_max: URL_BYTES_MAX / 8 });
        }
        if text.chars().any(char::is_control) {
            return Err(Refusal::Invalid { field: "attachments", why: "contain a control character" });
        }
    }
    Ok(())
}

fn once_each(users: &[UserId]) -> Vec<UserId> {
    let mut seen = std::collections::HashSet::new();
    users.iter().filter(|user| seen.insert(*user)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::scene::*;
    use super::*;
    use crate::{Command, Role, Seq};

    fn with(change: impl FnOnce(&mut Send)) -> Command {
        let mut command = send("hi");
        change(&mut command);
        Command::Send(command)
    }

    fn attached(url: &str) -> Command {
        let attachment = Attachment { url: url.into(), name: None, content_type: None, size: None };
        with(|send| send.attachments.push(attachment))
    }

    #[test]
    fn a_message_is_guarded_by_its_authors_own_standing() {
        assert_eq!(Scene::staffed().plan("ben", say("hi")), ["timeline if ben = 3"]);
    }

    #[test]
    fn it_carries_the_name_that_its_author_has_now() {
        let events = Scene::staffed().events("ben", say("hi"));
        let [Event::MessageSent(sent)] = events.as_slice() else { panic!() };
        assert_eq!((sent.user_id.as_str(), sent.username.as_str(), sent.message.as_str()), ("ben", "BEN", "hi"));
        assert_eq!(sent.message_id, message_id("hi"));
    }

    #[test]
    fn readers_the_muted_strangers_and_the_archived_room_take_no_message() {
        let scene = Scene::staffed();
        let reader = scene.clone().given("ada", role("ben", Role::Reader));
        assert!(matches!(reader.refuses("ben", say("hi")), Refusal::Forbidden(_)));
        let muted = scene.clone().given("ada", mute("ben", None));
        assert_eq!(muted.refuses("ben", say("hi")), Refusal::Muted { until: None });
        assert_eq!(scene.refuses("eve", say("hi")), Refusal::NotAMember);
        assert_eq!(Scene::private().refuses("eve", say("hi")), Refusal::NoSuchRoom);
        assert_eq!(Scene::empty().refuses("eve", say("hi")), Refusal::NoSuchRoom);
        let banned = scene.clone().given("ada", ban("ben", None));
        assert_eq!(banned.refuses("ben", say("hi")), Refusal::Banned { until: None });
        assert_eq!(scene.given("ada", archive(true)).refuses("ben", say("hi")), Refusal::Archived);
    }

    #[test]
    fn an_empty_message_says_nothing_unless_it_brings_something() {
        let scene = Scene::staffed();
        for empty in ["", " \n"] {
            let refusal = scene.refuses("ben", with(|send| send.message = empty.into()));
            assert_eq!(refusal, Refusal::Invalid { field: "message", why: "is empty" });
        }
        let mut picture = attached("https://example.org/a.png");
        if let Command::Send(send) = &mut picture {
            send.message = String::new();
            send.message_type = MessageType::Image;
        }
        assert!(scene.when("ben", picture).is_ok());
    }

    #[test]
    fn text_attachments_and_mentions_have_limits() {
        let scene = Scene::staffed();
        assert!(scene.when("ben", with(|send| send.message = "x".repeat(MESSAGE_BYTES_MAX))).is_ok());
        let long = scene.refuses("ben", with(|send| send.message = "x".repeat(MESSAGE_BYTES_MAX + 1)));
        assert_eq!(long, Refusal::TooLarge { field: "message", bytes_max: MESSAGE_BYTES_MAX });
        let many = Attachment { url: "/a".into(), name: None, content_type: None, size: None };
        let many = with(|send| send.attachments = vec![many; ATTACHMENTS_MAX + 1]);
        assert!(matches!(scene.refuses("ben", many), Refusal::Invalid { field: "attachments", .. }));
        let many = with(|send| send.mentions = vec![user("ada"); MENTIONS_MAX + 1]);
        assert!(matches!(scene.refuses("ben", many), Refusal::Invalid { field: "mentions", .. }));
        let twice = scene.events("ben", with(|send| send.mentions = vec![user("ada"), user("ada")]));
        assert!(matches!(&twice[0], Event::MessageSent(sent) if sent.mentions == [user("ada")]));
    }

    #[test]
    fn an_attachment_is_on_the_web_or_here() {
        let scene = Scene::staffed();
        for fine in ["https://example.org/a", "http://localhost/a", "/files/1"] {
            assert!(scene.when("ben", attached(fine)).is_ok(), "{fine}");
        }
        for bad in ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https://", "", "https://a b", "a\n"] {
            let refusal = scene.refuses("ben", attached(bad));
            assert!(matches!(refusal, Refusal::Invalid { field: "attachments", .. }), "{bad}");
        }
        let long = scene.refuses("ben", attached(&format!("/{}", "x".repeat(URL_BYTES_MAX))));
        assert!(matches!(long, Refusal::TooLarge { .. }));
    }

    #[test]
    fn an_answer_names_a_message_of_this_room() {
        let scene = Scene::staffed().given("ada", say("first"));
        let answer = |reference| with(|send| send.reply_to = Some(reference));
        let events = scene.events("ben", answer(reference("first", 7)));
        assert!(matches!(&events[0], Event::MessageSent(sent) if sent.reply_to == Some(message_id("first"))));
        for wrong in [reference("other", 7), reference("first", 3), reference("first", 99), reference("first", 0)] {
            assert_eq!(scene.refuses("ben", answer(wrong)), Refusal::NoSuchMessage);
        }
    }

    #[test]
    fn only_the_operator_speaks_as_the_system_and_only_so() {
        let system = with(|send| send.message_type = MessageType::System);
        assert!(matches!(Scene::staffed().refuses("ada", system.clone()), Refusal::Invalid { .. }));
        assert!(matches!(Scene::staffed().refuses("~system", say("hi")), Refusal::Invalid { .. }));
        assert_eq!(Scene::staffed().plan("~system", system.clone()), ["timeline"]);
        assert!(matches!(Scene::staffed().events("~system", system.clone())[0], Event::SystemSaid(_)));
        assert_eq!(Scene::empty().refuses("~system", system), Refusal::NoSuchRoom);
    }

    #[test]
    fn a_sender_who_was_removed_meanwhile_is_caught_by_the_guard() {
        let mut scene = Scene::staffed();
        let Ok(Decision::Append(drafts)) = scene.when("ben", say("hi")) else { panic!() };
        scene = scene.given("mod", kick("ben"));
        assert_eq!(scene.log.append(drafts), Err(NotStored::Moved));
        assert_eq!(scene.log.0.len() as u64, Seq(8).0);
    }
}
