//! One example of every frame of the server's, and of every kind of ack.

use bytes::Bytes;
use klatch_domain::*;
use klatch_wire::native::request::InRoom;
use klatch_wire::native::server::{self, *};
use klatch_wire::query::{HistoryResponse, MemberSummary, MembersResponse, RoomSummary, RoomsResponse};
use klatch_wire::{Code, Limits, ShownLimits};
use serde_json::value::RawValue;

use super::client_examples::{at, epoch, message_id, room, user};

fn ada() -> User {
    User { user_id: user("ada"), username: "Ada".into() }
}

fn here() -> UserInRoom {
    UserInRoom { room_id: room(), user_id: user("ben"), username: "Ben".into() }
}

fn said() -> MessageSent {
    MessageSent {
        room_id: room(),
        message_id: message_id(),
        user_id: user("ada"),
        username: "Ada".into(),
        avatar: None,
        message: "Hello world!".into(),
        message_type: MessageType::Text,
        timestamp: at("2026-11-21T10:00:00.007Z"),
        reply_to: None,
        attachments: vec![],
        mentions: vec![user("ben")],
    }
}

fn changed(change: Change) -> MemberChanged {
    MemberChanged {
        room_id: room(),
        user_id: user("ben"),
        username: "Ben".into(),
        change,
        role: Some(Role::Member),
        by: None,
        reason: None,
        until: None,
        timestamp: at("2026-11-21T10:00:03.000Z"),
    }
}

fn kicked() -> MemberChanged {
    MemberChanged { role: None, by: Some(user("ada")), reason: Some("spam".into()), ..changed(Change::Kicked) }
}

fn deletion() -> MessageDeleted {
    MessageDeleted {
        room_id: room(),
        message_id: message_id(),
        user_id: user("ada"),
        username: "Ada".into(),
        author: user("ada"),
        position: Position { epoch: epoch(), seq: Seq(1042) },
        sent_at: at("2026-11-21T10:00:00.007Z"),
        timestamp: at("2026-11-21T10:00:02.000Z"),
    }
}

fn room_state() -> RoomState {
    RoomState {
        room_id: room(),
        room_type: RoomType::Group,
        name: "Lounge".into(),
        settings: Settings { access: Access::Open, history: HistoryFrom::Beginning },
        archived: false,
    }
}

/// An item of a page: a frame without `prev`, in its present state.
fn item(seq: u64, message: &Message) -> Box<RawValue> {
    let data = serde_json::to_string(&message.item()).unwrap();
    raw(format!(r#"{{"event":"{}","seq":{seq},"data":{data}}}"#, message.event().0))
}

fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap()
}

fn edited() -> Message {
    let mut message = Message::new(said());
    let edit = MessageEdited {
        room_id: room(),
        message_id: message_id(),
        user_id: user("ada"),
        username: "Ada".into(),
        message: "Hello, everybody".into(),
        timestamp: at("2026-11-21T10:00:01.000Z"),
    };
    assert!(message.edit(Seq(1043), &edit, None));
    message
}

fn live(prev: u64, seq: u64, event: Event) -> Bytes {
    server::positioned(Seq(seq), Some(Seq(prev)), &event.encode())
}

fn timeline() -> Vec<(&'static str, Bytes)> {
    let system = MessageSent {
        user_id: UserId::system(),
        username: "System".into(),
        message: "Server maintenance in 5 minutes".into(),
        message_type: MessageType::System,
        mentions: vec![],
        ..said()
    };
    let edit = MessageEdited {
        room_id: room(),
        message_id: message_id(),
        user_id: user("ada"),
        username: "Ada".into(),
        message: "Hello, everybody".into(),
        timestamp: at("2026-11-21T10:00:01.000Z"),
    };
    let update = RoomUpdated {
        room_id: room(),
        name: "Lounge".into(),
        settings: room_state().settings,
        archived: false,
        by: user("ada"),
        timestamp: at("2026-11-21T10:00:04.000Z"),
    };
    vec![
        ("chat.message", live(1040, 1042, Event::MessageSent(said()))),
        ("chat.system", live(1042, 1043, Event::SystemSaid(system))),
        ("chat.messageEdited", live(1043, 1044, Event::MessageEdited(edit))),
        ("chat.messageDeleted", live(1044, 1045, Event::MessageDeleted(deletion()))),
        ("chat.memberChanged", live(1045, 1046, Event::MemberChanged(kicked()))),
        ("chat.roomUpdated", live(1046, 1049, Event::RoomUpdated(update))),
    ]
}

fn session() -> Vec<(&'static str, Bytes)> {
    let joined = Joined {
        room_id: room(),
        epoch: epoch(),
        seq: Seq(1042),
        recovered: Some(true),
        events: vec![raw(String::from_utf8(live(1040, 1042, Event::MessageSent(said())).to_vec()).unwrap())],
        more: false,
        history_ready: true,
        users: vec![ada()],
        user_count: 1,
        member: Some(MemberState {
            user_id: user("ada"),
            username: "Ada".into(),
            role: Role::Owner,
            standing: Standing::Joined,
            muted: false,
        }),
        room: room_state(),
    };
    let welcome = Welcome {
        session_id: "01934b5e-8a10-7000-8000-000000000002".into(),
        user: ada(),
        limits: ShownLimits::from(&Limits::default()),
        server_time: at("2026-11-21T10:00:00.000Z"),
        retry: Retry::default(),
    };
    let typing = TypingInRoom { room_id: room(), user_id: user("ben"), username: "Ben".into(), is_typing: true };
    let goodbye = Goodbye { reason: "the server stops".into(), reconnect_after_ms: 1500, resume: true };
    let failure = Failure { retry_after_ms: Some(250), ..Failure::new(Code::RateLimited, "too many frames") };
    vec![
        ("chat.welcome", server::frame("chat.welcome", &welcome)),
        ("chat.joined", server::frame("chat.joined", &joined)),
        ("chat.userJoined", server::frame("chat.userJoined", &here())),
        ("chat.userLeft", server::frame("chat.userLeft", &here())),
        ("chat.memberChanged.joined", server::frame("chat.memberChanged", &changed(Change::Joined))),
        ("chat.roomCreated", server::frame("chat.roomCreated", &room_state())),
        ("chat.typing", server::frame("chat.typing", &typing)),
        ("chat.receipt", server::frame("chat.receipt", &receipt())),
        ("chat.presence", server::frame("chat.presence", &Presence { users: vec![], user_count: 512, ..presence() })),
        ("chat.goodbye", server::frame("chat.goodbye", &goodbye)),
        ("error", server::error(Some("c-4"), &failure)),
        ("error.without-id", server::error(None, &Failure::new(Code::InvalidFrame, "a frame is a JSON object"))),
    ]
}

fn receipt() -> Receipt {
    Receipt { room_id: room(), user_id: user("ben"), delivered: Seq(1042), read: Seq(1040) }
}

fn presence() -> Presence {
    Presence { room_id: room(), users: vec![ada()], user_count: 1 }
}

fn acks() -> Vec<(&'static str, Bytes)> {
    let stored = Stored {
        room_id: room(),
        message_id: Some(message_id()),
        seq: Seq(1042),
        epoch: epoch(),
        timestamp: at("2026-11-21T10:00:00.007Z"),
    };
    let deleted = Message::deleted(&deletion());
    let history = HistoryResponse {
        room_id: room(),
        events: vec![item(1042, &edited()), item(1045, &deleted)],
        more: true,
        epoch: epoch(),
        seq: Seq(1046),
    };
    let summary = RoomSummary {
        room_id: room(),
        room_type: RoomType::Group,
        name: "Lounge".into(),
        last_message: Some(item(1042, &edited())),
        unread: 2,
        mentions: 1,
        seq: Seq(1046),
    };
    let empty = summary_of_direct();
    let rooms =
        RoomsResponse { rooms: vec![summary, empty], cursor: Some("b3RoZXI".into()), epoch: epoch(), seq: Seq(1046) };
    let member = |standing, muted| MemberSummary {
        user_id: user("ben"),
        username: "Ben".into(),
        avatar: None,
        role: Role::Member,
        standing,
        muted,
        last_seen: None,
    };
    let until = Some(at("2026-12-01T00:00:00.000Z"));
    let members = MembersResponse {
        room_id: room(),
        members: vec![
            member(Standing::Joined, Some(Mute { until: None })),
            member(Standing::Banned { until }, None),
            member(Standing::Invited, None),
        ],
        cursor: None,
        epoch: epoch(),
        seq: Seq(1046),
    };
    vec![
        ("ack.chat.message", server::ack("c-4", &stored)),
        ("ack.chat.kick", server::ack("c-15", &Stored { message_id: None, ..stored })),
        ("ack.chat.auth", server::ack("c-1", &ada())),
        ("ack.chat.join", server::ack("c-2", &Position { epoch: epoch(), seq: Seq(1042) })),
        ("ack.chat.leave", server::ack("c-3", &InRoom { room_id: room() })),
        ("ack.chat.read", server::ack("c-9", &receipt())),
        ("ack.chat.history", server::ack("c-10", &history)),
        ("ack.chat.rooms", server::ack("c-21", &rooms)),
        ("ack.chat.members", server::ack("c-22", &members)),
        ("ack.chat.presence", server::ack("c-23", &presence())),
        ("ack.chat.ping", server::ack("c-24", &Pong { server_time: at("2026-11-21T10:00:00.000Z") })),
    ]
}

fn summary_of_direct() -> RoomSummary {
    RoomSummary {
        room_id: RoomId::direct(&user("ada"), &user("ben")),
        room_type: RoomType::Direct,
        name: String::new(),
        last_message: None,
        unread: 0,
        mentions: 0,
        seq: Seq::ZERO,
    }
}

/// By the name of its file.
pub(crate) fn all() -> Vec<(&'static str, Bytes)> {
    [timeline(), session(), acks()].concat()
}
