//! A room's timeline in its present state: the fold of messages, edits, deletions and notices.
//!
//! It is total: whatever lies in the log, folding it never fails. What makes no sense (an edit of a message that
//! is not there, by somebody else, of something deleted) changes nothing. An event that comes twice changes
//! nothing the second time, whether under the same sequence or under the same id.
//!
//! From a message's deletion on, the fold of a log in which the message and its edits are missing equals the
//! fold of the whole one. So what stays of a deleted message is what its deletion says, and no more.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Event, EventName, MemberChanged, MessageDeleted, MessageEdited, MessageId, MessageSent, RoomId, RoomUpdated, Seq,
    Timestamp, UserId,
};

/// How many edits of one message are known by their ids, the newest ones. A repeat of an older one would count
/// again; the stream's own window of two minutes drops it before that.
pub const EDIT_KEYS_MAX: usize = 32;

/// A message in its present state, with what the fold must know to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Message {
    /// It stands, edited or not.
    Said(Said),
    /// It was deleted: nothing of what was said is left.
    Deleted(Tombstone),
}

/// A message that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// As it was sent; `message` as it reads now.
    pub sent: MessageSent,
    /// The newest edit, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<LastEdit>,
    /// The ids of the newest [`EDIT_KEYS_MAX`] edits, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edit_keys: Vec<MessageId>,
}

/// The edit that a message reads by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEdit {
    /// Its sequence.
    pub seq: Seq,
    /// Its time, by the edge's clock.
    pub at: Timestamp,
}

/// What stays of a deleted message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tombstone {
    /// The room.
    pub room_id: RoomId,
    /// The message.
    pub message_id: MessageId,
    /// Who had said it.
    pub user_id: UserId,
    /// When it was said.
    pub timestamp: Timestamp,
    /// Always true: what tells it from a message that stands.
    #[schemars(extend("const" = true))]
    pub deleted: bool,
    /// Who deleted it.
    pub deleted_by: UserId,
    /// When, by the edge's clock.
    pub deleted_at: Timestamp,
}

/// A message as a page of history shows it: the data of its `chat.message` (or `chat.system`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MessageItem {
    /// It was deleted.
    Deleted(Tombstone),
    /// It stands.
    Said(SaidItem),
}

/// A message that stands, as a page of history shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaidItem {
    /// As it was sent; `message` as it reads now.
    #[serde(flatten)]
    pub sent: MessageSent,
    /// When it was edited last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
}

impl Message {
    /// As it begins.
    pub fn new(sent: MessageSent) -> Self {
        Message::Said(Said { sent, edited: None, edit_keys: Vec::new() })
    }

    /// What stays by a deletion, whether the message itself is still known or was erased before.
    pub fn deleted(deletion: &MessageDeleted) -> Self {
        Message::Deleted(Tombstone {
            room_id: deletion.room_id.clone(),
            message_id: deletion.message_id.clone(),
            user_id: deletion.author.clone(),
            timestamp: deletion.sent_at,
            deleted: true,
            deleted_by: deletion.user_id.clone(),
            deleted_at: deletion.timestamp,
        })
    }

    /// Its id.
    pub fn id(&self) -> &MessageId {
        match self {
            Message::Said(said) => &said.sent.message_id,
            Message::Deleted(tombstone) => &tombstone.message_id,
        }
    }

    /// Who said it.
    pub fn author(&self) -> &UserId {
        match self {
            Message::Said(said) => &said.sent.user_id,
            Message::Deleted(tombstone) => &tombstone.user_id,
        }
    }

    /// The name of the event that shows it: what the operator said has its own.
    pub fn event(&self) -> EventName {
        EventName(if *self.author() == UserId::system() { "chat.system" } else { "chat.message" })
    }

    /// Folds an edit of this message, stored at `seq` under `id`; says whether it changed anything.
    pub fn edit(&mut self, seq: Seq, edit: &MessageEdited, id: Option<&MessageId>) -> bool {
        let Message::Said(said) = self else { return false };
        let known = said.edited.is_some_and(|last| seq <= last.seq) || id.is_some_and(|id| said.edit_keys.contains(id));
        if known || edit.message_id != said.sent.message_id || edit.user_id != said.sent.user_id {
            return false;
        }
        said.sent.message.clone_from(&edit.message);
        said.edited = Some(LastEdit { seq, at: edit.timestamp });
        if let Some(id) = id {
            if said.edit_keys.len() == EDIT_KEYS_MAX {
                said.edit_keys.remove(0);
            }
            said.edit_keys.push(id.clone());
        }
        true
    }

    /// Folds a deletion of this message; says whether it changed anything. The first one stands.
    pub fn delete(&mut self, deletion: &MessageDeleted) -> bool {
        let applies = matches!(self, Message::Said(_)) && *self.id() == deletion.message_id;
        if applies {
            *self = Message::deleted(deletion);
        }
        applies
    }

    /// Whether it counts as unread for somebody whose read mark lies before it: it stands, and another said it.
    pub fn counts_for(&self, reader: &UserId) -> bool {
        matches!(self, Message::Said(said) if said.sent.user_id != *reader)
    }

    /// Whether it counts as unread and names them.
    pub fn mentions(&self, reader: &UserId) -> bool {
        self.counts_for(reader) && matches!(self, Message::Said(said) if said.sent.mentions.contains(reader))
    }

    /// As a page of history shows it.
    pub fn item(&self) -> MessageItem {
        match self {
            Message::Deleted(tombstone) => MessageItem::Deleted(tombstone.clone()),
            Message::Said(said) => {
                let edited_at = said.edited.map(|edit| edit.at);
                MessageItem::Said(SaidItem { sent: said.sent.clone(), edited_at })
            }
        }
    }
}

/// An item of a room's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A message, in its present state.
    Message(Message),
    /// The notice of a change in somebody's standing.
    MemberChanged(MemberChanged),
    /// The notice of a change in the room's name or rules.
    RoomUpdated(RoomUpdated),
}

/// A room's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    entries: BTreeMap<Seq, Entry>,
    /// Where each message lies: by id, for that is how events name them.
    messages: BTreeMap<MessageId, Seq>,
    /// Up to where each author has read by sending: a send moves the sender's own mark.
    sent: BTreeMap<UserId, Seq>,
}

impl Timeline {
    /// Folds an event of the timeline, stored at `seq` under the id `id`; other events change nothing.
    pub fn evolve(&mut self, seq: Seq, event: &Event, id: Option<&MessageId>) {
        match event {
            Event::MessageSent(sent) | Event::SystemSaid(sent) => {
                if self.messages.contains_key(&sent.message_id) || self.entries.contains_key(&seq) {
                    return;
                }
                self.moved_by_sending(&sent.user_id, seq);
                self.insert(seq, Message::new(sent.clone()));
            }
            Event::MessageEdited(edit) => {
                if let Some(message) = self.message_mut(&edit.message_id) {
                    message.edit(seq, edit, id);
                }
            }
            Event::MessageDeleted(deletion) => self.delete(deletion),
            Event::MemberChanged(notice) => {
                self.entries.entry(seq).or_insert_with(|| Entry::MemberChanged(notice.clone()));
            }
            Event::RoomUpdated(notice) => {
                self.entries.entry(seq).or_insert_with(|| Entry::RoomUpdated(notice.clone()));
            }
            Event::Member(_) | Event::Room(_) => {}
        }
    }

    /// Its items, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (Seq, &Entry)> {
        self.entries.iter().map(|(seq, entry)| (*seq, entry))
    }

    /// A message by its id, with its sequence.
    pub fn message(&self, id: &MessageId) -> Option<(Seq, &Message)> {
        let seq = *self.messages.get(id)?;
        match self.entries.get(&seq) {
            Some(Entry::Message(message)) => Some((seq, message)),
            _ => None,
        }
    }

    /// How many messages somebody has not read: those of others that stand, after `mark` and after `floor`, and
    /// after what they themselves said last.
    pub fn unread(&self, reader: &UserId, mark: Seq, floor: Seq) -> usize {
        let own = self.sent.get(reader).copied().unwrap_or(Seq::ZERO);
        let after = mark.max(floor).max(own);
        self.entries
            .range(after.next()..)
            .filter(|(_, entry)| matches!(entry, Entry::Message(message) if message.counts_for(reader)))
            .count()
    }

    fn delete(&mut self, deletion: &MessageDeleted) {
        if let Some(message) = self.message_mut(&deletion.message_id) {
            message.delete(deletion);
        } else if !self.entries.contains_key(&deletion.position.seq) {
            // It was erased from the log before this fold came by.
            self.moved_by_sending(&deletion.author, deletion.position.seq);
            self.insert(deletion.position.seq, Message::deleted(deletion));
        }
    }

    fn insert(&mut self, seq: Seq, message: Message) {
        self.messages.insert(message.id().clone(), seq);
        self.entries.insert(seq, Entry::Message(message));
    }

    fn moved_by_sending(&mut self, author: &UserId, seq: Seq) {
        let mark = self.sent.entry(author.clone()).or_default();
        *mark = seq.max(*mark);
    }

    fn message_mut(&mut self, id: &MessageId) -> Option<&mut Message> {
        match self.entries.get_mut(self.messages.get(id)?) {
            Some(Entry::Message(message)) => Some(message),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::scene::*;

    /// A lobby with a conversation: ada (2) owns it, ben (3) says hi (4) and changes it to ho (5).
    fn scene() -> Scene {
        Scene::lobby().given("ben", join()).given("ben", say("hi")).given("ben", edit("hi", 4, "ho"))
    }

    fn fold(scene: &Scene) -> Timeline {
        let mut timeline = Timeline::default();
        for (at, event) in scene.log.0.iter().enumerate() {
            timeline.evolve(Seq(at as u64 + 1), event, None);
        }
        timeline
    }

    fn text(timeline: &Timeline) -> Option<String> {
        match timeline.message(&message_id("hi"))?.1 {
            Message::Said(said) => Some(said.sent.message.clone()),
            Message::Deleted(_) => None,
        }
    }

    #[test]
    fn an_edit_is_no_item_but_changes_its_message() {
        let timeline = fold(&scene());
        assert_eq!(timeline.entries().map(|(seq, _)| seq).collect::<Vec<_>>(), [Seq(4)]);
        assert_eq!(text(&timeline).as_deref(), Some("ho"));
    }

    #[test]
    fn a_deleted_message_leaves_a_place_without_words_and_takes_no_more_edits() {
        let deleted = scene().given("ada", delete("hi", 4)).given("ben", edit("hi", 4, "back"));
        let timeline = fold(&deleted);
        let (seq, message) = timeline.message(&message_id("hi")).unwrap();
        assert_eq!((seq, message.author()), (Seq(4), &user("ben")));
        let item = serde_json::to_string(&message.item()).unwrap();
        assert!(item.contains(r#""deleted":true"#) && !item.contains(r#""message""#), "{item}");
    }

    #[test]
    fn a_message_that_was_erased_leaves_the_same_place() {
        let deleted = scene().given("ada", delete("hi", 4));
        let mut erased = Timeline::default();
        for at in [0, 1, 2, 5] {
            erased.evolve(Seq(at as u64 + 1), &deleted.log.0[at], None);
        }
        assert_eq!(erased, fold(&deleted));
    }

    #[test]
    fn an_edit_that_comes_twice_does_not_undo_a_later_one() {
        let mut timeline = fold(&scene());
        let Event::MessageEdited(first) = &scene().log.0[4] else { panic!() };
        let second = Event::MessageEdited(MessageEdited { message: "hey".into(), ..first.clone() });
        let (key, other) = (message_id("key"), message_id("other"));
        timeline.evolve(Seq(6), &Event::MessageEdited(first.clone()), Some(&key));
        timeline.evolve(Seq(7), &second, Some(&other));
        timeline.evolve(Seq(6), &Event::MessageEdited(first.clone()), None);
        timeline.evolve(Seq(8), &Event::MessageEdited(first.clone()), Some(&key));
        assert_eq!(text(&timeline).as_deref(), Some("hey"));
    }

    #[test]
    fn only_its_author_changes_a_message_whatever_lies_in_the_log() {
        let mut timeline = fold(&scene());
        let Event::MessageEdited(edit) = scene().log.0[4].clone() else { panic!() };
        let forged = MessageEdited { user_id: user("eve"), message: "forged".into(), ..edit };
        timeline.evolve(Seq(9), &Event::MessageEdited(forged), None);
        assert_eq!(text(&timeline).as_deref(), Some("ho"));
    }

    #[test]
    fn unread_are_the_others_messages_after_mark_floor_and_own_words() {
        let scene = scene().given("ada", say("one")).given("ada", say("two"));
        let timeline = fold(&scene);
        assert_eq!(timeline.unread(&user("ben"), Seq::ZERO, Seq::ZERO), 2);
        assert_eq!(timeline.unread(&user("ben"), Seq(6), Seq::ZERO), 1);
        assert_eq!(timeline.unread(&user("ben"), Seq::ZERO, Seq(7)), 0);
        assert_eq!(timeline.unread(&user("ada"), Seq::ZERO, Seq::ZERO), 0, "who speaks has read");
        assert_eq!(timeline.unread(&user("eve"), Seq::ZERO, Seq::ZERO), 3);
        let deleted = fold(&scene.given("ada", delete("two", 7)));
        assert_eq!(deleted.unread(&user("ben"), Seq::ZERO, Seq::ZERO), 1, "deleted ones are not counted");
    }

    #[test]
    fn keys_of_edits_are_bounded() {
        let Event::MessageSent(sent) = scene().log.0[3].clone() else { panic!() };
        let Event::MessageEdited(edit) = scene().log.0[4].clone() else { panic!() };
        let mut message = Message::new(sent);
        for n in 0..2 * EDIT_KEYS_MAX as u64 {
            assert!(message.edit(Seq(10 + n), &edit, Some(&message_id(&n.to_string()))));
        }
        assert!(matches!(message, Message::Said(said) if said.edit_keys.len() == EDIT_KEYS_MAX));
    }
}
