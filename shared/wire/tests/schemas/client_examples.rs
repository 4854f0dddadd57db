//! One example of every request.

use klatch_domain::*;
use klatch_wire::native::ClientFrame;
use klatch_wire::native::request::{self, *};
use uuid::Uuid;

pub(crate) fn room() -> RoomId {
    RoomId::parse("room123").unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn message_id() -> MessageId {
    MessageId::parse("f2hbjyx4ztb2xdqmd3u7qvl6ca4wjv5k").unwrap()
}

pub(crate) fn epoch() -> Epoch {
    Epoch(Uuid::from_u128(0x0193_4b5e_8a10_7000_8000_0000_0000_0001))
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn settings() -> request::SettingsChange {
    request::SettingsChange { access: Some(Access::Private), history: Some(HistoryFrom::Joined) }
}

/// Fails to compile when a request is added, so that nobody forgets its example.
pub(crate) fn all() -> Vec<ClientFrame> {
    let until = Some(at("2026-12-01T00:00:00.000Z"));
    let reason = Some("spam".to_owned());
    let about_user = || AboutUser { room_id: room(), user_id: user("ben"), reason: reason.clone() };
    let requests = [
        Request::Auth(Auth { token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln".into() }),
        Request::Join(request::Join {
            room_id: room(),
            since: Some(Position { epoch: epoch(), seq: Seq(1042) }),
            limit: Some(50),
        }),
        Request::Leave(InRoom { room_id: room() }),
        Request::Message(request::Message {
            room_id: room(),
            message: "Hello world!".into(),
            message_type: MessageType::Text,
            reply_to: Some(MessageRef { message_id: message_id(), seq: Seq(1042) }),
            attachments: vec![Attachment {
                url: "/api/files/1".into(),
                name: Some("plan.pdf".into()),
                content_type: Some("application/pdf".into()),
                size: Some(1024),
            }],
            mentions: vec![user("ben")],
            username: Some("Ada".into()),
        }),
        Request::Edit(request::Edit {
            room_id: room(),
            message_id: message_id(),
            seq: Seq(1042),
            message: "Hello, everybody".into(),
        }),
        Request::Delete(AboutMessage { room_id: room(), message_id: message_id(), seq: Seq(1042) }),
        Request::Typing(Typing { room_id: room(), is_typing: true, username: None }),
        Request::Delivered(Mark { room_id: room(), seq: Seq(1042) }),
        Request::Read(Mark { room_id: room(), seq: Seq(1042) }),
        Request::History(History {
            room_id: room(),
            before: Some(Seq(1042)),
            after: None,
            around: None,
            limit: Some(50),
        }),
        Request::CreateRoom(request::CreateRoom {
            room_id: Some(room()),
            room_type: RoomType::Group,
            name: Some("Lounge".into()),
            participants: vec![user("ben")],
            settings: settings(),
        }),
        Request::UpdateRoom(request::UpdateRoom { room_id: room(), name: Some("Lounge".into()), settings: settings() }),
        Request::ArchiveRoom(request::ArchiveRoom { room_id: room(), remove: false }),
        Request::Invite(InviteUser {
            room_id: room(),
            user_id: user("ben"),
            role: Some(Role::Member),
            reason: Some("welcome".into()),
        }),
        Request::Kick(about_user()),
        Request::Ban(AboutUserUntil { room_id: room(), user_id: user("ben"), reason: reason.clone(), until }),
        Request::Unban(about_user()),
        Request::Mute(MuteUser { room_id: room(), user_id: user("ben"), reason: reason.clone(), until, remove: false }),
        Request::Role(GiveRole { room_id: room(), user_id: user("ben"), role: Role::Moderator, reason: None }),
        Request::Exit(InRoom { room_id: room() }),
        Request::Rooms(Rooms { cursor: Some("b3RoZXI".into()), limit: Some(50) }),
        Request::Members(Members { room_id: room(), cursor: Some("b3RoZXI".into()), limit: Some(50) }),
        Request::Presence(InRoom { room_id: room() }),
        Request::Ping(Ping {}),
    ];
    let id = |at: usize| ClientId::parse(format!("c-{at}")).ok();
    requests.into_iter().enumerate().map(|(at, request)| ClientFrame { id: id(at + 1), request }).collect()
}
