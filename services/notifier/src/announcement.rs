//! What is told when somebody has said something: the event `message.sent`, as seed 001's service published it.

use bytes::Bytes;
use klatch_domain::message::MessageSent;
use klatch_domain::{MessageId, RoomId, Timestamp, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EventType {
    /// Somebody said something.
    #[serde(rename = "message.sent")]
    MessageSent,
}

impl EventType {
    /// Everything there is.
    pub fn all() -> Vec<EventType> {
        vec![EventType::MessageSent]
    }
}

/// The JSON that goes out, the same to everybody and at every try: it is made of what is stored, and of nothing else.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Announcement<'a> {
    event_type: EventType,
    /// When it was stored.
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    message_id: &'a MessageId,
    room_id: &'a RoomId,
    sender_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver_id: Option<&'a UserId>,
    message: &'a str,
    /// Milliseconds since 1970, by the clock of the edge that took it.
    timestamp: i64,
}

/// The event as bytes. `receiver` is the other person of a direct room.
pub(crate) fn message_sent(stored_at: Timestamp, sent: &MessageSent, receiver: Option<&UserId>) -> Bytes {
    let data = Data {
        message_id: &sent.message_id,
        room_id: &sent.room_id,
        sender_id: &sent.user_id,
        receiver_id: receiver,
        message: &sent.message,
        timestamp: sent.timestamp.as_ms(),
    };
    let announcement = Announcement { event_type: EventType::MessageSent, timestamp: stored_at, data };
    serde_json::to_vec(&announcement).expect("it has string keys and no maps").into()
}

#[cfg(test)]
mod tests {
    use klatch_domain::message::MessageType;

    use super::*;

    #[test]
    fn it_is_the_event_that_seed_001_documents() {
        let sent = MessageSent {
            room_id: RoomId::parse("room-123").unwrap(),
            message_id: MessageId::parse("msg-id").unwrap(),
            user_id: UserId::parse("user-uuid").unwrap(),
            username: "john_doe".into(),
            avatar: None,
            message: "Hello!".into(),
            message_type: MessageType::Text,
            timestamp: Timestamp::from_ms(1_697_280_000_000),
            reply_to: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
        };
        let receiver = UserId::parse("user-uuid-2").unwrap();
        let stored_at = Timestamp::parse("2024-10-14T06:30:00Z").unwrap();
        let told = message_sent(stored_at, &sent, Some(&receiver));
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        let documented = serde_json::json!({
            "eventType": "message.sent",
            "timestamp": "2024-10-14T06:30:00.000Z",
            "data": {
                "messageId": "msg-id",
                "roomId": "room-123",
                "senderId": "user-uuid",
                "receiverId": "user-uuid-2",
                "message": "Hello!",
                "timestamp": 1_697_280_000_000_i64,
            }
        });
        assert_eq!(told, documented);
        let in_a_group = String::from_utf8(message_sent(stored_at, &sent, None).into()).unwrap();
        assert!(!in_a_group.contains("receiverId"), "{in_a_group}");
    }
}
