//! What clients of each dialect send, and everything that can happen to them.

use klatch_domain::*;
use klatch_wire::dialects::{Encoded, Happening, Timeline};
use klatch_wire::native::server::{self, *};
use serde_json::{Value, json};

use super::client_examples::{at, epoch, message_id, user};

/// Whose clients send the examples.
pub(crate) fn speaker() -> User {
    User { user_id: user("1"), username: "Ada".into() }
}

/// Who hears what happens.
pub(crate) fn hearer() -> UserId {
    user("ben")
}

pub(crate) fn room() -> RoomId {
    RoomId::parse("5").unwrap()
}

/// An event as a client sends it when all is well, and further arguments, good or bad, that are worth an example.
pub(crate) struct Sent {
    pub(crate) event: &'static str,
    pub(crate) good: Value,
    pub(crate) more: Vec<Value>,
}

/// What clients of a dialect send: every event that it knows.
pub(crate) fn sent(dialect: &str) -> Vec<Sent> {
    let one = |event, good| Sent { event, good, more: Vec::new() };
    match dialect {
        "000" => vec![Sent {
            event: "sendMessage",
            good: json!("Hello"),
            more: vec![json!({"text": "Hello", "at": [1, {"x": null}]}), json!({})],
        }],
        "001" => vec![
            Sent {
                event: "authenticate",
                good: json!({"userId": "1", "username": "Ada"}),
                more: vec![json!({"token": "eyJ…"}), json!({"userId": "1", "username": "Ada", "token": "eyJ…"})],
            },
            one("join_room", json!({"roomId": "5"})),
            one("leave_room", json!({"roomId": "5"})),
            Sent {
                event: "send_message",
                good: json!({"roomId": "5", "message": "Hello", "messageType": "text"}),
                more: vec![
                    json!({"roomId": "5", "message": "/cat.png", "messageType": "image"}),
                    json!({"roomId": "5", "message": "I am the server", "messageType": "system"}),
                    json!({"roomId": "5", "message": "Hello", "userId": "ben", "username": "Ben"}),
                ],
            },
            one("typing", json!({"roomId": "5", "isTyping": true})),
        ],
        "002" => vec![
            Sent {
                event: "send-message",
                good: json!({"sender_id": 1, "conversation_id": 5, "message_type": "text", "content": "Hello"}),
                more: vec![
                    json!({"sender_id": "1", "conversation_id": "tea", "content": "Hello"}),
                    json!({"sender_id": "ben", "conversation_id": 5, "content": "forged"}),
                    json!({"sender_id": 1, "conversation_id": 5, "message_type": "system", "content": "forged"}),
                ],
            },
            Sent {
                event: "join-conversation",
                good: json!({"conversationId": 5, "userId": 1}),
                more: vec![
                    json!({"conversationId": "5"}),
                    json!({"conversationId": 1.5}),
                    json!({"conversationId": -5}),
                    json!({"conversationId": 9_007_199_254_740_992_u64}),
                    json!({"conversationId": 5, "userId": "ben"}),
                ],
            },
            one("leave-conversation", json!({"conversationId": 5})),
            Sent {
                event: "typing",
                good: json!({"conversationId": 5, "userId": 1, "isTyping": true}),
                more: vec![json!({"conversationId": 5, "userId": "ben", "isTyping": true})],
            },
        ],
        "003" => vec![Sent {
            event: "sendMessage",
            good: json!({"sender": "1", "receiver": "ben", "text": "Hello"}),
            more: vec![
                json!({"sender": "ben", "receiver": "1", "text": "forged"}),
                json!({"receiver": "1", "text": "To me"}),
            ],
        }],
        other => panic!("dialect {other}: give an example of each event that its clients send"),
    }
}

/// Everything that can happen in a room or to a person, each under a name. Read, and not only shown, by dialects: so
/// each comes as the rooms give it.
pub(crate) fn with_happenings(mut each: impl FnMut(&'static str, &Happening<'_>)) {
    for (name, event) in timeline() {
        let stored = event.encode();
        each(name, &Happening::Timeline(Timeline::new(Seq(1042), Seq(1040), &stored)));
    }
    let newer = br#"{"event":"chat.message","v":1000,"data":{}}"#;
    each("an event of a newer version", &Happening::Timeline(Timeline::new(Seq(1042), Seq(1040), newer)));
    let ben = UserInRoom { room_id: room(), user_id: user("2"), username: "Ben".into() };
    each("somebody came", &Happening::Came(&ben));
    each("somebody went", &Happening::Went(&ben));
    let typing = TypingInRoom { room_id: room(), user_id: user("2"), username: "Ben".into(), is_typing: true };
    let frame = server::frame("chat.typing", &typing);
    each("somebody writes", &Happening::Typing(Encoded::new(&frame)));
    let invited = changed(Change::Invited);
    each("an invitation", &Happening::Invited(&invited));
    each("a new member", &Happening::MemberChanged(&changed(Change::Joined)));
    let marks = Receipt { room_id: room(), user_id: user("2"), delivered: Seq(1042), read: Seq(1040) };
    each("marks moved", &Happening::Marked(&marks));
    each("people counted", &Happening::Counted(&Presence { room_id: room(), users: vec![], user_count: 512 }));
    each("a new room", &Happening::RoomCreated(&state()));
}

/// Coming into a room.
pub(crate) fn joined() -> Joined {
    let frame = |seq, event: Event| {
        let frame = server::positioned(Seq(seq), None, &event.encode());
        serde_json::value::RawValue::from_string(String::from_utf8(frame.to_vec()).unwrap()).unwrap()
    };
    let deleted = Message::deleted(&deleted());
    let deleted = json!({"event": deleted.event().0, "seq": 1043, "data": deleted.item()});
    Joined {
        room_id: room(),
        epoch: epoch(),
        seq: Seq(1044),
        recovered: None,
        events: vec![
            frame(1042, Event::MessageSent(said())),
            serde_json::value::to_raw_value(&deleted).unwrap(),
            frame(1044, Event::MemberChanged(changed(Change::Kicked))),
        ],
        more: false,
        history_ready: true,
        users: vec![speaker()],
        user_count: 1,
        member: None,
        room: state(),
    }
}

fn said() -> MessageSent {
    MessageSent {
        room_id: room(),
        message_id: message_id(),
        user_id: user("1"),
        username: "Ada".into(),
        avatar: None,
        message: "Hello world!".into(),
        message_type: MessageType::Text,
        timestamp: at("2026-11-21T10:00:00.007Z"),
        reply_to: None,
        attachments: vec![],
        mentions: vec![],
    }
}

fn typed(message_type: MessageType, message: &str) -> Event {
    Event::MessageSent(MessageSent { message_type, message: message.into(), ..said() })
}

fn timeline() -> Vec<(&'static str, Event)> {
    let direct = MessageSent { room_id: RoomId::direct(&user("1"), &user("ben")), ..said() };
    let notice = MessageSent {
        user_id: UserId::system(),
        username: "System".into(),
        message: "Back in 5 minutes".into(),
        message_type: MessageType::System,
        ..said()
    };
    let edited = MessageEdited {
        room_id: room(),
        message_id: message_id(),
        user_id: user("1"),
        username: "Ada".into(),
        message: "Hello, everybody".into(),
        timestamp: at("2026-11-21T10:00:01.000Z"),
    };
    let updated = RoomUpdated {
        room_id: room(),
        name: "Lounge".into(),
        settings: state().settings,
        archived: false,
        by: user("1"),
        timestamp: at("2026-11-21T10:00:04.000Z"),
    };
    vec![
        ("a message", Event::MessageSent(said())),
        ("a message to one person", Event::MessageSent(direct)),
        ("a picture", typed(MessageType::Image, "/cat.png")),
        ("an object", typed(MessageType::Json, r#"{"text":"Hello","at":[1,{"x":null}]}"#)),
        ("what calls itself an object and is none", typed(MessageType::Json, "[1]")),
        ("the operator's word", Event::SystemSaid(notice)),
        ("an edit", Event::MessageEdited(edited)),
        ("a deletion", Event::MessageDeleted(deleted())),
        ("a notice of a member", Event::MemberChanged(changed(Change::Kicked))),
        ("a notice of the room", Event::RoomUpdated(updated)),
    ]
}

fn deleted() -> MessageDeleted {
    MessageDeleted {
        room_id: room(),
        message_id: message_id(),
        user_id: user("1"),
        username: "Ada".into(),
        author: user("1"),
        position: Position { epoch: epoch(), seq: Seq(1042) },
        sent_at: at("2026-11-21T10:00:00.007Z"),
        timestamp: at("2026-11-21T10:00:02.000Z"),
    }
}

fn changed(change: Change) -> MemberChanged {
    MemberChanged {
        room_id: room(),
        user_id: user("2"),
        username: "Ben".into(),
        change,
        role: None,
        by: Some(user("1")),
        reason: None,
        until: None,
        timestamp: at("2026-11-21T10:00:03.000Z"),
    }
}

fn state() -> RoomState {
    RoomState {
        room_id: room(),
        room_type: RoomType::Group,
        name: "Lounge".into(),
        settings: Settings { access: Access::Open, history: HistoryFrom::Beginning },
        archived: false,
    }
}
