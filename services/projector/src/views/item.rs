//! What an item of history looks like: the frame object `{"event","seq","data"}` in its present state.
//!
//! - As stored: the event's own bytes, with the sequence spliced in where the version was.
//! - Edited: the message as it reads now, and `editedAt`.
//! - Deleted: only what the deletion itself says, so that a fold of a log from which the message was erased shows the
//!   same: `roomId`, `messageId`, `userId`, `timestamp`, `deleted: true`, `deletedBy`, `deletedAt`.

use klatch_domain::timeline::{LastEdit, Said, SaidItem};
use klatch_domain::{Message, MessageDeleted, MessageEdited, MessageItem, Seq};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Frame<'a> {
    event: &'a str,
    seq: Seq,
    data: MessageItem,
}

/// The item of a stored event, whose name is `event` and whose payload was decoded before.
pub(crate) fn as_stored(event: &str, payload: &[u8], seq: Seq) -> Vec<u8> {
    let data = data_of(event, payload);
    let mut body = Vec::with_capacity(data.len() + event.len() + 48);
    begin(&mut body, event, seq);
    body.extend_from_slice(data);
    body.push(b'}');
    body
}

/// The item of a message after an edit stored at `at`; none where the edit changes nothing.
pub(crate) fn edited(item: &[u8], seq: Seq, at: Seq, edit: &MessageEdited) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Stored {
        data: SaidItem,
    }
    let SaidItem { sent, edited_at } = serde_json::from_slice::<Stored>(item).ok()?.data;
    // Edits come in the order of their sequences, and the index of ids has dropped the repeats.
    let edited = edited_at.map(|at| LastEdit { seq: Seq::ZERO, at });
    let mut message = Message::Said(Said { sent, edited, edit_keys: Vec::new() });
    message.edit(at, edit, None).then(|| frame(&message, seq))
}

/// The item of a message that was deleted.
pub(crate) fn deleted(seq: Seq, deletion: &MessageDeleted) -> Vec<u8> {
    frame(&Message::deleted(deletion), seq)
}

fn frame(message: &Message, seq: Seq) -> Vec<u8> {
    let frame = Frame { event: message.event().0, seq, data: message.item() };
    serde_json::to_vec(&frame).expect("items have string keys")
}

fn begin(body: &mut Vec<u8>, event: &str, seq: Seq) {
    body.extend_from_slice(br#"{"event":""#);
    body.extend_from_slice(event.as_bytes());
    body.extend_from_slice(br#"","seq":"#);
    body.extend_from_slice(seq.0.to_string().as_bytes());
    body.extend_from_slice(br#","data":"#);
}

/// The bytes of `data` in a stored event. Ours all begin alike; whatever else decodes is looked through.
fn data_of<'a>(event: &str, payload: &'a [u8]) -> &'a [u8] {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let ours = payload
        .strip_prefix(br#"{"event":""#)
        .and_then(|rest| rest.strip_prefix(event.as_bytes()))
        .and_then(|rest| rest.strip_prefix(br#"","v":1,"data":"#))
        .and_then(|rest| rest.strip_suffix(b"}"));
    match ours {
        Some(data) => data,
        None => serde_json::from_slice::<Envelope<'_>>(payload).map_or(b"null", |it| it.data.get().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klatch_domain::{Epoch, Event, MessageId, MessageSent, MessageType, Position, RoomId, Timestamp, UserId};
    use serde_json::{Value, json};

    fn sent() -> MessageSent {
        MessageSent {
            room_id: RoomId::parse("r").unwrap(),
            message_id: MessageId::parse("m1").unwrap(),
            user_id: UserId::parse("ada").unwrap(),
            username: "Ada".to_owned(),
            avatar: None,
            message: "hi \"you\"".to_owned(),
            message_type: MessageType::Text,
            timestamp: Timestamp::from_ms(1_763_337_600_007),
            reply_to: None,
            attachments: vec![],
            mentions: vec![UserId::parse("ben").unwrap()],
        }
    }

    fn value(item: &[u8]) -> Value {
        serde_json::from_slice(item).unwrap()
    }

    #[test]
    fn an_event_is_shown_as_it_was_stored_however_its_json_was_laid_out() {
        let event = Event::MessageSent(sent());
        let stored = event.encode();
        let item = as_stored(event.name().0, &stored, Seq(7));
        let text = String::from_utf8(item.clone()).unwrap();
        assert!(text.starts_with(r#"{"event":"chat.message","seq":7,"data":{"roomId":"r","#), "{text}");
        assert!(text.ends_with(r#""mentions":["ben"]}}"#), "{text}");
        let spaced = serde_json::to_vec_pretty(&value(&stored)).unwrap();
        assert_eq!(value(&as_stored(event.name().0, &spaced, Seq(7))), value(&item));
    }

    #[test]
    fn an_edit_changes_the_words_and_nothing_else_and_a_second_one_again() {
        let item = as_stored("chat.message", &Event::MessageSent(sent()).encode(), Seq(7));
        let edit = |message: &str, at| MessageEdited {
            room_id: sent().room_id,
            message_id: sent().message_id,
            user_id: sent().user_id,
            username: "Ada".to_owned(),
            message: message.to_owned(),
            timestamp: Timestamp::from_ms(at),
        };
        let once = edited(&item, Seq(7), Seq(8), &edit("ho", 1_763_337_601_000)).unwrap();
        let twice = edited(&once, Seq(7), Seq(9), &edit("hey", 1_763_337_602_000)).unwrap();
        let mut expected = value(&item);
        expected["data"]["message"] = json!("hey");
        expected["data"]["editedAt"] = json!("2025-11-17T00:00:02.000Z");
        assert_eq!(value(&twice), expected);
        let forged = MessageEdited { user_id: UserId::parse("eve").unwrap(), ..edit("forged", 0) };
        assert_eq!(edited(&twice, Seq(7), Seq(10), &forged), None);
    }

    #[test]
    fn nothing_of_what_was_said_is_left_after_a_deletion() {
        let deletion = MessageDeleted {
            room_id: sent().room_id,
            message_id: sent().message_id,
            user_id: UserId::parse("mod").unwrap(),
            username: "Mod".to_owned(),
            author: sent().user_id,
            position: Position { epoch: Epoch(uuid::Uuid::nil()), seq: Seq(7) },
            sent_at: sent().timestamp,
            timestamp: Timestamp::from_ms(1_763_337_603_000),
        };
        let expected = json!({"event": "chat.message", "seq": 7, "data": {
            "roomId": "r", "messageId": "m1", "userId": "ada", "timestamp": "2025-11-17T00:00:00.007Z",
            "deleted": true, "deletedBy": "mod", "deletedAt": "2025-11-17T00:00:03.000Z"}});
        assert_eq!(value(&deleted(Seq(7), &deletion)), expected);
    }
}
